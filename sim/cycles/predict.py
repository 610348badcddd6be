"""Cycles of a whole program on given activations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep, Step, decode
from quiesce.sim.cycles.passes import PassModel
from quiesce.sim.cycles.timing import Timing
from quiesce.sw import reference
from quiesce.sw.compiler import Program
from quiesce.sw.isa import Opcode, Region

__all__ = ["LayerCycles", "predict"]

Bits = npt.NDArray[np.bool_]


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
    """Which activations of a map are nonzero, by the address of their row record."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], Bits] = {}

    def write(self, region: int, offset: int, rows: Bits, stride: int) -> None:
        for index, row in enumerate(rows):
            self._rows[region, offset + index * stride] = row

    def read(self, fields: dict[str, int]) -> list[list[Bits]]:
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
    """Which part of its layer's output a pass makes: planes follow each other in the order of their first pass."""

    def __init__(self) -> None:
        self._first_chans: dict[tuple[int, int], int] = {}
        self._n_chans: dict[int, int] = {}

    def part(self, fields: dict[str, int], nonzero: Bits) -> Bits:
        layer = fields["layer"]
        plane = (layer, fields["out_offset"] - fields["out_row_first"] * fields["out_row_stride"])
        if plane not in self._first_chans:
            self._first_chans[plane] = self._n_chans.get(layer, 0)
            self._n_chans[layer] = self._first_chans[plane] + fields["valid_chans"]
        first_chan, first_row = self._first_chans[plane], fields["out_row_first"]
        return nonzero[first_row : first_row + fields["n_out_rows"], :, first_chan : first_chan + fields["valid_chans"]]


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
    FormatError
        The inputs are not what the network takes.
    """
    timing = timing or Timing()
    _, body = decode(program)
    maps = reference.run(program.network, inputs).activations
    names = [plan.name for plan in program.layers]
    totals = np.zeros((len(names), 3), np.int64)
    models: dict[int, PassModel] = {}
    for item in range(len(inputs)):
        outputs = [maps[name][item] != 0 for name in names]
        totals += _item(program, body, outputs, inputs[item] != 0, models, latency, dense, timing)
    return tuple(
        LayerCycles(name=name, cycles=int(row[0]), events=int(row[1]), macs=int(row[2]))
        for name, row in zip(names, totals, strict=True)
    )


class _Timeline:
    """When each core is done with what it has been given, and where the layers end."""

    def __init__(self, n_cores: int, n_layers: int):
        self.decoded = [0] * n_cores  # its sequencer has taken the last packet
        self.ended = [0] * n_cores  # its last pass is in memory
        self.scanned = [0] * n_cores  # its front is free
        self.drained = [0] * n_cores  # so is its array
        self.written: list[tuple[int, ...]] = [()] * n_cores  # rows of its last pass with outputs are in memory
        self.layer: int | None = None  # of the last pass, whose cycles are still to be added
        self.layers = np.zeros(n_layers, np.int64)
        self.flushed = 0

    def flush(self, layer: int, now: int) -> None:
        """The cycles since the last flush, up to ``now``, belong to a layer."""
        if layer < len(self.layers):
            self.layers[layer] += now - self.flushed
        self.flushed = now

    def barrier(self, after: int) -> None:
        """All cores wait for each other, and ``after`` cycles more for their counters."""
        self.decoded = [max(*self.decoded, max(self.ended) + after)] * len(self.decoded)


def _item(
    program: Program, body: Sequence[Step], outputs: Sequence[Bits], image: Bits, models: dict[int, PassModel], latency: int,
    dense: bool, timing: Timing,
) -> npt.NDArray[np.int64]:  # fmt: skip
    """Cycles, events and MACs of each layer for one item."""
    config = program.config
    records, parts = _Records(), _Outputs()
    layout = program.input_layout
    for plane in range(layout.n_planes):
        chans = image[:, :, plane * layout.plane_chans : (plane + 1) * layout.plane_chans]
        records.write(Region.INPUT, plane * layout.plane_stride, chans, layout.row.row_stride)
    times = _Timeline(config.n_cores, len(outputs))
    counts = np.zeros((len(outputs), 2), np.int64)
    for index, step in enumerate(body):
        if not isinstance(step, PassStep):
            if step.opcode == Opcode.WAIT or (step.opcode == Opcode.ITEM_END and config.n_cores > 1):
                times.barrier(timing.flush)
            if step.flush_to is not None:
                times.flush(step.flush_to, max(times.ended))
            times.decoded = [now + step.cycles if step.cores >> core & 1 else now for core, now in enumerate(times.decoded)]
            continue
        fields, core = step.fields, step.cores.bit_length() - 1
        if index not in models:
            models[index] = PassModel(config, step, latency=latency, dense=dense, timing=timing)
        part = parts.part(fields, outputs[fields["layer"]])
        offered = times.decoded[core] + step.cycles
        before = times.layer if config.n_cores == 1 else None
        if before is not None and times.ended[core] < offered:  # the pass before ends by itself
            times.flush(before, times.ended[core])
            before = None
        array = max(times.drained[core], times.flushed + timing.flush if config.n_cores == 1 else 0)
        out_values = [int(np.count_nonzero(row)) for row in part]
        done = models[index].run(
            max(offered, times.scanned[core]), array, records.read(fields), out_values, times.written[core]
        )
        if before is not None:
            times.flush(before, done.begin)
        if fields["drain"]:
            records.write(fields["out_region"], fields["out_offset"], part, fields["out_row_stride"])
            times.written[core] = done.written
        counts[fields["layer"]] += (done.events, done.macs)
        times.layer = fields["layer"]
        times.decoded[core], times.ended[core] = done.begin, max(times.ended[core], done.end)
        times.scanned[core], times.drained[core] = done.scanned, done.drained
    if config.n_cores == 1 and times.layer is not None:
        times.flush(times.layer, times.ended[0])
    return np.column_stack([times.layers, counts])
