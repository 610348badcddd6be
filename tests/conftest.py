"""Settings of all tests: the same examples in every run, and no limits on time."""

from hypothesis import settings

settings.register_profile("quiesce", derandomize=True, deadline=None)
settings.load_profile("quiesce")
