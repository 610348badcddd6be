"""Gates: synthesis to a cell library, area, timing, simulation of the netlist and its power."""
