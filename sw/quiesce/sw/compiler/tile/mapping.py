"""How a layer (or a tile of it) lies in the PEs: positions, contexts, slots and their packed weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.packing import PackedWeights, pack
from quiesce.sw.format.layouts import channel_pitch

__all__ = ["TileMapping"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TileMapping:
    """Output channels ``outs`` of a layer fed from the channels ``ins``, stored in planes of ``plane_chans``.

    Positions are (kernel row displacement i, column displacement j, group g), g innermost; contexts are (kernel row block,
    group block), group blocks innermost; slots are (context, row phase, column phase, channel).

    If output channels depend on the input channel of the same number only, events are *targeted* at the PE that owns it: then
    positions and contexts have no groups, and the channels of a slot are those of one PE, (group, lane). Windows with the same
    weight everywhere share one slot over all phases, and over all groups if targeted.

    Members
    -------
    position_limit : most positions of a context, if a kernel row of one group is not longer than that
    padded_rows : rows of partial sums may be padded; not if other windows add to the same ones
    """

    config: CoreConfig
    conv: Convolution
    outs: range
    ins: range
    plane_chans: int
    position_limit: int
    padded_rows: bool = True

    @property
    def targeted(self) -> bool:
        return self.config.single_pe_events and self.conv.channelwise

    @property
    def first_chan(self) -> int:
        """Input channel that the first output channel depends on, counted from the first plane; negative if it is of an
        earlier input."""
        return self.outs.start - self.conv.first_out - self.ins.start

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
        rows, cols = (len(axis.displacements) for axis in self.conv.axes)
        return min(rows, max(1, self.position_limit // cols))

    @cached_property
    def n_kctx(self) -> int:
        return ceil_div(len(self.conv.axes[0].displacements), self.rows_per_block)

    @cached_property
    def groups_per_block(self) -> int:
        """Output groups of one context, spread evenly over as few contexts as possible."""
        if self.n_kctx > 1 or self.targeted:
            return 1
        most = max(1, self.position_limit // (self.rows_per_block * len(self.conv.axes[1].displacements)))
        return ceil_div(self.n_groups, ceil_div(self.n_groups, most))

    @cached_property
    def n_gctx(self) -> int:
        return 1 if self.targeted else ceil_div(self.n_groups, self.groups_per_block)

    @property
    def n_contexts(self) -> int:
        return self.n_kctx * self.n_gctx

    @cached_property
    def n_positions(self) -> int:
        return self.rows_per_block * len(self.conv.axes[1].displacements) * self.groups_per_block

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
        rows, cols = self.conv.axes
        shortest = cols.n_out * self.acc_col_pitch
        if not self.padded_rows:
            return shortest
        held = self.config.acc_depth // shortest if shortest <= self.config.acc_depth else 0
        enough = min(held, max(rows.span + 4, 1))
        depth = self.config.psum_depth
        i, j, g = self.position_table.T
        steps = np.add.outer((0, self.acc_col_pitch), np.arange(self.n_gctx) * self.groups_per_block).ravel()

        def missing(addresses: npt.NDArray[np.int64]) -> int:
            return len(addresses) - int(np.count_nonzero(np.bincount(addresses % depth)))

        def crowding(pitch: int) -> tuple[int, int, int]:
            conv = np.unique(i * pitch + j * self.acc_col_pitch + g)
            return missing(conv), missing(np.unique(np.add.outer(conv, steps))), pitch

        fitting = [pitch for pitch in range(shortest, shortest + depth) if pitch * enough <= self.config.acc_depth]
        return min(fitting or [shortest], key=crowding)

    @cached_property
    def slot_log2(self) -> int:
        return (self.n_positions - 1).bit_length()

    @property
    def slot_positions(self) -> int:
        """Positions of a slot in memory: mask bits are addressed by shifts, dense weights by a multiplication."""
        return 1 << self.slot_log2 if self.config.zero_skipping else self.n_positions

    @cached_property
    def n_planes(self) -> int:
        return ceil_div(len(self.ins), self.plane_chans)

    @cached_property
    def plane_slots(self) -> int:
        """Slots of one plane: every channel of its pitch has one. If targeted or without masks, the channels themselves."""
        return channel_pitch(self.plane_chans) if self.config.zero_skipping and not self.targeted else self.plane_chans

    @property
    def phase_slots(self) -> int:
        """Slots of one phase."""
        if self.targeted:
            return self.config.n_lanes * (1 if self.conv.uniform else self.n_groups)
        return self.n_planes * self.plane_slots

    @property
    def phase_step(self) -> int:
        """Slots from one phase to the next."""
        return 0 if self.conv.uniform else self.phase_slots

    @property
    def context_slots(self) -> int:
        """Slots of one context."""
        rows, cols = self.conv.axes
        return self.phase_slots * (1 if self.conv.uniform else rows.n_phases * cols.n_phases)

    @cached_property
    def position_table(self) -> npt.NDArray[np.int64]:
        """(n_positions, 3): row displacement, column displacement, group, within a context."""
        rows, cols = (axis.displacements for axis in self.conv.axes)
        return np.array(
            [(i, j, g) for i in rows[: self.rows_per_block] for j in cols for g in range(self.groups_per_block)], dtype=np.int64
        )

    def present(self, group_limit: int) -> int:
        """Mask of the positions of the last group context whose group is below ``group_limit``; of all if targeted."""
        if self.targeted:
            return (1 << self.n_positions) - 1
        local = group_limit - (self.n_gctx - 1) * self.groups_per_block
        return sum(1 << p for p, (_, _, g) in enumerate(self.position_table) if g < local)

    @cached_property
    def packed(self) -> PackedWeights:
        """The weights of the tile as mask words and packed nonzero words for every PE."""
        kernel, slots = self._targeted_slots() if self.targeted else self._broadcast_slots()
        phases, chans = (slice(1), slice(self.phase_slots)) if self.conv.uniform else (slice(None), slice(None))
        return pack(self.config, slots, slots[:, :, phases, phases, chans], largest_weight=int(np.abs(kernel).max(initial=0)))

    def _empty_slots(self, chan_slots: int) -> npt.NDArray[np.int8]:
        """(kctx, gctx, row phase, column phase, channel slot, position, lane) zeros."""
        rows, cols = self.conv.axes
        positions, lanes = self.slot_positions, self.config.lanes
        return np.zeros((self.n_kctx, self.n_gctx, rows.n_phases, cols.n_phases, chan_slots, positions, lanes), np.int8)

    def _taps(self) -> Iterator[tuple[tuple[int, int, int], int, int, int, int]]:
        """((kctx, row phase, column phase), position, its group, kernel row, kernel column) wherever there is a kernel entry."""
        rows, cols = self.conv.axes
        step = rows.displacements.step
        for kctx, row_phase, col_phase in np.ndindex(self.n_kctx, rows.n_phases, cols.n_phases):
            for p, (i, j, g) in enumerate(self.position_table.tolist()):
                kh, kw = rows.tap(row_phase, i + kctx * self.rows_per_block * step), cols.tap(col_phase, j)
                if kh is not None and kw is not None:
                    yield (kctx, row_phase, col_phase), p, g, kh, kw

    def _broadcast_slots(self) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
        """The weights, and the slots with all input channels of every output channel."""
        lanes = self.config.lanes
        kernel = self.conv.weights(self.outs, self.ins)
        chan_slots = self.n_planes * self.plane_slots
        padded = np.zeros((self.n_gctx * self.groups_per_block * lanes, *kernel.shape[1:3], chan_slots), np.int8)
        for plane in range(self.n_planes):
            block = kernel[..., plane * self.plane_chans : (plane + 1) * self.plane_chans]
            padded[: len(kernel), :, :, plane * self.plane_slots : plane * self.plane_slots + block.shape[3]] = block
        slots = self._empty_slots(chan_slots)
        for (kctx, row_phase, col_phase), p, g, kh, kw in self._taps():
            for gctx in range(self.n_gctx):
                first = (gctx * self.groups_per_block + g) * lanes
                slots[kctx, gctx, row_phase, col_phase, :, p, :] = padded[first : first + lanes, kh, kw, :].T
        return kernel, slots

    def _targeted_slots(self) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
        """The weights, and for each group and lane a slot in which each PE finds the weights of its own channel."""
        n_pes, n_lanes = self.config.n_pes, self.config.n_lanes
        kernel = self.conv.channel_weights(self.outs)
        padded = np.zeros((self.n_groups * self.config.lanes, *kernel.shape[1:]), np.int8)
        padded[: len(kernel)] = kernel
        by_lane = padded.reshape(self.n_groups, n_pes, n_lanes, *kernel.shape[1:])
        slots = self._empty_slots(self.n_groups * n_lanes)
        split = slots.reshape(*slots.shape[:4], self.n_groups, n_lanes, slots.shape[5], n_pes, n_lanes)
        for (kctx, row_phase, col_phase), p, _, kh, kw in self._taps():
            for lane in range(n_lanes):
                split[kctx, 0, row_phase, col_phase, :, lane, p, :, lane] = by_lane[:, :, lane, kh, kw]
        return kernel, slots

    @property
    def n_words(self) -> int:
        """Mask bits of each PE; without zero-skipping its weight words."""
        return self.n_contexts * self.context_slots * self.slot_positions

    @property
    def busiest(self) -> int:
        """Operations of the busiest PE for an event of each kind; PEs in lock-step take turns if events are targeted."""
        work = self.packed.work
        return int(work.sum() if self.targeted and not self.config.zero_skipping else work.sum(axis=0).max())

    @property
    def visits_pay(self) -> bool:
        """An event gives the busiest PE at least two operations in each context, so that visiting it is not the limit."""
        return self.busiest >= 2 * self._visits

    @property
    def _visits(self) -> int:
        """Kinds of event (by context, phase and channel) that cause operations; a targeted one is of one PE alone."""
        work = self.packed.work
        return int(np.count_nonzero(work if self.targeted else work.sum(axis=1)))

    @property
    def lane_bound(self) -> float:
        """Best lane utilisation for events spread evenly over the slots: the busiest PE, or one event per cycle, is the limit."""
        pace = max(self.busiest, self._visits)
        return self.packed.n_macs / (self.config.lanes * pace) if pace else 0.0
