"""Static timing of a flat netlist: arrival times from the library's tables at the loads of pins and estimated wires.

Assumptions: the clock is ideal (no skew, no uncertainty) and has the library's typical slew; inputs arrive at 0 and outputs may
leave at the end of the period; nets of many sinks have buffers (see ``fanout``); a RAM takes ``ram_ns`` from the clock to its
outputs and no setup; hold is not looked at.
"""

from dataclasses import dataclass

from quiesce.sim.gates.analysis.fanout import BufferTree
from quiesce.sim.gates.analysis.flat import Flat, FlatCell
from quiesce.sim.gates.analysis.topology import ordered_logic
from quiesce.sim.gates.liberty.library import Arc, Pin

__all__ = ["RAM_NS", "TimingPath", "TimingReport", "analyse_timing"]

RAM_NS = 0.8
"""From the clock to the outputs of a RAM, ns, if nothing better is known."""

_RISE, _FALL = 0, 1
_EDGES = ("rise", "fall")


@dataclass(frozen=True)
class TimingPath:
    """The slowest way to an end point.

    Attributes
    ----------
    delay_ns : float
        With the end point's setup.
    steps : tuple of (str, str, float)
        Net, what drives it, and its arrival time.
    end : str
    """

    delay_ns: float
    steps: tuple[tuple[str, str, float], ...]
    end: str


@dataclass(frozen=True)
class TimingReport:
    """Attributes
    ----------
    period_ns : float
        Shortest clock period.
    worst : TimingPath
    period_without_rams_ns : float
        The same if RAMs answered at once.
    """

    period_ns: float
    worst: TimingPath
    period_without_rams_ns: float

    @property
    def mhz(self) -> float:
        return 1000.0 / self.period_ns if self.period_ns else 0.0


@dataclass(slots=True)
class _Event:
    """Arrival of an edge at a net, and the event before it."""

    time: float
    slew: float
    net: int
    driver: str
    before: "_Event | None"


Arrivals = dict[int, list["_Event | None"]]


def _sources(arc: Arc, edge: int) -> tuple[int, ...]:
    """Edges at the input that cause ``edge`` at the output."""
    if arc.sense == "positive_unate":
        return (edge,)
    if arc.sense == "negative_unate":
        return (1 - edge,)
    return (_RISE, _FALL)


def _behind(tree: BufferTree, time: float, slew: float, edge: str) -> tuple[float, float]:
    """An edge at the sinks of a tree of buffers, given that at its driver."""
    tables = tree.cell.outputs[0].arcs[0].tables
    for load in tree.stage_loads:
        time, slew = time + tables[f"cell_{edge}"].at(slew, load), tables[f"{edge}_transition"].at(slew, load)
    return time, slew


class _Analysis:
    def __init__(self, flat: Flat, ram_ns: float) -> None:
        self._flat, self._library, self._ram_ns = flat, flat.library, ram_ns
        self._at: Arrivals = {}
        self._loads = flat.loads

    def _start(self, net: int, time: float, slew: float, driver: str) -> None:
        self._at[net] = [_Event(time, slew, net, driver, None) for _ in _EDGES]

    def run(self) -> tuple[float, TimingPath]:
        slew = self._library.slew
        for bits in self._flat.inputs.values():
            for net in bits:
                self._start(net, 0.0, slew, "input")
        for net in (0, 1):
            self._at[net] = [None, None]
        for ram in self._flat.rams:
            for net in ram.outputs:
                self._start(net, self._ram_ns, slew, ram.ram.name)
        for cell in self._flat.cells:
            if cell.cell.sequential:
                self._launch(cell)
        self._propagate()
        return self._worst()

    def _launch(self, cell: FlatCell) -> None:
        """A flip-flop's outputs, from an ideal clock; a clock gate's output is part of that clock."""
        for pin in cell.cell.outputs:
            net = cell.nets.get(pin.name)
            if net is None:
                continue
            if cell.cell.clock_gate:
                self._start(net, 0.0, self._library.slew, "clock")
                continue
            clock = _Event(0.0, self._library.slew, net, "clock", None)
            self._at[net] = [None, None]
            for arc in pin.arcs:
                if arc.kind in ("rising_edge", "falling_edge"):
                    self._through(arc, [clock, clock], net, cell, both=True)

    def _through(self, arc: Arc, inputs: "list[_Event | None]", net: int, cell: FlatCell, both: bool = False) -> None:
        """Take the later of what is known at the output and what comes through an arc; slews are the worst of all arcs."""
        known, load, tree = self._at[net], self._loads.get(net, 0.0), self._flat.trees.get(net)
        for edge, name in enumerate(_EDGES):
            delay, transition = arc.tables.get(f"cell_{name}"), arc.tables.get(f"{name}_transition")
            if delay is None or transition is None:
                continue
            for source in (_RISE,) if both else _sources(arc, edge):
                event = inputs[source]
                if event is None:
                    continue
                time, slew = event.time + delay.at(event.slew, load), max(transition.at(event.slew, load), 0.0)
                if tree:
                    time, slew = _behind(tree, time, slew, name)
                best = known[edge]
                if best is None or time > best.time:
                    known[edge] = _Event(time, max(slew, best.slew if best else 0.0), net, cell.cell.name, event)
                elif slew > best.slew:
                    best.slew = slew

    def _propagate(self) -> None:
        for cell in ordered_logic(self._flat):
            for pin in cell.cell.outputs:
                if pin.name not in cell.nets:
                    continue
                output = cell.nets[pin.name]
                self._at[output] = [None, None]
                for arc in pin.arcs:
                    related = cell.nets.get(arc.related)
                    if related is not None and related in self._at:
                        self._through(arc, self._at[related], output, cell)

    def _setup(self, pin: Pin, event: _Event, edge: int) -> float:
        tables = [arc.tables.get(f"{_EDGES[edge]}_constraint") for arc in pin.arcs if arc.kind.startswith("setup")]
        return max((table.at(event.slew, self._library.slew) for table in tables if table), default=0.0)

    def _worst(self) -> tuple[float, TimingPath]:
        worst, end, at = 0.0, "none", None
        for cell in self._flat.cells:
            if not cell.cell.sequential:
                continue
            for pin in cell.cell.inputs:
                if any(arc.kind.startswith("setup") for arc in pin.arcs):
                    for edge, event in enumerate(self._at.get(cell.nets.get(pin.name, 0), ())):
                        if event and event.time + self._setup(pin, event, edge) > worst:
                            worst, at = event.time + self._setup(pin, event, edge), event
                            end = f"{cell.path or 'top'}/{cell.name} ({cell.cell.name} {pin.name})"
        ends = [(net, f"{ram.path}/{ram.name} ({ram.ram.name})") for ram in self._flat.rams for net in ram.inputs]
        ends += [(net, f"output {name}") for name, bits in self._flat.outputs.items() for net in bits]
        for net, name in ends:
            for event in self._at.get(net, ()):
                if event and event.time > worst:
                    worst, end, at = event.time, name, event
        steps = []
        while at is not None:
            steps.append((self._flat.names.get(at.net, str(at.net)), at.driver, at.time))
            at = at.before
        return worst, TimingPath(worst, tuple(reversed(steps)), end)


def analyse_timing(flat: Flat, ram_ns: float = RAM_NS) -> TimingReport:
    """The shortest clock period.

    Raises
    ------
    NetlistError
        A net without a driver, or a combinational loop.
    """
    period, path = _Analysis(flat, ram_ns).run()
    from_ram = bool(path.steps) and path.steps[0][2] > 0
    return TimingReport(period, path, _Analysis(flat, 0.0).run()[0] if from_ram else period)
