"""The prefetched program, which shares the bus with activations."""

from dataclasses import dataclass

__all__ = ["DEPTH", "Prefetch", "late_by"]

DEPTH = 128
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

    def wait(self, time: int) -> int:
        """Latency of a request: what the program has requested before it comes first."""
        ahead = max(self.latency, self.missing) + _BURST // 2
        idle = min(time, self.begins) - self.stopped + max(0, time - self.begins - self.beats)
        # While the program flows, half a burst is in front: a burst is requested as soon as one has been taken.
        flows = 0 <= time - self.begins - _BURST < self.beats
        return max(self.latency + flows * (_BURST // 2), min(ahead, DEPTH) - max(0, idle))

    def after(self, arrived: int, others: int) -> tuple[int, int]:
        """Beats missing when the sequencer has taken all, and when that is.

        Parameters
        ----------
        others : int
            Beats that the bus carries for others from the halt until ``arrived``, evenly.
        """
        reads = max(1, arrived - self.stopped)
        halt = min(arrived, self.begins) - self.stopped
        flow = max(0, min(arrived, self.begins + self.beats) - self.begins)
        missing = max(0, self.missing + others * halt // reads - (self.begins - self.stopped))
        missing, late = late_by(missing, others * flow // reads)
        return missing, self.begins + self.beats + late


def late_by(missing: int, others: int) -> tuple[int, int]:
    """Beats missing, and the cycles that a sequencer has lost that takes a beat per cycle, after so many for others."""
    late = max(0, missing + others - DEPTH)
    return missing + others - late, late
