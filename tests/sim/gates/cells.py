"""A library of a dozen made-up cells, as Liberty text, with tables simple enough to compute by hand.

Delay = intrinsic + 0.01 ns/fF x load + slew, transition = 0.02 ns + 0.01 ns/fF x load, setup 0.05 ns, power 2 fJ rising and 1 fJ
falling; pins of 1 fF; no wire load, so a wire is 0.4 fF for each pin it drives.
"""

from collections.abc import Iterable
from pathlib import Path

GATES = {"INV": "!A", "BUF": "A", "NAND2": "!(A & B)", "NOR2": "(A | B)'", "AND2": "A B", "XOR2": "A ^ B", "MUX2": "(S*B)+(!S*A)"}
INTRINSIC = 0.1

_HEAD = """\
/* made by hand */
library (tiny) {
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW"; capacitive_load_unit (1, ff);
  nom_voltage : 1.0;
  lu_table_template (delay) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("0, 10"); index_2 ("0, 1"); }
  power_lut_template (energy) { variable_1 : input_transition_time; index_1 ("0, 1"); }
"""


def _timing(related: str, kind: str = "", sense: str = "") -> str:
    tables = "".join(
        f'{name} (delay) {{ values ("{low}, {low + slope}", "{low + 0.1}, {low + 0.1 + slope}"); }}\n'
        for name, low, slope in (
            ("cell_rise", INTRINSIC, 1), ("cell_fall", INTRINSIC, 1), ("rise_transition", 0.02, 0), ("fall_transition", 0.02, 0)
        )
    )  # fmt: skip
    kind = f"timing_type : {kind};" if kind else ""
    sense = f"timing_sense : {sense};" if sense else ""
    return f'timing () {{ related_pin : "{related}"; {kind} {sense}\n{tables} }}\n'


_SETUP = """\
timing () { related_pin : "CK"; timing_type : setup_rising;
  rise_constraint (scalar) { values ("0.05"); } fall_constraint (scalar) { values ("0.05"); } }
"""


def _power(when: str = "", rise: float = 2, fall: float = 1) -> str:
    when = f'when : "{when}";' if when else ""
    values = (("rise_power", rise), ("fall_power", fall))
    rows = "".join(f'{name} (energy) {{ values ("{value}, {value}"); }} ' for name, value in values)
    return f"internal_power () {{ {when} {rows} }}\n"


def _pin(name: str, body: str = "", direction: str = "input") -> str:
    return f"pin ({name}) {{ direction : {direction}; {'capacitance : 1;' if direction == 'input' else ''}\n{body} }}\n"


def _gate(name: str, function: str) -> str:
    inputs = [pin for pin in "ABS" if pin in function]
    arcs = "".join(_timing(pin) for pin in inputs)
    output = _pin("Y", f'function : "{function}"; {arcs} {_power()}', "output")
    return f"cell ({name}) {{ area : {len(inputs)}; cell_leakage_power : 5;\n{''.join(map(_pin, inputs))}{output} }}\n"


def _register(name: str, extra: str = "", pins: str = "") -> str:
    output = _pin("Q", f'function : "IQ"; {_timing("CK", "rising_edge")} {_power()}', "output")
    clock = _pin("CK", "clock : true; " + _power("D", 3, 1) + _power("!D", 5, 1))
    return f"""\
cell ({name}) {{ area : 6; cell_leakage_power : 20;
  ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; {extra} }}
  {_pin("D", _SETUP)} {clock} {pins} {output} }}
"""


_CLOCK_GATE = f"""\
cell (GATE) {{ area : 5; clock_gating_integrated_cell : "latch_posedge";
  {_pin("CK", "clock_gate_clock_pin : true; " + _power())} {_pin("E", "clock_gate_enable_pin : true; " + _SETUP)}
  {_pin("GCK", "clock_gate_out_pin : true; " + _timing("CK") + _power(), "output")} }}
"""


def liberty(without: Iterable[str] = ()) -> str:
    """The text, some cells left out."""
    cells = {name: _gate(name, function) for name, function in GATES.items()}
    cells["DFF"] = _register("DFF")
    cells["DFFR"] = _register("DFFR", 'clear : "!R";', _pin("R"))
    cells["GATE"] = _CLOCK_GATE
    cells["TRI"] = 'cell (TRI) { area : 2; pin (A) { direction : input; } pin (E) { direction : input; } ' \
        'pin (Y) { direction : output; function : "A"; three_state : "!E"; } }\n'  # fmt: skip
    cells["PAD"] = "cell (PAD) { area : 9; dont_touch : true; }\n"
    return _HEAD + "".join(text for name, text in cells.items() if name not in set(without)) + "}\n"


def write_liberty(folder: Path, without: Iterable[str] = ()) -> Path:
    path = folder / "tiny.lib"
    path.write_text(liberty(without))
    return path
