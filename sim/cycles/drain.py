"""Finished output rows on their way out of the accumulators."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.bus import bursts_of
from quiesce.sim.cycles.records import value_beats
from quiesce.sim.cycles.scan import PassScan
from quiesce.sim.cycles.timing import Timing
from quiesce.sim.cycles.writes import RowWriter
from quiesce.sw.config import CoreConfig

__all__ = ["DrainModel"]

_TO_POST = 2
"""Cycles from a group read to its arrival at post-processing."""
_BESIDE_UPDATES = 3
"""Cycles that a group takes to be read while PEs add to their accumulators: the slowest of them counts, each of which finds its
bank free in every second cycle or so. Checked by validation, as the latencies of ``Timing`` are."""
_LONG_AGO = -16

Ints = npt.NDArray[np.int64]

_State = tuple[int, int, int, int, int]
"""The last group read; the last but one, and the last, taken by post-processing; the last chunk cut of a group, and of any."""


class DrainModel:
    """Drains the output rows of a pass one after the other, each as soon as the input rows that it needs are finished.

    Group i of a row is read in d[i], taken by post-processing in t[i], and cut into chunks from c[i] on (``rtl/drain.py``,
    ``rtl/postprocess.py``)::

        d[i] = max(d[i-1] + 1, t[i-2] + 1)          two words may wait
        t[i] = max(d[i] + 2, last chunk of i-1)
        c[i] = max(t[i] + 1, last chunk of i-1, padding of its pixel included, + 1)

    Reading takes more while the PEs work on the rows that follow and their sums are too many for the registers in front of the
    accumulators.

    Parameters
    ----------
    array, back : int
        When the array and post-processing begin the pass.
    nonzero : sequence of ndarray
        Of each row, which outputs are not zero, (n_out_cols, channels).

    Members
    -------
    rows : when each output row has been read
    cut : when the last chunk of each has been cut
    """

    def __init__(
        self, config: CoreConfig, fields: dict[str, int], timing: Timing, array: int, back: int, writer: RowWriter,
        nonzero: Sequence[npt.NDArray[np.bool_]],
    ):  # fmt: skip
        self._config, self._fields, self._timing, self._writer, self._nonzero = config, fields, timing, writer, nonzero
        self._back = back + 2  # first chunk
        self._state: _State = (array + 1, 0, 0, 0, 0)
        self._known: dict[tuple[int, ...], tuple[Ints, _State]] = {}
        slices, groups, chunks = self._slices, _, _ = config.lanes // config.post_units, fields["n_groups"], fields["chunks"]
        last = min(slices, chunks - slices * (groups - 1))
        self._pixel = [(slices, 0)] * (groups - 1) + [(last, max(0, chunks - slices * (groups - 1) - last))]
        self._n_groups, self._n_chunks = fields["n_out_cols"] * groups, fields["n_out_cols"] * chunks
        self._updated = self._n_groups > config.psum_depth
        self.rows: list[int] = []
        self.cut: list[int] = []
        self.finished(-1, array + 1, 0)

    def finished(self, row: int, time: int, work: int) -> None:
        """All PEs have finished an input row, the busiest after ``work`` cycles; output rows that need no more go out.

        The rows that follow are taken to be as much work. Row -1 stands for those that see padding only.
        """
        fields, cycles = self._fields, self._n_groups
        if self._updated and row + 1 < fields["n_rows"]:
            cycles = min(_BESIDE_UPDATES * cycles, cycles + work * (_BESIDE_UPDATES - 1) // _BESIDE_UPDATES)
        while fields["drain"] and len(self.rows) < fields["n_out_rows"]:
            need = min(fields["need_first"] + len(self.rows) * fields["need_step"], fields["n_rows"])
            if row + 1 < need:
                return
            begin = max(self._state[0] + 1, time + self._timing.drain)
            cuts, state = self._row(begin)
            late = max(0, begin + cycles - 1 - state[0])
            state = (state[0] + late, state[1] + late, state[2] + late, state[3] + late, state[4] + late)
            self.rows.append(state[0] + 1)
            self.cut.append(state[4])
            cuts = cuts + late * np.arange(1, self._n_groups + 1) // self._n_groups
            held = self._writer.row(self._bursts(len(self.rows) - 1, cuts)) - self._n_chunks
            self._state = (*state[:3], max(state[3], held), max(state[4], held))

    def _row(self, begin: int) -> tuple[Ints, _State]:
        """When the first chunk of each group is cut, and the state behind the row, whose first group may be read from ``begin`` on.
        """
        # The same again, if it begins alike.
        key = tuple(max(_LONG_AGO, time - begin) for time in (*self._state, self._back))
        if key not in self._known:
            read, before, taken, cut, any_cut, back = key
            read = -1
            cuts = []
            for _ in range(self._fields["n_out_cols"]):
                for chunks, padding in self._pixel:
                    read = max(read + 1, before + 1)
                    before, taken = taken, max(read + _TO_POST, cut)
                    begins = max(taken + 1, any_cut + 1, back)
                    cuts.append(begins)
                    cut = begins + chunks - 1
                    any_cut = cut + padding
            self._known[key] = np.array(cuts), (read, before, taken, cut, any_cut)
        cuts, state = self._known[key]
        read, before, taken, cut, any_cut = (begin + time for time in state)
        return begin + cuts, (read, before, taken, cut, any_cut)

    def _bursts(self, row: int, cuts: Ints) -> list[tuple[int, int, int]]:
        """Bursts of an output row, see `RowWriter.row`, if the chunks of its groups are cut from these cycles on."""
        fields, config, size = self._fields, self._config, self._config.beat_bytes
        offset, chunks = fields["out_offset"] + row * fields["out_row_stride"], fields["chunks"]
        col, chan = np.nonzero(self._nonzero[row])
        narrow, n_values = fields["out_narrow"], len(col)
        masks = bursts_of(offset // size, fields["out_mask_beats"])
        values = bursts_of((offset + fields["out_value_offset"]) // size, value_beats(config, narrow, n_values))
        # A full beat of values waits for the next one.
        after_masks = np.cumsum(masks) * config.data_width // fields["chunk_bits"] - 1
        after_values = np.append(col * chunks + chan // config.post_units, self._n_chunks)[
            np.minimum(np.cumsum(values, dtype=np.int64) * (size << narrow), n_values)
        ]
        chunk = np.minimum(np.concatenate([after_masks, after_values]), self._n_chunks - 1)
        col, chunk = np.divmod(chunk, chunks)
        group = np.minimum(chunk // self._slices, fields["n_groups"] - 1)
        times = cuts[col * fields["n_groups"] + group] + chunk - group * self._slices
        clients = [0] * len(masks) + [1] * len(values)
        return sorted(zip(times.tolist(), clients, masks + values, strict=True), key=lambda burst: burst[0] + burst[1])

    def room(self, row: int, scan: PassScan) -> int:
        """When the accumulators of the last output row that an input row touches are free."""
        fields = self._fields
        last = min(fields["row_quot"] + int(scan.rows.steps[row]) - fields["out_row_first"], fields["n_out_rows"] - 1)
        index = last - fields["ring_rows"]
        return self.rows[index] + self._timing.ring if index >= 0 and fields["drain"] else 0
