"""Compiles a network to the program that a core runs, and knows where inputs and outputs lie in memory."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sw.compiler.balance import balanced
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.packets import PacketWriter
from quiesce.sw.compiler.passes import Placement, pass_fields, positions
from quiesce.sw.compiler.tiling import LayerTiling, Tile, input_block, plane_limit, tile_layer
from quiesce.sw.compiler.window import Window
from quiesce.sw.config import CoreConfig
from quiesce.sw.format.bitmask import MapLayout, align, decode_maps, encode_maps
from quiesce.sw.format.geometry import ceil_div
from quiesce.sw.format.layer import Kind, Layer
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.isa import Region

__all__ = ["LayerPlan", "Program", "compile_network"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """What a layer became.

    Members
    -------
    counter : counter set of the layer
    dense_macs : MACs of a dense engine per item
    lane_bound : best lane utilisation that the mapping allows, weighted over its passes
    event_visits : how often the detector finds each nonzero activation (once per output plane)
    """

    name: str
    kind: str
    counter: int
    dense_macs: int
    lane_bound: float
    n_passes: int
    event_visits: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program image and the layout of the memory regions around it.

    Members
    -------
    network : what the core computes: the network given, its channels in the order of ``balance.balanced``
    image : prologue and body, for region PROGRAM
    prologue_beats, body_beats : their lengths in bus beats
    scratch_bytes : size of region SCRATCH
    input_stride, output_stride : bytes per item in the regions INPUT and OUTPUT
    prologue_counter : counter set of the prologue
    resident : weights are loaded by the prologue, once for all items
    """

    config: CoreConfig
    network: Network
    image: bytes
    prologue_beats: int
    body_beats: int
    scratch_bytes: int
    input_layout: MapLayout
    output_layout: MapLayout
    layers: tuple[LayerPlan, ...]
    resident: bool

    @property
    def input_stride(self) -> int:
        return align(self.input_layout.map_bytes)

    @property
    def output_stride(self) -> int:
        return align(self.output_layout.map_bytes)

    @property
    def prologue_counter(self) -> int:
        return self.config.max_layers - 1

    def encode_inputs(self, inputs: npt.NDArray[np.int8]) -> bytes:
        """Contents of region INPUT for inputs (N, rows, cols, chans)."""
        if inputs.shape[1:] != self.input_layout.shape:
            raise CompileError(f"inputs of shape {inputs.shape[1:]} do not fit the network's {self.input_layout.shape}")
        data = np.zeros((len(inputs), self.input_stride), np.uint8)
        data[:, : self.input_layout.map_bytes] = encode_maps(inputs, self.input_layout.plane_chans)
        return data.tobytes()

    def decode_outputs(self, data: bytes, n: int) -> npt.NDArray[np.int8]:
        """Outputs (n, rows, cols, chans) from the contents of region OUTPUT; FormatError if they are not well-formed."""
        maps = np.frombuffer(data, np.uint8, n * self.output_stride).reshape(n, self.output_stride)
        return decode_maps(maps, self.output_layout.shape, self.output_layout.plane_chans)


def _check_accumulators(network: Network, layer: Layer, config: CoreConfig) -> None:
    """Prove that no partial sum of the layer can leave the accumulators, whatever the inputs."""
    low, high = network.accumulator_bounds(layer)
    bias = [] if layer.bias is None else [int(layer.bias.min()), int(layer.bias.max())]
    low, high = low - min([0, *bias]), high - max([0, *bias])  # the hardware adds the bias behind the accumulators
    if layer.kind is Kind.MAXPOOL:
        low, high = 0, 255
    limit = 1 << (config.acc_width - 1)
    if low < -limit or high >= limit:
        raise CompileError(f"layer {layer.name!r}: sums reach {low}..{high}, beyond acc_width {config.acc_width}")


