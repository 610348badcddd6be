"""The way to memory: requests for runs of beats in, AXI4 bursts of up to 16 beats out, one beat a cycle each way.

Bursts are cut at 4 KiB, translated from an offset in a region to an address, and refused outside their region. Data come back
in the order of the requests. Several cores share one port in turns.
"""
