"""Gates: a core is synthesised to a cell library, its area and timing are analysed, and its netlist is simulated for energy.

From a Liberty file (``liberty``) and Verilog comes a netlist (``synth``), from that area and clock period (``analysis``).
Recorded runs of the RTL check it cycle by cycle and give its energy (``replay``), to which the RTL's model is fitted
(``calibration``).
"""
