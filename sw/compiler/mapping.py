"""How a layer (or a tile of it) lies in the PEs: positions, contexts, slots and their packed weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiesce.sw.compiler.window import Window
from quiesce.sw.config import CoreConfig
from quiesce.sw.format.bitmask import channel_pitch
from quiesce.sw.format.checks import largest
from quiesce.sw.format.geometry import ceil_div

__all__ = ["Mapping", "PackedWeights"]


@dataclass(frozen=True, kw_only=True)
class PackedWeights:
    """Contents of the weight memories for one tile.

    Members
    -------
    masks : (n_pes, words, mask_width) bool
    values : per PE the packed weight words, int8 (n, n_lanes)
    bits : of a weight in memory: the fewest that the core supports and that hold all values
    work : (slots, n_pes) operations that an event of each slot causes
    """

    masks: npt.NDArray[np.bool_]
    values: tuple[npt.NDArray[np.int8], ...]
    bits: int
    work: npt.NDArray[np.int64]

    @property
    def mask_words(self) -> int:
        return int(self.masks.shape[1])

    def rows(self, config: CoreConfig) -> int:
        """Weight memory rows of the fullest PE."""
        return max(ceil_div(len(v), config.words_per_row(self.bits)) for v in self.values)


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """Output channels ``outs`` of a layer fed from the channels ``ins``, stored in planes of ``plane_chans``.

    Positions are (kernel row displacement i, column displacement j, group g), g innermost; contexts are (kernel row block,
    group block), group blocks innermost; slots are (context, row phase, column phase, channel).

    Members
    -------
    position_limit : most positions of a context, if a kernel row of one group is not longer than that
    """

    config: CoreConfig
    window: Window
    outs: range
    ins: range
    plane_chans: int
    position_limit: int

    @cached_property
    def n_groups(self) -> int:
        """Output channels per lane, rounded up."""
        return ceil_div(len(self.outs), self.config.lanes)

    @cached_property
    def last_pes(self) -> int:
        """PEs that own a channel of the last group."""
        return ceil_div(len(self.outs) - (self.n_groups - 1) * self.config.lanes, self.config.n_lanes)

    @cached_property
    def rows_per_block(self) -> int:
        """Kernel row displacements of one context."""
        rows, cols = (len(axis.displacements) for axis in self.window.axes)
        return min(rows, max(1, self.position_limit // cols))

    @cached_property
    def n_kctx(self) -> int:
        return ceil_div(len(self.window.axes[0].displacements), self.rows_per_block)

    @cached_property
    def groups_per_block(self) -> int:
        """Output groups of one context, spread evenly over as few contexts as possible."""
        if self.n_kctx > 1:
            return 1
        most = max(1, self.position_limit // (self.rows_per_block * len(self.window.axes[1].displacements)))
        return ceil_div(self.n_groups, ceil_div(self.n_groups, most))

    @cached_property
    def n_gctx(self) -> int:
        return ceil_div(self.n_groups, self.groups_per_block)

    @property
    def n_contexts(self) -> int:
        return self.n_kctx * self.n_gctx

    @cached_property
    def n_positions(self) -> int:
        return self.rows_per_block * len(self.window.axes[1].displacements) * self.groups_per_block

    @property
    def acc_col_pitch(self) -> int:
        """Accumulator words from one output column to the next."""
        return self.n_groups

    @cached_property
    def acc_row_pitch(self) -> int:
        """Accumulator words from one output row to the next.

        Padded so that the window of a pixel, and next to it that of its neighbour, meet in as few registers of the PE as
        possible; but the ring keeps some rows beyond the window, or all that it held without padding.
        """
        rows, cols = self.window.axes
        shortest = cols.n_out * self.acc_col_pitch
        held = self.config.acc_depth // shortest if shortest <= self.config.acc_depth else 0
        enough = min(held, max(rows.span + 4, 1))
        depth = self.config.psum_depth

        def crowding(pitch: int) -> tuple[int, int, int]:
            window = {int(i * pitch + j * self.acc_col_pitch + g) for i, j, g in self.position_table}
            later = {
                address + step * self.acc_col_pitch + block * self.groups_per_block
                for address in window for step in (0, 1) for block in range(self.n_gctx)
            }  # fmt: skip
            missing, missing_later = (len(some) - len({address % depth for address in some}) for some in (window, later))
            return missing, missing_later, pitch

        fitting = [pitch for pitch in range(shortest, shortest + depth) if pitch * enough <= self.config.acc_depth]
        return min(fitting or [shortest], key=crowding)

    @cached_property
    def slot_log2(self) -> int:
        return (self.n_positions - 1).bit_length()

    @cached_property
    def n_planes(self) -> int:
        return ceil_div(len(self.ins), self.plane_chans)

    @cached_property
    def plane_slots(self) -> int:
        """Slots of one plane: every channel of its pitch has one."""
        return channel_pitch(self.plane_chans)

    @property
    def phase_slots(self) -> int:
        """Slots of one phase."""
        return self.n_planes * self.plane_slots

    @property
    def context_slots(self) -> int:
        """Slots of one context."""
        rows, cols = self.window.axes
        return rows.n_phases * cols.n_phases * self.phase_slots

    @cached_property
    def position_table(self) -> npt.NDArray[np.int64]:
        """(n_positions, 3): row displacement, column displacement, group, within a context."""
        rows, cols = (axis.displacements for axis in self.window.axes)
        return np.array(
            [(i, j, g) for i in rows[: self.rows_per_block] for j in cols for g in range(self.groups_per_block)], dtype=np.int64
        )

    def present(self, group_limit: int) -> int:
        """Mask of the positions of the last group context whose group is below ``group_limit``."""
        local = group_limit - (self.n_gctx - 1) * self.groups_per_block
        return sum(1 << p for p, (_, _, g) in enumerate(self.position_table) if g < local)

    @cached_property
    def packed(self) -> PackedWeights:
        """The weights of the tile as mask words and packed nonzero words for every PE."""
        config, lanes = self.config, self.config.lanes
        row_axis, col_axis = self.window.axes
        dense = self.window.weights(self.outs, self.ins)
        padded = np.zeros((self.n_gctx * self.groups_per_block * lanes, *dense.shape[1:3], self.phase_slots), np.int8)
        for plane in range(self.n_planes):
            block = dense[..., plane * self.plane_chans : (plane + 1) * self.plane_chans]
            padded[: len(dense), :, :, plane * self.plane_slots : plane * self.plane_slots + block.shape[3]] = block

        shape = (self.n_kctx, self.n_gctx, row_axis.n_phases, col_axis.n_phases, self.phase_slots, 1 << self.slot_log2, lanes)
        slots = np.zeros(shape, np.int8)
        step = row_axis.displacements.step
        for kctx in range(self.n_kctx):
            for p, (i, j, g) in enumerate(self.position_table):
                for row_phase in range(row_axis.n_phases):
                    kh = row_axis.tap(row_phase, int(i) + kctx * self.rows_per_block * step)
                    for col_phase in range(col_axis.n_phases):
                        kw = col_axis.tap(col_phase, int(j))
                        if kh is None or kw is None:
                            continue
                        for gctx in range(self.n_gctx):
                            first = (gctx * self.groups_per_block + int(g)) * lanes
                            slots[kctx, gctx, row_phase, col_phase, :, p, :] = padded[first : first + lanes, kh, kw, :].T
        words = slots.reshape(-1, config.n_pes, config.n_lanes).transpose(1, 0, 2)
        stored: npt.NDArray[np.bool_] = np.any(words != 0, axis=2)
        n_words = ceil_div(stored.shape[1], config.mask_width)
        masks = np.zeros((config.n_pes, n_words * config.mask_width), np.bool_)
        masks[:, : stored.shape[1]] = stored
        return PackedWeights(
            masks=masks.reshape(config.n_pes, n_words, config.mask_width),
            values=tuple(words[n][stored[n]] for n in range(config.n_pes)),
            bits=next(bits for bits in config.weight_widths if np.abs(dense).max() <= largest(bits)),
            work=stored.reshape(config.n_pes, -1, 1 << self.slot_log2).sum(axis=2).T.astype(np.int64),
        )

    @property
    def visits_pay(self) -> bool:
        """An event gives the busiest PE at least two operations in each context, so that visiting it is not the limit."""
        work = self.packed.work
        return int(work.sum(axis=0).max()) >= 2 * int(np.count_nonzero(work.sum(axis=1)))

    @property
    def lane_bound(self) -> float:
        """Best lane utilisation for events spread evenly over the slots: the busiest PE, or one event per cycle, is the limit."""
        packed = self.packed
        n_macs = sum(int(np.count_nonzero(values)) for values in packed.values)
        slots_used = int(np.count_nonzero(packed.work.sum(axis=1)))
        pace = max(int(packed.work.sum(axis=0).max()), slots_used)
        return n_macs / (self.config.lanes * pace) if pace else 0.0
