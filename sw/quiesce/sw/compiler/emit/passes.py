"""Fields of a pass (isa.PASS_FIELDS) from a tile and the places of its operands."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.spec.fields import FieldError
from quiesce.spec.isa import PASS_FIELDS, Region
from quiesce.sw.compiler.emit.state_fields import STATELESS
from quiesce.sw.compiler.emit.winner_fields import NO_WINNERS
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.lower.axis import WindowAxis
from quiesce.sw.compiler.tile.mapping import TileMapping
from quiesce.sw.compiler.tile.tiling import Tile
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.layouts import MapLayout, RowLayout

__all__ = ["Placement", "pass_fields", "positions"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a tile's weights and parameters are on chip: first mask word, first weight row (without masks) and parameter row."""

    mask_word: int
    param_row: int
    weight_row: int = 0


def _start(axis: WindowAxis, first: int) -> tuple[int, int]:
    """(quotient, phase) of the first coordinate."""
    return divmod(first + axis.pad, axis.stride)


def _dense_units(mapping: TileMapping, row: RowLayout) -> dict[str, int]:
    """How a row without a mask is cut into units: parts of a pixel of which two fit the buffer."""
    config = mapping.config
    unit_chans = min(row.chans, config.act_depth * config.beat_bytes // 2)
    return {
        "words_per_row": 0, "unit_words": 0, "units_per_pixel": ceil_div(row.chans, unit_chans), "multi_pixel": 0,
        "unit_slots": unit_chans, "pitch_log2": 0, "word_mask": 0, "row_mask": 0,
    }  # fmt: skip


def _units(mapping: TileMapping, row: RowLayout) -> dict[str, int]:
    """How the detector cuts a row into words and units."""
    if row.dense:
        return _dense_units(mapping, row)
    config = mapping.config
    width = config.detector_width
    if row.pitch < width:
        pixels = width // row.pitch
        pattern = sum(((1 << row.chans) - 1) << (pixel * row.pitch) for pixel in range(pixels))
        words = ceil_div(row.width, pixels)
        last = row.width - (words - 1) * pixels
        return {
            "words_per_row": words, "unit_words": 1, "units_per_pixel": 1, "multi_pixel": 1, "unit_slots": 0,
            "pitch_log2": row.pitch.bit_length() - 1, "word_mask": pattern, "row_mask": pattern & ((1 << last * row.pitch) - 1),
        }  # fmt: skip
    words = row.pitch // width
    # A unit is scanned once per context and must stay in the buffers meanwhile; without repetition it may be a single word.
    most = 1 if mapping.n_contexts == 1 else max(1, config.act_depth * config.beat_bytes // (2 * width))
    unit_words = max(n for n in range(1, min(words, most) + 1) if words % n == 0)
    return {
        "words_per_row": row.width * words, "unit_words": unit_words, "units_per_pixel": words // unit_words, "multi_pixel": 0,
        "unit_slots": unit_words * width, "pitch_log2": 0, "word_mask": 0, "row_mask": 0,
    }  # fmt: skip


def _axis_fields(name: str, axis: WindowAxis, first: int) -> dict[str, int]:
    quot, phase = _start(axis, first)
    return {
        f"{name}_stride": min(axis.stride, 255), f"{name}_phase": phase, f"{name}_quot": quot, f"{name}_split": axis.split,
        f"{name}_reach_hi": min(axis.reach_hi, 127), f"{name}_reach_lo": axis.reach_hi - 1,
    }  # fmt: skip


def _rows_read(tile: Tile) -> range:
    """Inputs along the row axis."""
    axis = tile.mapping.conv.axes[0]
    return range(*axis.inputs_of(tile.out_rows[0], tile.out_rows[-1]))


def _first_record(tile: Tile, layout: MapLayout) -> int:
    """Bytes from the start of the input map to the first record that is read.

    Raises
    ------
    CompileError
        Some record that the tile reads is not of the map: a fault of the compiler, of which the core would not know.
    """
    axis, read, planes = tile.mapping.conv.axes[0], _rows_read(tile), tile.mapping.n_planes
    rows = range(axis.first + read.start * axis.step, axis.first + read[-1] * axis.step + 1)
    last_plane = tile.first_in_plane + planes
    if not (0 <= rows.start < rows.stop <= layout.shape[0] and 0 <= tile.first_in_plane < last_plane <= layout.n_planes):
        raise CompileError(
            f"layer {tile.mapping.conv.layer.name!r}: rows {rows.start}..{rows.stop - 1} of planes {tile.first_in_plane}.."
            f"{last_plane - 1} are not all of map {tile.mapping.conv.source!r}"
        )
    return tile.first_in_plane * layout.plane_stride + rows.start * layout.row.row_stride


def _rows_awaited(axis: WindowAxis, read: range, source: Tile) -> int:
    """Rows of its map that a pass needs before its first one: the hardware adds one for each further row, not ``axis.step``."""
    return axis.first + read.start * axis.step + 1 - source.out_rows[0] + (len(read) - 1) * (axis.step - 1)


def _slot_base(mapping: TileMapping, placement: Placement) -> int:
    """First slot of a tile; without masks its first weight word."""
    config = mapping.config
    if not config.zero_skipping:
        return placement.weight_row * config.words_per_row(mapping.packed.bits)
    return placement.mask_word * config.mask_width >> mapping.slot_log2


def positions(tile: Tile) -> list[tuple[int, int, int]]:
    """Position table: (accumulator offset, row displacement, column displacement).

    The offsets also carry where the first input row and column lie in the accumulators: the hardware counts on from zero.
    """
    mapping = tile.mapping
    rows, cols = mapping.conv.axes
    row_pitch, col_pitch = mapping.acc_row_pitch, mapping.acc_col_pitch
    origin = (_start(rows, _rows_read(tile).start)[0] - tile.out_rows[0]) * row_pitch + _start(cols, 0)[0] * col_pitch
    depth = mapping.config.acc_depth
    return [(int(origin - i * row_pitch - j * col_pitch + g) % depth, int(i), int(j)) for i, j, g in mapping.position_table]


def pass_fields(
    tile: Tile,
    *,
    layer: Layer,
    counter: int,
    placement: Placement,
    in_layout: MapLayout,
    in_address: tuple[Region, int],
    out_layout: MapLayout,
    out_address: tuple[Region, int],
    signed_input: bool,
    source_tile: Tile | None = None,
    winners: Mapping[str, int] = NO_WINNERS,
    state: Mapping[str, int] = STATELESS,
) -> dict[str, int]:
    """All fields of the pass that computes a tile.

    Parameters
    ----------
    source_tile : Tile, optional
        The tile of the last pass with outputs before this one, if this one reads its map.
    winners : mapping of str to int
        Fields of winners-take-all, from `winner_fields`.
    state : mapping of str to int
        Fields of state between items, from `state_fields`.

    Raises
    ------
    CompileError
        A size exceeds its field.
    """
    mapping = tile.mapping
    config: CoreConfig = mapping.config
    rows, cols = mapping.conv.axes
    row_pitch, col_pitch = mapping.acc_row_pitch, mapping.acc_col_pitch
    read, in_row, out_row = _rows_read(tile), in_layout.row, out_layout.row
    last_needed = tile.out_rows[0] * rows.stride - rows.pad + rows.extent - 1
    row_step = mapping.rows_per_block * rows.displacements.step
    clip_low = layer.low
    if layer.op.maximum and not signed_input:  # a maximum without any event is that of zeros
        clip_low = max(clip_low, min(0, layer.high))
    chunk_bits = min(config.post_units, out_row.pitch)
    fields = {
        "layer": counter,
        "op_max": layer.op.maximum,
        "no_skip": layer.op.maximum and signed_input,
        "drain": tile.drain,
        "in_narrow": in_layout.bits == 4,
        "out_narrow": out_layout.bits == 4,
        "in_wide": in_layout.bits == 16,
        "out_wide": out_layout.bits == 16,
        "weight_log2": (8 // mapping.packed.bits).bit_length() - 1,
        "n_positions": mapping.n_positions,
        "slot_log2": mapping.slot_log2,
        "targeted": mapping.targeted,
        "shared": mapping.targeted and mapping.conv.uniform,
        "n_kctx": mapping.n_kctx,
        "n_gctx": mapping.n_gctx,
        "n_last_pes": mapping.last_pes,
        "n_planes": mapping.n_planes,
        "n_rows": len(read),
        "n_cols": in_row.width,
        **_units(mapping, in_row),
        "in_region": in_address[0],
        "in_value_offset": in_row.value_offset,
        "in_offset": in_address[1] + _first_record(tile, in_layout),
        "in_row_stride": rows.step * in_row.row_stride,
        "in_plane_stride": in_layout.plane_stride,
        **_axis_fields("row", rows, read.start),
        **_axis_fields("col", cols, 0),
        "kctx_dr": row_step,
        "out_row_first": tile.out_rows[0],
        "n_out_rows": len(tile.out_rows),
        "n_out_cols": cols.n_out,
        "n_groups": mapping.n_groups,
        "acc_row_pitch": row_pitch,
        "acc_col_pitch": col_pitch,
        "gctx_acc": mapping.first_chan if mapping.targeted else mapping.groups_per_block,
        "ring_rows": config.acc_depth // row_pitch,
        "slot_base": _slot_base(mapping, placement),
        "ctx_slots": mapping.context_slots,
        "row_phase_slots": cols.n_phases * mapping.phase_step,
        "col_phase_slots": mapping.phase_step,
        "plane_slots": mapping.plane_slots,
        "last_mask": mapping.present(mapping.n_groups),
        "partial_mask": mapping.present(mapping.n_groups - 1),
        "need_first": last_needed - read.start + 1,
        "need_step": rows.stride,
        "kctx_acc": -row_step * row_pitch % config.acc_depth,
        "param_row": placement.param_row,
        "clip_low": clip_low,
        "clip_high": layer.high,
        "threshold": layer.threshold,
        "chunks": max(1, out_row.pitch // config.post_units),
        "valid_chans": len(mapping.outs),
        "chunk_bits": chunk_bits,
        "out_region": out_address[0],
        "out_offset": out_address[1] + tile.out_plane * out_layout.plane_stride + tile.out_rows[0] * out_row.row_stride,
        "out_row_stride": out_row.row_stride,
        "out_value_offset": out_row.value_offset,
        "out_mask_beats": ceil_div(out_row.mask_part, config.beat_bytes),
        "in_mask_beats": ceil_div(in_row.most_values * in_row.bits if in_row.dense else 8 * in_row.mask_part, config.data_width),
        "in_check_alone": ceil_div(in_row.mask_part, config.beat_bytes) > ceil_div(in_row.mask_bytes, config.beat_bytes),
        "in_pitch": in_row.pitch if in_row.dense else 0,
        "in_chans": in_row.chans,
        "awaits_rows": source_tile is not None,
        "rows_awaited": _rows_awaited(rows, read, source_tile) if source_tile else 0,
        **state,
        **winners,
    }
    for layout in PASS_FIELDS:
        try:
            layout.pack(fields)
        except FieldError as error:
            raise CompileError(f"layer {layer.name!r}: {error}") from error
    return {name: int(value) for name, value in fields.items()}