def _tile(network: Network, config: CoreConfig) -> tuple[dict[str, MapLayout], dict[str, LayerTiling]]:
    """Tile every layer, and lay out every map in planes that all its readers accept."""
    shapes = network.shapes()
    windows = {layer.name: Window(layer=layer, shape=shapes[layer.inputs[0]]) for layer in network.layers}
    limits: dict[str, int] = {}
    for name, (_, width, chans) in shapes.items():
        try:
            limit = plane_limit(config, width, chans)
        except CompileError as error:
            raise CompileError(f"map {name!r}: {error}") from None
        for layer in network.layers:
            while name in layer.inputs and limit > 1 and not input_block(config, windows[layer.name], limit):
                limit = -(-limit // 2)
        limits[name] = limit
    layouts = {INPUT: MapLayout(shape=shapes[INPUT], plane_chans=limits[INPUT])}
    tilings: dict[str, LayerTiling] = {}
    for layer in network.layers:
        tiling = tile_layer(config, windows[layer.name], layouts[layer.inputs[0]].plane_chans, limits[layer.name])
        tilings[layer.name] = tiling
        layouts[layer.name] = MapLayout(shape=shapes[layer.name], plane_chans=tiling.plane_chans)
    return layouts, tilings


class _Store:
    """Allocates the on-chip memories: mask words for all PEs alike, weight rows per PE, parameters in whole rows."""

    def __init__(self, config: CoreConfig):
        self._config = config
        self.reset()

    def reset(self) -> None:
        self.mask_words = self.params = 0
        self.rows = [0] * self._config.n_pes

    @property
    def full(self) -> bool:
        config = self._config
        return (
            self.mask_words > config.mask_depth or max(self.rows) > config.weight_depth or self.params > config.param_depth
        )

    def load(self, writer: PacketWriter, layer: Layer, tile: Tile) -> Placement:
        """Write the packets that load a tile's weights and parameters behind what is there already."""
        config, packed = self._config, tile.mapping.packed
        mask_word, param = self.mask_words, self.params
        for pe, values in enumerate(packed.values):
            words_per_row = config.words_per_row(packed.bits)
            writer.masks(pe, mask_word, self.rows[pe] * words_per_row, packed.masks[pe])
            writer.values(pe, self.rows[pe], values, packed.bits)
            self.rows[pe] += ceil_div(len(values), words_per_row)
        writer.params(param, _params(layer, tile.mapping.outs))
        self.mask_words += packed.mask_words
        self.params += -(-len(tile.mapping.outs) // config.params_per_row) * config.params_per_row
        return Placement(mask_word=mask_word, param_row=param // config.params_per_row)


def _params(layer: Layer, outs: range) -> list[tuple[int, int, int]]:
    if layer.kind is Kind.MAXPOOL:  # accumulators hold the maximum of value + 128
        bias = np.full(layer.cout, -128)
    else:
        bias = np.zeros(layer.cout, np.int64) if layer.bias is None else layer.bias
    return [(int(bias[o]), int(layer.multiplier[o]), int(layer.shift[o])) for o in outs]


def compile_network(
    network: Network, config: CoreConfig, *, events: Mapping[str, npt.NDArray[np.float64]] | None = None
) -> Program:
    """Compile a network for a core, with pruned channels in an order that gives all PEs the same work.

    Weights that fit on chip all together are loaded once, by the prologue; otherwise each pass loads its own.

    Parameters
    ----------
    events : mapping of str to ndarray, optional
        Expected events of each channel of a map, from calibration data (``reference.channel_events``): what the work of a PE is
        estimated from; else from its weights alone.

    Raises
    ------
    CompileError
        No mapping of some layer runs on this configuration; the message names the layer and the reason.
    """
    network = balanced(network, config, events=events)
    if len(network.layers) > config.max_layers - 1:
        raise CompileError(f"{len(network.layers)} layers exceed max_layers {config.max_layers} less one for the prologue")
    for layer in network.layers:
        if layer.kind.joins:
            raise CompileError(f"layer {layer.name!r}: {layer.kind.value} of several maps has no mapping")
        _check_accumulators(network, layer, config)
    layouts, tilings = _tile(network, config)

    offsets, scratch_bytes = {INPUT: (Region.INPUT, 0), network.output: (Region.OUTPUT, 0)}, 0
    for layer in network.layers:
        if layer.name != network.output:
            offsets[layer.name] = (Region.SCRATCH, scratch_bytes)
            scratch_bytes += align(layouts[layer.name].map_bytes)

    prologue, store = PacketWriter(config), _Store(config)
    placements: dict[int, Placement] = {}
    for layer in network.layers:
        for tile in tilings[layer.name].tiles:
            if id(tile.mapping) not in placements and not store.full:
                placements[id(tile.mapping)] = store.load(prologue, layer, tile)
    resident = not store.full
    if not resident:
        prologue = PacketWriter(config)
    prologue.wait(flush_to=config.max_layers - 1)

    body = PacketWriter(config)
    for index, layer in enumerate(network.layers):
        source, target = layer.inputs[0], layer.name
        for tile in tilings[layer.name].tiles:
            if resident:
                placement = placements[id(tile.mapping)]
            else:
                body.wait()
                store.reset()
                placement = store.load(body, layer, tile)
            fields = pass_fields(
                tile,
                layer=layer,
                counter=index,
                placement=placement,
                in_layout=layouts[source],
                in_address=offsets[source],
                out_layout=layouts[target],
                out_address=offsets[target],
                signed_input=network.limits(source)[0] < 0,
            )
            body.run_pass(fields, positions(tile))
    body.item_end()

    return Program(
        config=config,
        network=network,
        image=prologue.getvalue() + body.getvalue(),
        prologue_beats=prologue.n_beats,
        body_beats=body.n_beats,
        scratch_bytes=scratch_bytes,
        input_layout=layouts[INPUT],
        output_layout=layouts[network.output],
        layers=tuple(_plan(network, layer, index, tilings[layer.name]) for index, layer in enumerate(network.layers)),
        resident=resident,
    )


def _plan(network: Network, layer: Layer, index: int, tiling: LayerTiling) -> LayerPlan:
    work = [(np.count_nonzero(np.concatenate(mapping.packed.values)), mapping.lane_bound) for mapping in tiling.mappings]
    total, pace = sum(n for n, _ in work), sum(n / bound for n, bound in work if bound)
    return LayerPlan(
        name=layer.name,
        kind=layer.kind.value,
        counter=index,
        dense_macs=network.dense_macs(layer),
        lane_bound=total / pace if pace else 0.0,
        n_passes=len(tiling.tiles),
        event_visits=len({tile.out_plane for tile in tiling.tiles}),
    )
