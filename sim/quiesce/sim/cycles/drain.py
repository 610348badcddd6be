"""Finished output rows on their way out of the accumulators."""

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.bus import bursts_of
from quiesce.sim.cycles.latencies import LATENCIES
from quiesce.sim.cycles.records import value_beats
from quiesce.sim.cycles.scan import PassScan
from quiesce.sim.cycles.updates import InputRow, Updates
from quiesce.sim.cycles.writes import RowWriter
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig

__all__ = ["DrainModel"]

_TO_POST = 2
"""Cycles from a group read to its arrival at post-processing."""
_MOST = 4
"""Cycles a group that draining beside updates may take for no more to be known of it, if nothing waits for it so long."""
_LONG_AGO = -16

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]

_State = tuple[int, int, int, int, int]
"""The last group read; the last but one, and the last, taken by post-processing; the last chunk cut of a group, and of any."""


class DrainModel:
    """Drains the output rows of a pass one after the other, each as soon as the input rows that it needs are finished.

    Group i of a row is read in d[i], taken by post-processing in t[i], and cut into chunks from c[i] on (``rtl.backend.drain``,
    ``rtl.backend.postprocess``)::

        d[i] = max(d[i-1] + 1, t[i-2] + 1)          two words may wait
        t[i] = max(d[i] + 2, last chunk of i-1)
        c[i] = max(t[i] + 1, last chunk of i-1, padding of its pixel included, + 1)

    It is read later if a PE needs the bank for rows that follow (`Updates`). So rows are drained when these are known: when a row
    to be scanned needs their room, or at the end of the pass.

    Parameters
    ----------
    array, back : int
        When the array and post-processing begin the pass.
    nonzero : ndarray
        Which outputs are not zero, (n_out_rows, n_out_cols, channels).
    out_offset : int
        Of the record of the first output row, bytes.

    Members
    -------
    rows : when each output row has been read
    cut : when the last chunk of each has been cut
    """

    def __init__(
        self, config: CoreConfig, fields: dict[str, int], array: int, back: int, writer: RowWriter,
        nonzero: Bits, out_offset: int,
    ):  # fmt: skip
        self._config, self._fields, self._writer, self._nonzero = config, fields, writer, nonzero
        self._out_offset = out_offset
        self._back = back + 2  # first chunk
        self._state: _State = (array + 1, 0, 0, 0, 0)
        self._known: dict[tuple[int, ...], tuple[Ints, _State]] = {}
        slices, groups, chunks = self._slices, _, _ = config.lanes // config.post_units, fields["n_groups"], fields["chunks"]
        last = min(slices, chunks - slices * (groups - 1))
        self._pixel = [(slices, 0)] * (groups - 1) + [(last, max(0, chunks - slices * (groups - 1) - last))]
        self._n_groups, self._n_chunks = fields["n_out_cols"] * groups, fields["n_out_cols"] * chunks
        self.rows: list[int] = []
        self.cut: list[int] = []
        self._array = array
        self._inputs: list[InputRow] = []

    def finished(self, row: InputRow) -> None:
        """All events of an input row have been walked."""
        if self._inputs:
            row.done = max(row.done, self._inputs[-1].done + 1)
        self._inputs.append(row)

    def finish(self) -> None:
        """All input rows are finished: drain the rest."""
        while self._fields["drain"] and len(self.rows) < self._fields["n_out_rows"]:
            self._drain(1 << 62)

    def _awaited(self, row: int) -> int:
        """The last input row that an output row needs, -1 if it sees padding only."""
        fields = self._fields
        return max(0, min(fields["need_first"] + row * fields["need_step"], fields["n_rows"])) - 1

    def _drain(self, until: int) -> None:
        """Drain a row, in the room of which nothing waits before ``until``."""
        row, inputs = len(self.rows), self._inputs
        last = self._awaited(row)
        done = inputs[last].done if last >= 0 else self._array + 1
        begin = max(self._state[0] + 1, done + LATENCIES.drain)
        cuts, state = self._row(begin)
        if row + 1 < self._fields["n_out_rows"] and self._awaited(row + 1) < len(inputs):
            following = self._awaited(row + 1)
            until = min(until, inputs[following].done) if following >= 0 else 0
        later = inputs[last + 1 :]
        if later and later[0].first <= state[0] and begin <= later[-1].done and until < state[0] + _MOST * self._n_groups:
            cuts, state = self._beside_updates(last)
        self.rows.append(state[0] + 1)
        self.cut.append(state[4])
        bursts, more = self._bursts(row, cuts)
        held = self._writer.row(bursts) - 1
        self._state = (*state[:3], max(state[3], held), max(state[4] + more, held))

    def _beside_updates(self, last: int) -> tuple[Ints, _State]:
        """Like ``_row`` for the next row, which needs the input rows up to ``last``, while PEs work on those behind."""
        inputs, next_read, depth = self._inputs, self._state[0] + 1, self._config.psum_depth
        done = inputs[last].done if last >= 0 else self._array + 1
        origin = int(inputs[last].row_end.min()) if last >= 0 else done
        first = max(0, last)
        if next_read > done + 2 * depth:  # that does not count, nor do rows that are over
            origin, first = next_read, bisect_left(inputs, next_read, lo=first, key=lambda row: row.done)
        # Operations that go on hold up the sums of rows before theirs, and with them the ends of these rows.
        begin = first
        while 0 < begin < len(inputs) and not inputs[begin].followed and inputs[begin - 1].done >= inputs[begin].first:
            begin -= 1
        n_cycles = max(next_read, done) - origin + _MOST * (self._n_groups + depth)
        while True:
            end = next((k for k in range(first, len(inputs)) if inputs[k].first >= origin + n_cycles), len(inputs))
            rows = inputs[begin:end]
            for index, row in enumerate(rows):
                row.follow(rows[index - 1] if index else None)
            if rows and not (end < len(inputs) and inputs[end].followed):
                rows[-1].leave()
            updates = Updates(rows, first - begin, self._config.n_pes, origin, n_cycles)
            if first == last:
                done = updates.done
            cuts, state = self._row(max(next_read, done + LATENCIES.drain), updates)
            if max(state[0], done) < origin + n_cycles or inputs[-1].done < origin + n_cycles:
                return cuts, state
            n_cycles *= 2

    def _row(self, begin: int, updates: Updates | None = None) -> tuple[Ints, _State]:
        """Read a row from ``begin`` on: when the first chunk of each group is cut, and the state behind the row."""
        # The same again, if it begins alike.
        key = tuple(max(_LONG_AGO, time - begin) for time in (*self._state, self._back))
        if updates or key not in self._known:
            fields, n_pes = self._fields, self._config.n_pes
            read, before, taken, cut, any_cut, back = key
            read = -1
            begins: list[int] = []
            for col in range(fields["n_out_cols"]):
                address = len(self.rows) * fields["acc_row_pitch"] + col * fields["acc_col_pitch"]
                for group, (chunks, padding) in enumerate(self._pixel):
                    read = max(read + 1, before + 1)
                    if updates:
                        owners = fields["n_last_pes"] if group == fields["n_groups"] - 1 else n_pes
                        read = updates.free(begin + read, (address + group) % 2, owners) - begin
                    before, taken = taken, max(read + _TO_POST, cut)
                    begins.append(max(taken + 1, any_cut + 1, back))
                    cut = begins[-1] + chunks - 1
                    any_cut = cut + padding
            result = np.array(begins), (read, before, taken, cut, any_cut)
            if not updates:
                self._known[key] = result
        else:
            result = self._known[key]
        cuts, state = result
        read, before, taken, cut, any_cut = (begin + time for time in state)
        return begin + cuts, (read, before, taken, cut, any_cut)

    def _bursts(self, row: int, cuts: Ints) -> tuple[list[tuple[int, int, int]], bool]:
        """Bursts of an output row, see `RowWriter.row`, if the chunks of its groups are cut from these cycles on; and whether its
        last chunk takes a cycle more, having values for two beats: see ``quiesce.rtl.backend.encoder``.
        """
        fields, config, size = self._fields, self._config, self._config.beat_bytes
        offset, chunks = self._out_offset + row * fields["out_row_stride"], fields["chunks"]
        col, chan = np.nonzero(self._nonzero[row])
        n_values, per_beat = len(col), size << fields["out_narrow"]
        n_beats = value_beats(config, fields["out_narrow"], n_values)
        masks = bursts_of(offset // size, fields["out_mask_beats"])
        values = bursts_of((offset + fields["out_value_offset"]) // size, n_beats)
        # A full beat of values waits for the next one.
        after_masks = np.cumsum(masks) * config.data_width // fields["chunk_bits"] - 1
        of_values = np.append(col * chunks + chan // config.post_units, self._n_chunks)
        after_values = of_values[np.minimum(np.cumsum(values, dtype=np.int64) * per_beat, n_values)]
        more = n_beats > max(1, ceil_div(int(np.searchsorted(of_values, self._n_chunks - 1)), per_beat))
        chunk = np.minimum(np.concatenate([after_masks, after_values]), self._n_chunks - 1)
        col, chunk = np.divmod(chunk, chunks)
        group = np.minimum(chunk // self._slices, fields["n_groups"] - 1)
        times = cuts[col * fields["n_groups"] + group] + chunk - group * self._slices
        times[-1] += more
        clients = [0] * len(masks) + [1] * len(values)
        bursts = zip(times.tolist(), clients, masks + values, strict=True)
        return sorted(bursts, key=lambda burst: burst[0] + burst[1]), more

    def room(self, row: int, scan: PassScan, turn: int) -> int:
        """When the accumulators of the last output row are free that an input row touches, which else begins at ``turn``."""
        fields = self._fields
        last = min(fields["row_quot"] + int(scan.rows.steps[row]) - fields["out_row_first"], fields["n_out_rows"] - 1)
        index = last - fields["ring_rows"]
        if index < 0 or not fields["drain"]:
            return 0
        while len(self.rows) <= index:
            self._drain(turn if len(self.rows) == index else 1 << 62)
        return self.rows[index] + LATENCIES.ring
