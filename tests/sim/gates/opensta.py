"""OpenSTA on a flat netlist: its longest path and its leakage, to compare ours with."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from quiesce.sim.gates.analysis.flat import Flat

_PERIOD_NS = 100
_SCRIPT = """\
read_liberty {liberty}
read_verilog netlist.v
link_design top
create_clock -name clk -period {period} [get_ports clk]
set_clock_transition {slew} [get_clocks clk]
set_input_transition {slew} [all_inputs]
set_input_delay 0 -clock clk [get_ports in*]
set_output_delay 0 -clock clk [get_ports out*]
report_checks -path_delay max -digits 6
report_power -digits 6
"""
_SLACK = re.compile(r"(?m)^ +(-?[\d.]+) +slack \(MET\)$")
_POWER = re.compile(r"(?m)^Total +\S+ +\S+ +(\S+) ")


def _verilog(flat: Flat) -> Iterator[str]:
    """The cells, with nets by number: ports are ``clk``, ``in<n>`` and ``out<n>``."""

    def net(number: int) -> str:
        return f"n{number}" if number > 1 else f"1'b{number}"

    inputs = {"clk" if name == "clk" else f"in{bit}": bit for name, bits in flat.inputs.items() for bit in bits}
    outputs = [bit for bits in flat.outputs.values() for bit in bits]
    ends = {f"out{index}": bit for index, bit in enumerate(outputs)}
    yield f"module top ({', '.join([*inputs, *ends])});"
    yield from (f"input {port}; wire {net(bit)}; assign {net(bit)} = {port};" for port, bit in inputs.items())
    yield from (f"output {port}; assign {port} = {net(bit)};" for port, bit in ends.items())
    driven = {cell.nets[pin.name] for cell in flat.cells for pin in cell.cell.outputs if pin.name in cell.nets}
    yield from (f"wire {net(bit)};" for bit in sorted(driven))
    for index, cell in enumerate(flat.cells):
        yield f"{cell.cell.name} c{index} ({', '.join(f'.{pin}({net(bit)})' for pin, bit in cell.nets.items())});"
    yield "endmodule"


def longest_path_and_leakage(flat: Flat, folder: Path) -> tuple[float, float]:
    """The shortest clock period, ns, and the leakage, nW, of a netlist without RAMs.

    Parameters
    ----------
    folder : Path
        For the files; ``sta.log`` has all that OpenSTA says.
    """
    assert not flat.rams
    (folder / "netlist.v").write_text("\n".join(_verilog(flat)) + "\n")
    script = _SCRIPT.format(liberty=flat.library.source, period=_PERIOD_NS, slew=flat.library.slew)
    (folder / "run.tcl").write_text(script)
    command = ["sta", "-exit", "run.tcl"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    (folder / "sta.log").write_text(run.stdout + run.stderr)
    slack, power = _SLACK.search(run.stdout), _POWER.search(run.stdout)
    assert slack and power and "Error" not in run.stdout, run.stdout + run.stderr
    return _PERIOD_NS - float(slack[1]), float(power[1]) * 1e9
