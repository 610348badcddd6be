"""Activity of a core's modules as the simulator counted it."""

from dataclasses import dataclass
from pathlib import Path

from quiesce.sim.errors import EnergyError

__all__ = ["TOP_SCOPE", "ModuleActivity", "read_activity"]

TOP_SCOPE = "tb.dut"
"""Where the bench instantiates the core."""


@dataclass(frozen=True)
class ModuleActivity:
    """What happened in one module, without its instances, during some cycles.

    Attributes
    ----------
    toggles : int
        Of its nets: see ``monitors``.
    loads, loads_reset : int
        Flip-flops times cycles in which they load, of those whose clocks could be gated, without and with reset.
    gates : int
        Clock gates behind a shared one times cycles in which it is open.
    """

    toggles: int
    loads: int = 0
    loads_reset: int = 0
    gates: int = 0


def read_activity(path: Path) -> dict[int, dict[str, ModuleActivity]]:
    """Activity by counter set and instance path relative to the core ("" is the core, levels are separated by "/").

    Modules without any net are not in it.

    Raises
    ------
    EnergyError
        The file cannot be read or is not one that the simulator wrote.
    """
    layers: dict[int, dict[str, ModuleActivity]] = {}
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            layer, scope, *counts = line.split("\t")
            if scope != TOP_SCOPE and not scope.startswith(f"{TOP_SCOPE}.") or len(counts) != 4:
                raise EnergyError(f"{path}: line {number}: not the activity of a module of the core")
            # Verilator keeps the backslash and the space of an escaped name.
            module = scope.removeprefix(TOP_SCOPE).removeprefix(".").replace("\\", "").replace(" ", "").replace(".", "/")
            layers.setdefault(int(layer), {})[module] = ModuleActivity(*map(int, counts))
    except OSError as error:
        raise EnergyError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise EnergyError(f"{path}: not an activity file: {error}") from error
    return layers
