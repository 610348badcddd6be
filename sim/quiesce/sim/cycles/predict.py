"""Cycles of a whole program on given activations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.bus import ReadBus
from quiesce.sim.cycles.core_model import CoreModel, PassWork
from quiesce.sim.cycles.decode import PacketStep, PassStep, decode
from quiesce.sim.cycles.kernel import Kernel, Signal
from quiesce.sim.cycles.latencies import flush_cycles
from quiesce.sim.cycles.passes import PassModel
from quiesce.sim.cycles.program import BroadcastModel, ProgramFetchModel
from quiesce.sim.cycles.records import ActReaderModel
from quiesce.sim.cycles.sequencer import Barriers, CoreState, PassRun, SequencerModel
from quiesce.sim.cycles.writes import SharedWrites
from quiesce.sim.errors import ModelError
from quiesce.spec.isa import Region
from quiesce.sw import reference
from quiesce.sw.compiler import Program
from quiesce.sw.format.network import INPUT, Network

__all__ = ["LayerCycles", "predict"]

Bits = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.int8]
"""Of activations in memory: 0 for zeros, 1 for those of losers (see `Layer.winners`), 2 for those that count."""


@dataclass(frozen=True, kw_only=True)
class LayerCycles:
    """Prediction for one layer, sums over the items.

    Members
    -------
    cycles : from the end of the layer before to its own end
    events, macs : counts that equal those of the core
    """

    name: str
    cycles: int
    events: int
    macs: int


class _Records:
    """The kinds of a map's activations, by the address of their row record."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], Kinds] = {}

    def write(self, region: int, offset: int, rows: Kinds, stride: int) -> None:
        for index, row in enumerate(rows):
            self._rows[region, offset + index * stride] = row

    def read(self, fields: dict[str, int]) -> list[list[Kinds]]:
        """Planes of each input row of a pass."""
        region, offset = fields["in_region"], fields["in_offset"]
        return [
            [
                self._rows[region, offset + plane * fields["in_plane_stride"] + row * fields["in_row_stride"]]
                for plane in range(fields["n_planes"])
            ]
            for row in range(fields["n_rows"])
        ]


class _Outputs:
    """Which part of its layer's output a pass makes: in memory, the planes of one strip of columns follow those of another."""

    def __init__(self, body: Sequence[PacketStep], shapes: Sequence[tuple[int, ...]]) -> None:
        passes = [step.fields for step in body if isinstance(step, PassStep)]
        self._first: dict[tuple[int, int], tuple[int, int]] = {}
        for layer, (_, _, chans) in enumerate(shapes):
            planes = {self._plane(fields): fields for fields in passes if fields["layer"] == layer}
            col = chan = 0
            for plane in sorted(planes):
                self._first[plane] = col, chan
                chan += planes[plane]["valid_chans"]
                if chan == chans:
                    col, chan = col + planes[plane]["n_out_cols"], 0

    @staticmethod
    def _plane(fields: dict[str, int]) -> tuple[int, int]:
        return fields["layer"], fields["out_offset"] - fields["out_row_first"] * fields["out_row_stride"]

    def part(self, fields: dict[str, int], kinds: Kinds) -> Kinds:
        (col, chan), row = self._first[self._plane(fields)], fields["out_row_first"]
        rows, cols = kinds[row : row + fields["n_out_rows"]], slice(col, col + fields["n_out_cols"])
        return rows[:, cols, chan : chan + fields["valid_chans"]]


def predict(program: Program, inputs: npt.NDArray[np.int8], *, latency: int = 32, dense: bool = False) -> tuple[LayerCycles, ...]:
    """Cycles of each layer for inputs (N, rows, cols, chans), from the integer reference's activations.

    Parameters
    ----------
    latency : int
        Of the memory.
    dense : bool
        Zero-skipping is off.

    Raises
    ------
    ModelError
        The core has no zero-skipping, or the program is one for streams.
    FormatError
        The inputs are not what the network takes.
    """
    if not program.config.zero_skipping:
        raise ModelError("the cycle model follows events: it does not cover cores without zero-skipping (zero_skipping = 0)")
    if program.stream:
        raise ModelError("the cycle model takes each item for itself: it does not cover programs for streams")
    names = [plan.name for plan in program.layers]
    kinds = _kinds(program.network, inputs)
    run = _Prediction(program, kinds, len(inputs), latency, dense)
    cycles = run.layer_cycles()
    return tuple(
        LayerCycles(name=name, cycles=int(cycles[index]), events=int(run.counts[index, 0]), macs=int(run.counts[index, 1]))
        for index, name in enumerate(names)
    )


def _kinds(network: Network, inputs: npt.NDArray[np.int8]) -> dict[str, Kinds]:
    """The kinds of the activations of all maps, (N, rows, cols, chans)."""
    maps = {INPUT: inputs, **reference.run(network, inputs).activations}
    kinds = {name: np.where(acts != 0, 2, 0).astype(np.int8) for name, acts in maps.items()}
    for layer in network.layers:
        if layer.winners:
            stored = reference.outputs(replace(layer, winners=0), *(maps[name] for name in layer.inputs))
            kinds[layer.name] = np.maximum(kinds[layer.name], stored != 0).astype(np.int8)
    return kinds


