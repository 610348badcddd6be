"""Quiesce co-simulation: trained networks on the emitted Verilog, cycles and energy."""
