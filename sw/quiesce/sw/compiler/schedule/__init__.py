"""Scheduling: passes in order in, places in the memories and the order of loads out.

``placement`` places weights on chip, for good or in turns, ``memory`` the maps between layers and ``winners`` the ranked ones;
``network_schedule`` does it all, for the tiling with which an item takes the fewest cycles.
"""
