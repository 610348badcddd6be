"""Finished output rows on their way out of the accumulators."""

from quiesce.sim.cycles.scan import PassScan
from quiesce.sim.cycles.timing import Timing
from quiesce.sw.config import CoreConfig
from quiesce.sw.format.geometry import ceil_div

__all__ = ["DrainModel"]

_GROUPS_WAITING = 3
"""Groups that may be read before post-processing takes them."""
_BESIDE_UPDATES = 3
"""Cycles that a group takes to be read while PEs add to their accumulators: the slowest of them counts, each of which finds its
bank free in every second cycle or so. Checked by validation, as the latencies of ``Timing`` are."""


class DrainModel:
    """Drains the output rows of a pass one after the other, each as soon as the input rows that it needs are finished.

    Reading takes a cycle for each group of each pixel, more while the PEs work on the rows that follow and their sums are too
    many for the registers in front of the accumulators; post-processing takes one for each chunk, padding included; reading is
    ahead by what may wait, and by the padding of the last pixel.
    """

    def __init__(self, config: CoreConfig, fields: dict[str, int], timing: Timing, start: int):
        self._fields, self._timing = fields, timing
        cols, groups = fields["n_out_cols"], fields["n_groups"]
        self._read_cycles, self._post_cycles = cols * groups, cols * fields["chunks"]
        self._updated = cols * groups > config.psum_depth
        padding = fields["chunks"] - min(fields["chunks"], ceil_div(fields["valid_chans"], config.post_units))
        self._ahead = padding + min(_GROUPS_WAITING, cols * groups) * min(fields["chunks"], config.lanes // config.post_units)
        self._read = self._post = start
        self.rows: list[int] = []
        """When each output row has been read."""
        self.handed: list[int] = []
        """When the last chunk of each has been cut."""
        self.finished(-1, start, 0)

    def finished(self, row: int, time: int, work: int) -> None:
        """All PEs have finished an input row, the busiest after ``work`` cycles; output rows that need no more go out.

        The rows that follow are taken to be as much work. Row -1 stands for those that see padding only.
        """
        fields, cycles = self._fields, self._read_cycles
        if self._updated and row + 1 < fields["n_rows"]:
            cycles = min(_BESIDE_UPDATES * cycles, cycles + work * (_BESIDE_UPDATES - 1) // _BESIDE_UPDATES)
        while fields["drain"] and len(self.rows) < fields["n_out_rows"]:
            need = min(fields["need_first"] + len(self.rows) * fields["need_step"], fields["n_rows"])
            if row + 1 < need:
                return
            begin = max(self._read, time + self._timing.drain)
            self._post = max(max(self._post, begin + 1) + self._post_cycles, begin + cycles)
            self._read = max(begin + cycles, self._post - self._ahead)
            self.rows.append(self._read)
            self.handed.append(self._post)

    def room(self, row: int, scan: PassScan) -> int:
        """When the accumulators of the last output row that an input row touches are free."""
        fields = self._fields
        last = min(fields["row_quot"] + int(scan.rows.steps[row]) - fields["out_row_first"], fields["n_out_rows"] - 1)
        index = last - fields["ring_rows"]
        return self.rows[index] + self._timing.ring if index >= 0 and fields["drain"] else 0
