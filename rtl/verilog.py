"""Verilog of a core."""

from amaranth.back import verilog

from quiesce.rtl.core import Core
from quiesce.rtl.verilog_text import compact
from quiesce.sw.config import CoreConfig

__all__ = ["emit", "ports"]


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
    text = verilog.convert(core, name=name, ports=ports(core), emit_src=False, strip_internal_attrs=True)
    return compact(text)
