"""The array: one event a cycle in, partial sums of finished rows out.

All PEs take the events of the broadcast at their own pace, out of a FIFO each. A PE walks the weight-mask bits that an event
selects, one nonzero weight for each of its lanes a cycle, and adds the products to sums in registers and from there to
accumulators.
"""