class _Prediction:
    """A program on its cores."""

    def __init__(self, program: Program, kinds: Mapping[str, Kinds], n_items: int, latency: int, dense: bool) -> None:
        self._program, self._kinds, self._dense = program, kinds, dense
        config, n_cores = program.config, program.config.n_cores
        prologue, self._body = decode(program)
        self._models: dict[int, PassModel] = {}
        self._items: dict[int, _Item] = {}
        self._ends: list[tuple[int, int]] = []
        """(counter set, cycle) of everything that moves the counters."""
        self.counts = np.zeros((len(program.layers), 2), np.int64)
        """Events and MACs of each layer."""

        kernel = Kernel()
        bus = ReadBus(kernel, n_cores, latency)
        fetch = ProgramFetchModel(kernel, bus.ports[0], program.prologue_beats, program.body_beats, n_items)
        streams = [fetch.beats] if n_cores == 1 else BroadcastModel(kernel, fetch.beats, n_cores).outputs
        writes = SharedWrites(n_cores, latency)
        barriers = Barriers(kernel, n_cores, writes.settle)
        passes = [(index, step) for index, step in enumerate(self._body) if isinstance(step, PassStep)]
        cores = []
        for core, (port, beats) in enumerate(zip(bus.ports, streams, strict=True)):
            state, reader = CoreState(changed=Signal(kernel)), ActReaderModel(kernel, config, port)
            steps = chain(((-1, step) for step in prologue), ((item, step) for item in range(n_items) for step in self._body))
            SequencerModel(
                kernel, config, core, state, beats, barriers, steps,
                [(index, step) for index, step in passes if step.cores >> core & 1],
                self._end if core == 0 else lambda layer, time: None, flush_cycles(config),
            )  # fmt: skip
            model = CoreModel(
                kernel, config, state, reader, latency,
                ask=partial(writes.ask, core), work=self._work, ended=self._end, counted=self._count,
            )  # fmt: skip
            cores.append(model)
        kernel.run()
        for model in cores:
            model.end()

    def _end(self, layer: int, time: int) -> None:
        self._ends.append((layer, time))

    def _count(self, layer: int, events: int, macs: int) -> None:
        self.counts[layer] += (events, macs)

    def layer_cycles(self) -> npt.NDArray[np.int64]:
        """Cycles of each layer."""
        cycles, before = np.zeros(len(self.counts), np.int64), 0
        for layer, end in self._ends:
            if layer < len(cycles):
                cycles[layer] += end - before
            before = end
        return cycles

    def _work(self, run: PassRun) -> PassWork:
        if run.index not in self._models:
            self._models[run.index] = PassModel(self._program.config, run.step, self._dense)
        if run.item not in self._items:
            names = [plan.name for plan in self._program.layers]
            self._items[run.item] = _Item(
                self._program, self._body, self._kinds[INPUT][run.item], [self._kinds[name][run.item] for name in names]
            )
        rows, outputs = self._items[run.item].of(run.index)
        program, fields = self._program, run.step.fields
        # Records of another item may lie otherwise between the addresses that no burst crosses.
        item_in = run.item * program.input_stride if fields["in_region"] == Region.INPUT else 0
        item_out = run.item * program.output_stride if fields["out_region"] == Region.OUTPUT else 0
        return PassWork(
            model=self._models[run.index], rows=rows, outputs=outputs,
            in_offset=fields["in_offset"] + item_in, out_offset=fields["out_offset"] + item_out,
        )  # fmt: skip


class _Item:
    """The maps of one item, as its passes read and write them."""

    def __init__(self, program: Program, body: Sequence[PacketStep], image: Kinds, outputs: Sequence[Kinds]) -> None:
        records, parts = _Records(), _Outputs(body, [kinds.shape for kinds in outputs])
        striped = program.input_layout
        for strip, (cols, layout) in enumerate(zip(striped.strips, striped.layouts, strict=True)):
            for plane in range(layout.n_planes):
                chans = image[:, cols.start : cols.stop, plane * layout.plane_chans : (plane + 1) * layout.plane_chans]
                records.write(Region.INPUT, striped.offset(strip) + plane * layout.plane_stride, chans, layout.row.row_stride)
        self._passes: dict[int, tuple[list[list[Kinds]], Bits]] = {}
        for index, step in enumerate(body):
            if isinstance(step, PassStep):
                fields = step.fields
                part = parts.part(fields, outputs[fields["layer"]])
                self._passes[index] = records.read(fields), part > 0
                if fields["drain"]:
                    records.write(fields["out_region"], fields["out_offset"], part, fields["out_row_stride"])

    def of(self, index: int) -> tuple[Sequence[Sequence[Kinds]], Bits]:
        """Kinds of the activations of each input row and plane of a pass, and which of its outputs are not zero."""
        return self._passes[index]
