"""Energy of a core: what the simulator counts of its nets, registers and memories goes in, pJ by class of module come out.

``monitors`` opens the Verilog's activity to the simulator, ``table`` holds what a toggle, a clock edge and an access cost, and
``breakdown`` weighs the one with the other.
"""
