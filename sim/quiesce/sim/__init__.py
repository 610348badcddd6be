"""Quiesce co-simulation: trained networks on the emitted Verilog, cycles and energy."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from quiesce.sim.errors import BuildError, CoreError, EnergyError, ModelError, NetlistError, SimError
from quiesce.sim.result import LayerRun, Run

if TYPE_CHECKING:
    from quiesce.sim.cosimulation import cosim
    from quiesce.sim.flow import RunOptions
    from quiesce.sim.job import Bus

__all__ = [
    "BuildError", "Bus", "CoreError", "EnergyError", "LayerRun", "ModelError", "NetlistError", "Run", "RunOptions", "SimError",
    "cosim",
]  # fmt: skip

_LATER = {"cosim": "cosimulation", "RunOptions": "flow", "Bus": "job"}
"""What needs the compiler, and its module: the simulator's process imports this package, too."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
