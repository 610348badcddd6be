"""Compiles a network to the program that a core runs, and knows where inputs and outputs lie in memory."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.emit.body import item_body, prologue
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.lower.balance import balanced
from quiesce.sw.compiler.lower.sums import check_sums
from quiesce.sw.compiler.schedule.network_schedule import ScheduledNetwork, schedule_network
from quiesce.sw.compiler.tile.strips import StripedLayout
from quiesce.sw.compiler.tile.tiling import LayerTiling
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.layouts import align
from quiesce.sw.format.network import INPUT, Network

__all__ = ["LayerPlan", "Program", "compile_network"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """What a layer became.

    Members
    -------
    counter : counter set of the layer
    dense_macs : MACs of a dense engine per item
    lane_bound : best lane utilisation that the mapping allows, weighted over its passes; all lanes of all cores count
    event_visits : how often a detector finds each nonzero activation at most (once per output plane that depends on it and part
        of the kernel, once if targeted); strips of several cores overlap
    state_rows : of the state memories, that the layer keeps from item to item
    """

    name: str
    kind: str
    counter: int
    dense_macs: int
    lane_bound: float
    n_passes: int
    event_visits: int
    state_rows: int


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
    resident : all weights are loaded by the prologue, once for all items
    stream : items are those of a stream, each computed from the one before
    changes : maps ("input" or a layer's name) that lie in memory as changes since the item before
    """

    config: CoreConfig
    network: Network
    image: bytes
    prologue_beats: int
    body_beats: int
    scratch_bytes: int
    input_layout: StripedLayout
    output_layout: StripedLayout
    layers: tuple[LayerPlan, ...]
    resident: bool
    stream: bool
    changes: frozenset[str]

    @property
    def input_stride(self) -> int:
        return align(self.input_layout.map_bytes)

    @property
    def output_stride(self) -> int:
        return align(self.output_layout.map_bytes)

    @property
    def body(self) -> bytes:
        """The image without the prologue: for a core that has what that loads."""
        return self.image[self.prologue_beats * self.config.beat_bytes :]

    @property
    def holds_all(self) -> bool:
        """Every layer that has a delta threshold keeps what it sent, so that the host may raise the least threshold."""
        kept = {plan.name for plan in self.layers if plan.state_rows}
        return all(layer.delta_threshold is None or layer.name in kept for layer in self.network.layers)

    def encode_inputs(self, inputs: npt.NDArray[np.int8] | npt.NDArray[np.int16]) -> bytes:
        """Contents of region INPUT for inputs (N, rows, cols, chans), or changes of them if "input" is among ``changes``."""
        if inputs.shape[1:] != self.input_layout.shape:
            raise CompileError(f"inputs of shape {inputs.shape[1:]} do not fit the network's {self.input_layout.shape}")
        data = np.zeros((len(inputs), self.input_stride), np.uint8)
        data[:, : self.input_layout.map_bytes] = self.input_layout.encode(inputs)
        return data.tobytes()

    def decode_outputs(self, data: bytes, n: int) -> npt.NDArray[np.int8]:
        """Outputs (n, rows, cols, chans) from the contents of region OUTPUT; FormatError if they are not well-formed."""
        maps = np.frombuffer(data, np.uint8, n * self.output_stride).reshape(n, self.output_stride)
        return self.output_layout.decode(maps)


def compile_network(
    network: Network,
    config: CoreConfig,
    *,
    events: Mapping[str, npt.NDArray[np.float64]] | None = None,
    cold: bool = False,
    saved: Mapping[str, float] | None = None,
) -> Program:
    """Compile a network for a core, with pruned channels in an order that gives all PEs the same work.

    Weights that fit on chip are loaded once, by the prologue, the others in every item, while earlier passes run.

    Parameters
    ----------
    events : mapping of str to ndarray, optional
        Expected events of each channel of a map, from calibration data (``reference.channel_events``): what the work of a PE is
        estimated from; else from its weights alone.
    cold : bool
        The fewest cycles for an item that finds nothing on chip, rather than for each of many: every item loads all weights, the
        later ones while the first passes run.
    saved : mapping of str to float, optional
        Compile for streams: each item is computed from what has changed since the one before, where layers save most MACs by
        it, as expected here of each, for the state that they keep; see ``stream.saved_macs``. Else an item knows no other.

    Raises
    ------
    CompileError
        No mapping of some layer runs on this configuration; the message names the layer and the reason.
    """
    network = balanced(network, config, events=events)
    if len(network.layers) > config.max_layers - 1:
        raise CompileError(f"{len(network.layers)} layers exceed max_layers {config.max_layers} less one for the prologue")
    for layer in network.layers:
        check_sums(network, layer, config)
    scheduled = schedule_network(network, config, cold=cold, saved=saved)
    first, body, layouts = prologue(scheduled), item_body(scheduled), scheduled.tiled.layouts
    return Program(
        config=config,
        network=network,
        image=first.getvalue() + body.getvalue(),
        prologue_beats=first.n_beats,
        body_beats=body.n_beats,
        scratch_bytes=scheduled.scratch_bytes,
        input_layout=layouts[INPUT],
        output_layout=layouts[network.output],
        layers=tuple(_plan(network, layer, index, scheduled, config) for index, layer in enumerate(network.layers)),
        resident=not scheduled.loads.streams,
        stream=saved is not None,
        changes=scheduled.state.changes,
    )


def _lane_bound(tiling: LayerTiling, config: CoreConfig) -> float:
    """Best lane utilisation that the mappings of a layer allow: all cores wait for the one with the most work."""
    work, pace = 0, [0.0] * config.n_cores
    for (mapping, core), rows in Counter((tile.mapping, tile.core) for tile in tiling.tiles for _ in tile.out_rows).items():
        if n_macs := mapping.packed.n_macs:
            work += rows * n_macs
            pace[core] += rows * n_macs / mapping.lane_bound
    return work / (config.n_cores * max(pace)) if work else 0.0


def _reads(tiling: LayerTiling) -> list[tuple[int, int]]:
    """Input planes (operand, index), each as often as there are mappings that read it."""
    return [
        (mapping.conv.operand, mapping.ins.start // mapping.plane_chans + plane)
        for mapping in tiling.mappings
        for plane in range(mapping.n_planes)
    ]


def _plan(network: Network, layer: Layer, index: int, scheduled: ScheduledNetwork, config: CoreConfig) -> LayerPlan:
    tiling = scheduled.tiled.tilings[layer.name]
    return LayerPlan(
        name=layer.name,
        kind=layer.op.name,
        counter=index,
        dense_macs=network.dense_macs(layer),
        lane_bound=_lane_bound(tiling, config),
        n_passes=len(tiling.tiles),
        event_visits=1 if tiling.mappings[0].targeted else max(Counter(_reads(tiling)).values()),
        state_rows=scheduled.state.layer_rows.get(layer.name, 0),
    )
