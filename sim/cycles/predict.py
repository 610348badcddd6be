"""Cycles of a whole program on given activations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep, Step, decode
from quiesce.sim.cycles.passes import PassModel
from quiesce.sim.cycles.records import Rings
from quiesce.sim.cycles.timeline import CoreTimeline
from quiesce.sim.cycles.timing import Timing
from quiesce.sim.errors import ModelError
from quiesce.sw import reference
from quiesce.sw.compiler import Program
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.isa import Opcode, Region

__all__ = ["LayerCycles", "predict"]

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

    def __init__(self, body: Sequence[Step], shapes: Sequence[tuple[int, ...]]) -> None:
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


def predict(
    program: Program, inputs: npt.NDArray[np.int8], *, latency: int = 32, dense: bool = False, timing: Timing | None = None
) -> tuple[LayerCycles, ...]:
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
        The core has no zero-skipping.
    FormatError
        The inputs are not what the network takes.
    """
    if not program.config.zero_skipping:
        raise ModelError("the cycle model follows events: it does not cover cores without zero-skipping (zero_skipping = 0)")
    names = [plan.name for plan in program.layers]
    kinds = _kinds(program.network, inputs)
    run = _Run(program, len(inputs), latency, dense, timing or Timing())
    for item in range(len(inputs)):
        run.item(kinds[INPUT][item], [kinds[name][item] for name in names])
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


def _beats_behind(body: Sequence[Step], beats: int = 0) -> list[int]:
    """Beats between each step and the pass behind it, that one's description included; ``beats`` of them behind the body."""
    result = []
    for step in reversed(body):
        result.append(beats)
        beats = step.beats + (0 if isinstance(step, PassStep) else beats)
    return result[::-1]


class _Run:
    """A program on its cores, item after item."""

    def __init__(self, program: Program, n_items: int, latency: int, dense: bool, timing: Timing):
        self._program, self._dense, self._timing = program, dense, timing
        _, self._body = decode(program)
        self._beats_behind = _beats_behind(self._body)
        # Behind the last pass comes the first one of the next item.
        self._beats_between = _beats_behind(self._body, self._beats_behind[0] + self._body[0].beats)
        self._beats_left = list(accumulate(step.beats for step in reversed(self._body)))[::-1]
        self._n_items = n_items  # still to come
        self._models: dict[int, PassModel] = {}
        n_cores = program.config.n_cores
        # Time counts from the end of the prologue; the accumulators are cleared from the start on.
        cleared = max(0, program.config.acc_depth - program.prologue_beats - latency - timing.prologue)
        self._cores = [
            CoreTimeline(latency=latency, timing=timing, rings=Rings(program.config), alone=n_cores == 1, cleared=cleared)
            for _ in range(n_cores)
        ]
        self._ends: list[tuple[int, int]] = []  # (layer, cycle) in order
        self._layer: int | None = None
        self.counts = np.zeros((len(program.layers), 2), np.int64)
        """Events and MACs of each layer."""

    def layer_cycles(self) -> npt.NDArray[np.int64]:
        """Cycles of each layer, when all items have run."""
        if self._layer is not None:
            self._ends.append((self._layer, max(core.complete for core in self._cores)))
        cycles, before = np.zeros(len(self.counts), np.int64), 0
        for layer, end in self._ends:
            if layer < len(cycles):
                cycles[layer] += end - before
            before = end
        return cycles

    def item(self, image: Kinds, outputs: Sequence[Kinds]) -> None:
        """Run the body once."""
        self._n_items -= 1
        records, parts = _Records(), _Outputs(self._body, [kinds.shape for kinds in outputs])
        striped = self._program.input_layout
        for strip, (cols, layout) in enumerate(zip(striped.strips, striped.layouts, strict=True)):
            for plane in range(layout.n_planes):
                chans = image[:, cols.start : cols.stop, plane * layout.plane_chans : (plane + 1) * layout.plane_chans]
                records.write(Region.INPUT, striped.offset(strip) + plane * layout.plane_stride, chans, layout.row.row_stride)
        for index, step in enumerate(self._body):
            if len(self._cores) > 1:
                self._drop(step)
            if isinstance(step, PassStep):
                part = parts.part(step.fields, outputs[step.fields["layer"]])
                self._pass(index, step, records.read(step.fields))
                if step.fields["drain"]:
                    records.write(step.fields["out_region"], step.fields["out_offset"], part, step.fields["out_row_stride"])
                continue
            if step.opcode == Opcode.WAIT or (step.opcode == Opcode.ITEM_END and len(self._cores) > 1):
                self._barrier(step)
            for index_of_core, core in enumerate(self._cores):
                if step.cores >> index_of_core & 1 and step.opcode != Opcode.CORES:
                    core.decoded += step.cycles
                    core.described = core.decoded if step.opcode == Opcode.PASS else core.described

    def _drop(self, step: Step) -> None:
        """Cores that a packet is not for take its beats, too."""
        for index, core in enumerate(self._cores):
            if step.opcode == Opcode.CORES or not step.cores >> index & 1:
                core.decoded += step.beats

    def _pass(self, index: int, step: PassStep, rows: Sequence[Sequence[Kinds]]) -> None:
        core = self._cores[step.cores.bit_length() - 1]
        if index not in self._models:
            self._models[index] = PassModel(self._program.config, step, timing=self._timing, dense=self._dense)
        model, complete = self._models[index], core.complete
        left = self._beats_left[index] + self._n_items * self._beats_left[0]
        behind = self._beats_between if self._n_items else self._beats_behind
        start = core.start(step, behind[index], left, model.beats_ahead(rows))
        times = model.run(start, rows)
        core.finish(step, start, times)
        layer = step.fields["layer"]
        self.counts[layer] += (times.events, times.macs)
        if len(self._cores) == 1:  # a pass ends when the next one begins in the array, or all is in memory before that is there
            if self._layer is not None:
                self._ends.append((self._layer, start.array if start.prefetch.stopped < complete else complete))
            self._layer = layer

    def _barrier(self, step: Step) -> None:
        """All cores wait until everything is in memory."""
        now = max(max(core.complete, core.decoded) for core in self._cores)
        if self._layer is not None:
            self._ends.append((self._layer, now))
            self._layer = None
        if step.flush_to is not None:
            self._ends.append((step.flush_to, now))
        for core in self._cores:
            core.decoded = now
