"""Scan order of a pass: which events each input row becomes, in which detector cycles, and in which contexts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep
from quiesce.sim.cycles.planes import PlaneScan, RecordLayout
from quiesce.spec.config import CoreConfig

__all__ = ["AxisEntries", "PassScan", "RowEvents"]

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True, eq=False)
class AxisEntries:
    """What each coordinate of an axis contributes: output quotient from the first, phase, and reachable displacements."""

    steps: Ints
    phase: Ints
    low: Ints
    high: Ints

    @classmethod
    def of(cls, fields: dict[str, int], axis: str, count: int, first_out: int, n_out: int) -> "AxisEntries":
        stride = fields[f"{axis}_stride"]
        at = np.arange(count) + fields[f"{axis}_phase"]
        steps, phase = at // stride, at % stride
        reach = np.where(phase < fields[f"{axis}_split"], fields[f"{axis}_reach_hi"], fields[f"{axis}_reach_lo"])
        from_first = fields[f"{axis}_quot"] + steps - first_out
        high = np.where(from_first < 0, -1, np.minimum(from_first, reach))
        return cls(steps=steps, phase=phase, low=np.clip(from_first - n_out + 1, 0, 127), high=high)

    def allowed(self, displacements: Ints, shift: int) -> list[int]:
        """For each coordinate, the positions whose displacement plus ``shift`` is reachable, as a mask."""
        ok = (self.low[:, None] <= displacements + shift) & (displacements + shift <= self.high[:, None])
        return [sum(1 << int(p) for p in np.flatnonzero(row)) for row in ok]


@dataclass(frozen=True, kw_only=True, eq=False)
class RowEvents:
    """Events of an input row that reach the PEs, in order.

    Members
    -------
    cycle : detector cycle, counted from 1 at the first word of the row
    slot : mask slot
    mask_id : index into ``masks``
    first : the context differs from that of the event before
    plane : input plane
    pe : the only PE that the event is for, -1 if it is for all
    masks : distinct (position mask, last group) of the row
    n_cycles : detector cycles of the whole row
    n_found : activations found, once each
    first_found : detector cycle of the first of them, or of the row end behind them
    planes : the scan of each plane
    base : accumulator of the context, before the offset of a position
    """

    cycle: Ints
    slot: Ints
    mask_id: Ints
    first: Bits
    plane: Ints
    pe: Ints
    masks: list[tuple[int, bool]]
    n_cycles: int
    n_found: int
    first_found: int
    planes: list[PlaneScan]
    base: Ints


class PassScan:
    """The scan of one pass.

    Parameters
    ----------
    config : CoreConfig
    step : PassStep
    dense : bool
        Zero-skipping is off.
    """

    def __init__(self, config: CoreConfig, step: PassStep, dense: bool = False):
        fields = self.fields = step.fields
        self._config, self._width = config, config.detector_width
        self._emit_zeros = dense or bool(fields["no_skip"])
        self.rows = AxisEntries.of(fields, "row", fields["n_rows"], fields["out_row_first"], fields["n_out_rows"])
        self.cols = AxisEntries.of(fields, "col", fields["n_cols"], 0, fields["n_out_cols"])
        self._dr, self._dc, self._offset = (np.array(values, np.int64) for values in zip(*step.positions, strict=True))
        every = (1 << len(step.positions)) - 1
        self._layout = RecordLayout(
            n_cols=fields["n_cols"], pitch=self.pitch, n_chans=fields["in_chans"], unit_words=fields["unit_words"],
            n_contexts=self.n_contexts, width=config.detector_width, words_per_beat=config.data_width // config.detector_width,
            values_per_beat=config.beat_bytes << fields["in_narrow"],
        )  # fmt: skip
        self._group = [every] * (fields["n_gctx"] - 1) + [every & fields["last_mask"]]
        self._col_allowed = self.cols.allowed(self._dc, 0)

    @property
    def n_contexts(self) -> int:
        return self.fields["n_kctx"] * self.fields["n_gctx"]

    @cached_property
    def pitch(self) -> int:
        """Channels per pixel in the mask."""
        fields = self.fields
        if fields["multi_pixel"]:
            return 1 << fields["pitch_log2"]
        return fields["unit_words"] * fields["units_per_pixel"] * self._width

    @cached_property
    def _masks(self) -> dict[int, list[list[int]]]:
        return {}

    def _row_masks(self, row: int) -> npt.NDArray[np.object_]:
        """Position mask of each (column, context) of a row."""
        fields, result = self.fields, []
        for kctx in range(fields["n_kctx"]):
            row_axis = AxisEntries(
                steps=self.rows.steps[row : row + 1], phase=self.rows.phase[row : row + 1], low=self.rows.low[row : row + 1],
                high=self.rows.high[row : row + 1],
            )  # fmt: skip
            (allowed,) = row_axis.allowed(self._dr, kctx * fields["kctx_dr"])
            result += [[allowed & group & col for col in self._col_allowed] for group in self._group]
        return np.array(result, dtype=object).reshape(self.n_contexts, fields["n_cols"]).T

    def _places(self, plane: Ints | int, chan: Ints) -> tuple[Bits, Ints, Ints, Ints]:
        """Whether channels of input planes are of the tile, their PE (-1: all), their slot within a context and phase, and the
        output group that they are of besides that of the context.
        """
        fields, config = self.fields, self._config
        chan = plane * fields["plane_slots"] + chan
        if not fields["targeted"]:
            return np.ones(len(chan), np.bool_), np.full(len(chan), -1), chan, np.zeros_like(chan)
        chan = chan - fields["gctx_acc"]  # negative for later inputs of a join
        inside = (chan >= 0) & (chan < fields["valid_chans"])
        group = chan // config.lanes
        weights = 0 if fields["shared"] else group
        return inside, chan // config.n_lanes % config.n_pes, weights * config.n_lanes + chan % config.n_lanes, group

    def row(self, row: int, planes: Sequence[Kinds]) -> RowEvents:
        """Scan one row.

        Parameters
        ----------
        row : int
            From the first of the pass.
        planes : sequence of ndarray
            Per input plane the kinds of the activations, (n_cols, channels of the plane): see `predict`.
        """
        fields, width, n_ctx = self.fields, self._width, self.n_contexts
        scans: list[PlaneScan] = []
        n_found = before = 0
        for plane, kinds in enumerate(planes):
            scans.append(PlaneScan.of(self._layout, kinds, before, emit_zeros=self._emit_zeros))
            before = scans[-1].end
            inside = self._places(plane, np.arange(kinds.shape[1]))[0]
            n_found += int(np.count_nonzero(kinds[:, inside] > 1))
        cycle, word, bit = (np.concatenate([getattr(scan, name) for scan in scans]) for name in ("cycle", "word", "bit"))
        plane_of = np.repeat(np.arange(len(scans)), [len(scan.cycle) for scan in scans])
        first_found = int(cycle[0]) if len(cycle) else before + 1

        unit, rest = np.divmod(word, n_ctx * fields["unit_words"])
        ctx, in_unit = np.divmod(rest, fields["unit_words"])
        if fields["multi_pixel"]:
            col, chan = unit * (width >> fields["pitch_log2"]) + (bit >> fields["pitch_log2"]), bit & (self.pitch - 1)
        else:
            col, sub_unit = np.divmod(unit, fields["units_per_pixel"])
            chan = (sub_unit * fields["unit_words"] + in_unit) * width + bit
        kctx, gctx = np.divmod(ctx, fields["n_gctx"])
        inside, pe, in_context, group = self._places(plane_of, chan)
        slot = (
            in_context + ctx * fields["ctx_slots"]
            + self.rows.phase[row] * fields["row_phase_slots"] + self.cols.phase[col] * fields["col_phase_slots"]
        )  # fmt: skip
        base = (
            self.rows.steps[row] * fields["acc_row_pitch"] + self.cols.steps[col] * fields["acc_col_pitch"]
            + gctx * fields["gctx_acc"] + kctx * fields["kctx_acc"] + group
        )  # fmt: skip

        masks = self._row_masks(row)
        distinct: dict[tuple[int, bool], int] = {}
        last = fields["n_gctx"] - 1
        ids = np.array(
            [[distinct.setdefault((masks[c, k], k % fields["n_gctx"] == last), len(distinct)) for k in range(n_ctx)]
             for c in range(fields["n_cols"])]
        )  # fmt: skip
        mask_id = ids[col, ctx]
        listed = list(distinct)
        kept = inside & np.array([mask != 0 for mask, _ in listed])[mask_id] if len(mask_id) else np.zeros(0, np.bool_)
        cycle, slot, mask_id, base, plane_of, pe = (part[kept] for part in (cycle, slot, mask_id, base, plane_of, pe))
        first: Bits = np.ones(len(cycle), np.bool_)
        if not fields["targeted"]:
            first[1:] = (mask_id[1:] != mask_id[:-1]) | (base[1:] != base[:-1])
        return RowEvents(
            cycle=cycle, slot=slot, mask_id=mask_id, first=first, plane=plane_of, pe=pe, masks=listed, n_cycles=before,
            n_found=n_found, first_found=first_found, planes=scans, base=base,
        )  # fmt: skip
