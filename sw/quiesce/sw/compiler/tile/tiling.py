"""Cuts a layer into tiles that fit a core: output planes, blocks of input planes, and strips of rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.mapping import TileMapping
from quiesce.sw.compiler.tile.partition import ONE_CORE, Split, parts
from quiesce.sw.format.checks import largest
from quiesce.sw.format.layouts import RowLayout

__all__ = ["LayerTiling", "Tile", "tile_layer", "plane_limit"]

MAX_PLANES = 255
"""Most input planes of a pass (8 bits)."""

MAX_RECORD_BEATS = 1 << 15
"""Most beats of a dense row record (16 bits)."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One pass: a mapping (weights), the output rows it adds to, whether it finishes them, and the core that runs it.

    Members
    -------
    out_plane, out_strip : of channels and of columns of the output
    first_in_plane : first plane of the input that is read
    """

    mapping: TileMapping
    out_plane: int
    out_strip: int
    first_in_plane: int
    out_rows: range
    drain: bool
    core: int


@dataclass(frozen=True, kw_only=True)
class LayerTiling:
    """All passes of a layer in order.

    Members
    -------
    plane_chans : channels of an output plane
    passes : tiles that cores run side by side, in the order of the cores; grouped by output plane, then strip, then input block
    """

    plane_chans: int
    passes: tuple[tuple[Tile, ...], ...]

    @property
    def tiles(self) -> tuple[Tile, ...]:
        return tuple(tile for tiles in self.passes for tile in tiles)

    @property
    def mappings(self) -> tuple[TileMapping, ...]:
        """The distinct mappings, in order of first use."""
        return tuple(dict.fromkeys(tile.mapping for tile in self.tiles))


def plane_limit(config: CoreConfig, width: int, chans: int) -> int:
    """Most channels that a plane of a map ``width`` columns wide may have: its row mask must fit the mask buffer.

    Raises
    ------
    CompileError
        Not even one channel fits.
    """
    most = config.act_depth * config.beat_bytes
    limit, dense = chans, not config.zero_skipping

    def fits(row: RowLayout) -> bool:
        beats = row.row_stride // config.beat_bytes if dense else 0
        return row.mask_part <= most and row.pitch <= 4096 and beats <= MAX_RECORD_BEATS

    while not fits(RowLayout(width=width, chans=limit, dense=dense, checked_beat=config.checked_beat)):
        limit //= 2
        if limit == 0:
            raise CompileError(f"a row of {width} columns does not fit the activation buffer of {most} bytes")
    return limit


def _weights_fit(config: CoreConfig, mapping: TileMapping, share: int) -> bool:
    """The weights of the mapping take at most 1/``share`` of their memory. Costs the packing of the weights."""
    return share * mapping.packed.rows(config) <= config.weight_depth


def _masks_fit(config: CoreConfig, mapping: TileMapping, share: int) -> bool:
    """The masks and parameters do; they depend on the shapes alone."""
    bits = mapping.n_words if config.zero_skipping else 0
    params = ceil_div(len(mapping.outs), config.params_per_row) * config.params_per_row
    # Masks are loaded in whole beats.
    mask_beats, per_beat = ceil_div(bits, config.data_width), config.data_width // config.mask_width
    return share * mask_beats <= config.mask_depth // per_beat and share * params <= config.param_depth


def _strip_rows(config: CoreConfig, mapping: TileMapping, whole: bool) -> int:
    """Output rows of a strip, 0 if none fits: all of them if a ring of rows will do, unless the ``whole`` strip must be held."""
    row_axis, col_axis = mapping.conv.axes
    if col_axis.n_out * mapping.acc_col_pitch > config.acc_depth:
        return 0
    held = config.acc_depth // mapping.acc_row_pitch
    if not whole and held > row_axis.span:
        return row_axis.n_out
    return min(held, row_axis.n_out)


def input_block(config: CoreConfig, conv: Convolution, plane_chans: int, share: int) -> int:
    """Most input channels, in whole planes, such that the weights of any such planes for any group of output channels fit.

    If events are targeted, that is all of them or none: the weights of a group are those of its own channels.

    Returns
    -------
    int
        A multiple of ``plane_chans``; 0 if not even one plane fits.

    Parameters
    ----------
    share : int
        Weights may take 1/``share`` of their memories.
    """
    outs, n_planes = range(min(config.lanes, conv.out_shape[2])), ceil_div(conv.shape[2], plane_chans)

    def mapping_of(planes: int) -> TileMapping:
        ins = range(min(conv.shape[2], planes * plane_chans))
        return TileMapping(
            config=config, conv=conv, outs=outs, ins=ins, plane_chans=plane_chans, position_limit=config.mask_width
        )

    if (whole := mapping_of(n_planes)).targeted:
        fits = _masks_fit(config, whole, share) and _weights_fit(config, whole, share)
        return min(MAX_PLANES, n_planes) * plane_chans if fits else 0
    planes = min(MAX_PLANES, n_planes)
    bits = next(bits for bits in config.weight_widths if conv.largest_weight <= largest(bits))
    room = config.weight_depth // share * config.words_per_row(bits)
    if not config.zero_skipping:
        while planes and not (mapping_of(planes).n_words <= room and _masks_fit(config, mapping_of(planes), share)):
            planes //= 2
        return planes * plane_chans
    words = conv.weight_words(config.n_lanes)
    per_plane = np.add.reduceat(words, range(0, words.shape[1], plane_chans), axis=1)
    ends = np.pad(np.cumsum(per_plane, axis=1), ((0, 0), (1, 0)))
    while planes:
        if _masks_fit(config, mapping_of(planes), share) and int((ends[:, planes:] - ends[:, :-planes]).max()) <= room:
            return planes * plane_chans
        planes //= 2
    return 0


def tile_layer(
    config: CoreConfig, convs: Sequence[Sequence[Convolution]], plane_chans: Sequence[int], out_limit: int, share: int = 1,
    split: Split = ONE_CORE,
) -> LayerTiling:  # fmt: skip
    """Tile a layer.

    The cost model prefers, in this order: all input channels in one pass (partial sums stay on chip), few output planes (the
    input is read once for each), few strips. Only planes that an output plane depends on are read for it.

    Parameters
    ----------
    convs : sequence of sequence of Convolution
        For each strip of output columns the convolutions whose sum it is.
    plane_chans : sequence of int
        Channels of a plane of each of the layer's inputs.
    out_limit : int
        Most channels of an output plane that the layers reading it accept.
    share : int
        Let the weights of a pass take 1/``share`` of their memories, so that others load meanwhile, or more if they have to;
        a power of two.
    split : Split
        How cores share the layer.

    Raises
    ------
    CompileError
        No tiling runs on this configuration; the message says why.
    """
    layer = convs[0][0].layer
    every = [conv for group in convs for conv in group]
    while share > 1 and not all(input_block(config, conv, plane_chans[conv.operand], share) for conv in every):
        share //= 2
    columns = [
        [_Operand(conv, plane_chans[conv.operand], input_block(config, conv, plane_chans[conv.operand], share))
         for conv in group]
        for group in convs
    ]  # fmt: skip
    if not all(operand.block for operands in columns for operand in operands):
        raise CompileError(f"layer {layer.name!r}: the weights of {min(plane_chans)} channels exceed the weight memories")
    limit = min(out_limit, split.plane_limit(config, layer.cout))
    tiling = _tile_outputs(config, columns, limit, share, config.mask_width, split)
    if not tiling:
        raise CompileError(f"layer {layer.name!r}: not even one output channel fits the weight memories")
    mapping = tiling.mappings[0]
    if mapping.n_positions > config.psum_depth and not mapping.targeted:  # rather keep a context's sums in the PE's registers
        local = _tile_outputs(config, columns, limit, share, config.psum_depth, split)
        if local and len(local.tiles) == len(tiling.tiles) and all(mapping.visits_pay for mapping in local.mappings):
            return local
    return tiling


class _Output(NamedTuple):
    """A plane of channels and a strip of columns of the output, and the mappings whose sum it is."""

    plane: int
    strip: int
    mappings: Sequence[TileMapping]


class _Operand(NamedTuple):
    """A convolution, the planes of its input, and how many channels of it a pass may read."""

    conv: Convolution
    plane_chans: int
    block: int

    def blocks(self, outs: range) -> Iterator[range]:
        """Whole planes that output channels ``outs`` depend on, for one pass after the other."""
        needed = self.conv.connected(outs)
        stop = min(self.conv.shape[2], ceil_div(needed.stop, self.plane_chans) * self.plane_chans)
        for first in range(needed.start // self.plane_chans * self.plane_chans, stop if needed else 0, self.block):
            yield range(first, min(stop, first + self.block))


def _tile_outputs(
    config: CoreConfig, columns: Sequence[Sequence[_Operand]], out_limit: int, share: int, position_limit: int, split: Split
) -> LayerTiling | None:
    """The tiling with the largest output planes that fit; None if none fits. ``columns`` are the strips of the output."""
    conv = columns[0][0].conv
    couts, n_out_rows = conv.layer.cout, conv.axes[0].n_out
    for per_plane in _plane_sizes(couts, config.lanes, out_limit):
        outputs = [
            _Output(
                plane, strip,
                [
                    TileMapping(
                        config=config, conv=operand.conv, outs=outs, ins=ins, plane_chans=operand.plane_chans,
                        position_limit=position_limit, padded_rows=len(operands) == 1,
                    )
                    for operand in operands
                    for ins in operand.blocks(outs)
                ],
            )
            for plane, outs in enumerate(range(first, min(couts, first + per_plane)) for first in range(0, couts, per_plane))
            for strip, operands in enumerate(columns)
        ]  # fmt: skip
        mappings = [mapping for output in outputs for mapping in output.mappings]
        if not all(_masks_fit(config, mapping, share) for mapping in mappings):
            continue
        held_whole = any(len(output.mappings) > 1 for output in outputs)
        strip_rows = min(_strip_rows(config, mapping, held_whole) for mapping in mappings)
        if strip_rows and all(_weights_fit(config, mapping, share) for mapping in mappings):
            return LayerTiling(plane_chans=per_plane, passes=tuple(_passes(outputs, n_out_rows, strip_rows, split)))
    return None


def _plane_sizes(couts: int, lanes: int, limit: int) -> Iterator[int]:
    """Channels of an output plane to try, the largest first: all of them, whole groups of lanes, then less than one group."""
    sizes = {couts, *range(lanes, couts, lanes), *(lanes >> shift for shift in range(1, lanes.bit_length())), 1}
    yield from sorted((size for size in sizes | {limit} if size <= min(limit, couts)), reverse=True)


def _passes(outputs: Sequence[_Output], n_out_rows: int, strip: int, split: Split) -> Iterator[tuple[Tile, ...]]:
    """Tiles of the mappings of each output, side by side where cores have an output, a strip of rows and a block left."""
    row_parts, groups = parts(n_out_rows, split.rows), parts(len(outputs), split.planes)
    for nth_output in range(len(groups[0])):
        most_blocks = max(len(outputs[group[nth_output]].mappings) for group in groups if nth_output < len(group))
        for nth_strip in range(ceil_div(len(row_parts[0]), strip)):
            for nth_block in range(most_blocks):
                tiles = []
                for core in range(len(groups) * len(row_parts)):
                    group, rows = groups[core // len(row_parts)], row_parts[core % len(row_parts)]
                    out_rows = rows[nth_strip * strip : (nth_strip + 1) * strip]
                    output = outputs[group[nth_output]] if nth_output < len(group) else None
                    if output and nth_block < len(output.mappings) and out_rows:
                        mapping = output.mappings[nth_block]
                        tile = Tile(
                            mapping=mapping,
                            out_plane=output.plane,
                            out_strip=output.strip,
                            first_in_plane=mapping.ins.start // mapping.plane_chans,
                            out_rows=out_rows,
                            drain=nth_block == len(output.mappings) - 1,
                            core=core,
                        )
                        tiles.append(tile)
                yield tuple(tiles)
