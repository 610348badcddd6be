"""From row records to events: beats of masks and values in, one event a cycle out.

Records go into two rings. The scan takes mask words in the order in which the array needs them, the detector finds their
nonzero bits and the value of each, and the context tells the array what it belongs to: accumulators, weight slot, positions
that exist.
"""
