"""Quiesce gateware, in Amaranth: ``top`` has registers, run control and a ``cluster`` of cores.

``program`` feeds them, ``core`` connects ``frontend``, ``pe`` (the array) and ``backend``, ``bus`` is their way to memory,
``plain`` replaces what skips zeros, ``lib`` serves all, ``verilog`` writes it down.
"""
