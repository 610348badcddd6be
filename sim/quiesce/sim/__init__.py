"""Quiesce co-simulation: trained networks on the emitted Verilog, cycles and energy."""

from typing import TYPE_CHECKING, Any

from quiesce.sim.errors import BuildError, CoreError, EnergyError, ModelError, SaifError, SimError
from quiesce.sim.run import LayerRun, Run

if TYPE_CHECKING:
    from quiesce.sim.inference import cosim

__all__ = ["BuildError", "CoreError", "EnergyError", "LayerRun", "ModelError", "Run", "SaifError", "SimError", "cosim"]


def __getattr__(name: str) -> Any:
    # The simulator's process imports this package, too, and needs no compiler.
    if name == "cosim":
        from quiesce.sim.inference import cosim

        return cosim
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
