"""Analysis of a mapped netlist without any stimulus: sizes by module, and the shortest clock period.

``flat`` dissolves the hierarchy, ``fanout`` estimates buffers of nets with many sinks, ``topology`` orders the logic.
"""
