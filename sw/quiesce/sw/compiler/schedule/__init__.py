"""Scheduling: passes in order in, places in the memories and the order of loads out.

``placement`` places weights on chip, for good or in turns, ``shares`` chooses the tiling with which an item then takes the fewest
cycles, ``memory`` places the maps between layers and ``winners`` the ranked ones.
"""
