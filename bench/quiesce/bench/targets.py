"""What all benches share: targets, runs that must be exact, and the JSON form."""

from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quiesce.sim.cosimulation import cosim
from quiesce.sim.errors import CoreError
from quiesce.sim.flow import RunOptions
from quiesce.sim.result import Run
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import Network
from quiesce.sw.format.ops import CONV

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["SCHEMA", "BenchCase", "Target", "exact_run", "mixes_channels", "ratio", "report"]

SCHEMA = 1
"""Version of the JSON form of all benches."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchCase:
    """A network and what it runs on.

    Parameters
    ----------
    network : Network
    inputs : ndarray
        int8, (N, rows, cols, chans).
    origin : str
        Where the inputs are from, for reports.
    """

    network: Network
    inputs: npt.NDArray[np.int8]
    origin: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure beside what it should be.

    Parameters
    ----------
    name : str
    value : float or None
        None if nothing of the kind was measured.
    limit : float
    at_least : bool
        The figure should reach the limit, rather than not exceed it.
    """

    name: str
    value: float | None
    limit: float
    at_least: bool

    @property
    def met(self) -> bool | None:
        """None if nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def mixes_channels(layer: Layer) -> bool:
    """A convolution without channel groups in which some input channel reaches several output channels: no shortcut."""
    if layer.op is not CONV or layer.groups > 1 or layer.weight is None:
        return False
    return int(np.count_nonzero(layer.weight, axis=0).max()) > 1


def ratio(numerator: float, denominator: float) -> float | None:
    """The quotient; None if the denominator is 0."""
    return numerator / denominator if denominator else None


def exact_run(network: Network, inputs: npt.NDArray[np.int8], config: CoreConfig, options: RunOptions) -> Run:
    """``cosim``; a core that computes something else has no figures worth reporting.

    Raises
    ------
    CoreError
        An output or a count differs from the reference; or see ``cosim``.
    SimError, CompileError, FormatError
        See ``cosim``.
    """
    run = cosim(network, inputs, config=config, options=options)
    if not run.bit_exact:
        raise CoreError(f"network {network.name!r}: differs from the integer reference: {run.mismatch}")
    return run


def report(bench: str, result: "DataclassInstance") -> dict[str, Any]:
    """Plain values for JSON: all fields of the result, each target with whether it is met."""

    def plain(value: Any) -> Any:
        if isinstance(value, Target):
            return {**asdict(value), "met": value.met}
        if is_dataclass(value) and not isinstance(value, type):
            return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
        if isinstance(value, tuple | list):
            return [plain(entry) for entry in value]
        if isinstance(value, dict):
            return {name: plain(entry) for name, entry in value.items()}
        return value

    return {"schema": SCHEMA, "bench": bench, **plain(result)}
