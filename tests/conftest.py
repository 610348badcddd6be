"""Settings of all tests: the same examples in every run, no limits on time, one thread of torch."""

import os

from hypothesis import settings

# Before torch is imported: networks this small are no faster with more, and sums are then always taken in the same order.
os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile("quiesce", derandomize=True, deadline=None)
settings.load_profile("quiesce")
