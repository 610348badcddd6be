"""The parts that replace others in a core without zero-skipping, which event-driven cores are compared with.

The same multipliers, accumulators, back end and bus; records without masks, a counter in place of the search for nonzero
bits, and all PEs in lock-step: one multiplication a lane and cycle, needed or not.
"""
