"""The prefetched program, which shares the bus with activations."""

from dataclasses import dataclass

__all__ = ["Prefetch"]

_DEPTH = 128
"""Beats that may be requested or wait."""
_BURST = 16


@dataclass(frozen=True, kw_only=True)
class Prefetch:
    """The buffer around one pass: it empties by what the bus carries for others while the sequencer takes a beat per cycle.

    What is missing has been requested, and is served before requests that come later.

    Members
    -------
    latency : of the memory
    missing : beats when the sequencer stopped before the pass
    stopped : when it did
    begins : when it takes what is behind the pass
    beats : how much that is
    """

    latency: int
    missing: int = 0
    stopped: int = 0
    begins: int = 0
    beats: int = 0

    def _missing_at(self, time: int) -> int:
        refilled = min(time, self.begins) - self.stopped + max(0, time - self.begins - self.beats)
        return max(0, self.missing - max(0, refilled))

    def wait(self, time: int) -> int:
        """Latency of a request: what the program has requested before it comes first."""
        ahead = self.latency + _BURST // 2 + self.missing
        idle = min(time, self.begins) - self.stopped + max(0, time - self.begins - self.beats)
        return max(self.latency, min(ahead, _DEPTH) - max(0, idle))

    def after(self, others: int) -> tuple[int, int]:
        """Beats missing when the sequencer has taken all, and when that is, if ``others`` were carried meanwhile."""
        missing = self._missing_at(self.begins) + others
        late = max(0, missing - _DEPTH)
        return missing - late, self.begins + self.beats + late
