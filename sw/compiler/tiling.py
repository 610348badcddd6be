"""Cuts a layer into tiles that fit a core: output planes, blocks of input planes, and strips of rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.mapping import Mapping
from quiesce.sw.compiler.partition import ONE_CORE, Split, parts
from quiesce.sw.compiler.window import Window
from quiesce.sw.config import CoreConfig
from quiesce.sw.format.bitmask import RowLayout
from quiesce.sw.format.geometry import ceil_div

__all__ = ["LayerTiling", "Tile", "tile_layer", "plane_limit"]

MAX_PHASES = 255


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One pass: a mapping (weights), the output rows it adds to, whether it finishes them, and the core that runs it."""

    mapping: Mapping
    out_plane: int
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
    rounds : tiles that cores run side by side, in the order of the cores; grouped by output plane, then strip, then input block
    """

    plane_chans: int
    rounds: tuple[tuple[Tile, ...], ...]

    @property
    def tiles(self) -> tuple[Tile, ...]:
        return tuple(tile for tiles in self.rounds for tile in tiles)

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """The distinct mappings, in order of first use."""
        return tuple({id(tile.mapping): tile.mapping for tile in self.tiles}.values())


def plane_limit(config: CoreConfig, width: int, chans: int) -> int:
    """Most channels that a plane of a map ``width`` columns wide may have: its row mask must fit the mask buffer.

    Raises
    ------
    CompileError
        Not even one channel fits.
    """
    most = config.act_depth * config.beat_bytes
    limit = chans
    while RowLayout(width=width, chans=limit).mask_bytes > most or RowLayout(width=width, chans=limit).pitch > 4096:
        limit //= 2
        if limit == 0:
            raise CompileError(f"a row of {width} columns does not fit the activation buffer of {most} bytes")
    return limit


def _fits(config: CoreConfig, mapping: Mapping, share: int) -> bool:
    """The weights and parameters of the mapping take at most 1/``share`` of their memories."""
    bits = mapping.n_contexts * mapping.context_slots << mapping.slot_log2
    params = ceil_div(len(mapping.outs), config.params_per_row) * config.params_per_row
    # Masks are loaded in whole beats.
    mask_beats, per_beat = ceil_div(bits, config.data_width), config.data_width // config.mask_width
    if share * mask_beats > config.mask_depth // per_beat or share * params > config.param_depth:
        return False
    return share * mapping.packed.rows(config) <= config.weight_depth


def _strip_rows(config: CoreConfig, mapping: Mapping, whole: bool) -> int:
    """Output rows of a strip, 0 if none fits: all of them if a ring of rows will do, unless the ``whole`` strip must be held."""
    row_axis = mapping.window.axes[0]
    held = config.acc_depth // mapping.acc_row_pitch
    if not whole and held > row_axis.span:
        return row_axis.n_out
    return min(held, row_axis.n_out)


def input_block(config: CoreConfig, window: Window, plane_chans: int, share: int) -> int:
    """Most input channels, in whole planes, whose weights for one output group fit; 0 if not even one plane does.

    Parameters
    ----------
    share : int
        Weights may take 1/``share`` of their memories.
    """
    chans = window.shape[2]
    outs = range(min(config.lanes, window.out_shape[2]))
    planes = -(-chans // plane_chans)
    while planes:
        ins = range(min(chans, planes * plane_chans))
        mapping = Mapping(
            config=config, window=window, outs=outs, ins=ins, plane_chans=plane_chans, position_limit=config.mask_width
        )
        if _fits(config, mapping, share):
            return planes * plane_chans
        planes //= 2
    return 0


def tile_layer(
    config: CoreConfig, window: Window, plane_chans: int, out_limit: int, share: int = 1, split: Split = ONE_CORE
) -> LayerTiling:
    """Tile a layer whose input is stored in planes of ``plane_chans`` channels.

    The cost model prefers, in this order: all input channels in one pass (partial sums stay on chip), few output planes (the
    input is read once for each), few strips.

    Parameters
    ----------
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
    name = window.layer.name
    rows, cols = window.axes
    for axis in (rows, cols):
        if axis.pad >= axis.extent:
            raise CompileError(f"layer {name!r}: padding {axis.pad} is not smaller than the window of {axis.extent}")
        if axis.n_phases > MAX_PHASES or axis.span > 127:
            raise CompileError(f"layer {name!r}: a window of {axis.extent} inputs at stride {axis.stride} is too large")
    if len(cols.displacements) > config.mask_width:
        raise CompileError(f"layer {name!r}: {len(cols.displacements)} kernel columns exceed the mask width {config.mask_width}")
    if cols.size > config.max_cols:
        raise CompileError(f"layer {name!r}: {cols.size} columns exceed max_cols {config.max_cols}")
    if cols.n_out > config.acc_depth:
        raise CompileError(f"layer {name!r}: an output row of {cols.n_out} pixels exceeds acc_depth {config.acc_depth}")

    chans = window.shape[2]
    while share > 1 and not input_block(config, window, plane_chans, share):
        share //= 2
    block = input_block(config, window, plane_chans, share)
    if not block:
        raise CompileError(f"layer {name!r}: the weights of {min(plane_chans, chans)} channels exceed the weight memories")
    blocks = [range(first, min(chans, first + block)) for first in range(0, chans, block)]
    limit = min(out_limit, split.plane_limit(config, window.out_shape[2]))
    tiling = _tile_outputs(config, window, plane_chans, limit, blocks, share, config.mask_width, split)
    if not tiling:
        raise CompileError(f"layer {name!r}: not even one output channel fits the weight memories")
    if tiling.mappings[0].n_positions > config.psum_depth:  # rather contexts whose partial sums stay in the PE's registers
        local = _tile_outputs(config, window, plane_chans, limit, blocks, share, config.psum_depth, split)
        if local and len(local.tiles) == len(tiling.tiles) and all(mapping.visits_pay for mapping in local.mappings):
            return local
    return tiling


