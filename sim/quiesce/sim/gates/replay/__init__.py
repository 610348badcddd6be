"""Replay: what went into a core's Verilog, cycle by cycle, goes into its netlist, which has to answer the same.

A simulator of the RTL records its ports (``stimulus``, ``recording``), the netlist is simulated on up to 64 recordings at once
(``replay``), and what its nets did becomes energy by module (``power``).
"""
