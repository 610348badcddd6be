"""Synthesis: Verilog and a library go in; a netlist of the library's cells comes out, the hierarchy of modules kept.

Yosys (``yosys``) elaborates and maps; in between, large memories become black boxes and clocks get gates in front of their gates.
Results are kept in the cache by all that they depend on.
"""