def _tile_outputs(
    config: CoreConfig, window: Window, plane_chans: int, out_limit: int, blocks: list[range], share: int, position_limit: int,
    split: Split,
) -> LayerTiling | None:  # fmt: skip
    """The tiling with the largest output planes that fit, for given blocks of input channels; None if none fits."""
    couts = window.out_shape[2]
    for per_plane in _plane_sizes(couts, config.lanes, out_limit):
        planes = [range(first, min(couts, first + per_plane)) for first in range(0, couts, per_plane)]
        mappings = [
            [
                Mapping(
                    config=config, window=window, outs=outs, ins=ins, plane_chans=plane_chans, position_limit=position_limit
                )
                for ins in blocks
            ]
            for outs in planes
        ]
        strip = _strip_rows(config, mappings[0][0], len(blocks) > 1)
        if strip and all(_fits(config, mapping, share) for plane in mappings for mapping in plane):
            rounds = _rounds(mappings, window.axes[0].n_out, strip, plane_chans, split)
            return LayerTiling(plane_chans=per_plane, rounds=tuple(rounds))
    return None


def _plane_sizes(couts: int, lanes: int, limit: int) -> Iterator[int]:
    """Channels of an output plane to try, the largest first: all of them, whole groups of lanes, then less than one group."""
    sizes = {couts, *range(lanes, couts, lanes), *(lanes >> shift for shift in range(1, lanes.bit_length())), 1}
    yield from sorted((size for size in sizes | {limit} if size <= min(limit, couts)), reverse=True)


def _rounds(
    mappings: list[list[Mapping]], n_out_rows: int, strip: int, plane_chans: int, split: Split
) -> Iterator[tuple[Tile, ...]]:
    """The first core of a group of planes has most strips, and the first group most planes, so core 0 is in every round."""
    row_parts, groups = parts(n_out_rows, split.rows), parts(len(mappings), split.planes)
    for nth_plane in range(len(groups[0])):
        for nth_strip in range(ceil_div(len(row_parts[0]), strip)):
            for nth_block in range(len(mappings[0])):
                tiles = []
                for core in range(len(groups) * len(row_parts)):
                    planes, rows = groups[core // len(row_parts)], row_parts[core % len(row_parts)]
                    out_rows = rows[nth_strip * strip : (nth_strip + 1) * strip]
                    if nth_plane < len(planes) and out_rows:
                        blocks = mappings[planes[nth_plane]]
                        tile = Tile(
                            mapping=blocks[nth_block],
                            out_plane=planes[nth_plane],
                            first_in_plane=blocks[nth_block].ins.start // plane_chans,
                            out_rows=out_rows,
                            drain=nth_block == len(blocks) - 1,
                            core=core,
                        )
                        tiles.append(tile)
                yield tuple(tiles)
