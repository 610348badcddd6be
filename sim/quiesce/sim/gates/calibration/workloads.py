"""Workloads of the calibration: which networks run on which cores, and which of them the coefficients are fitted to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from quiesce.sim.synthetic import ConvSpec, draw_inputs
from quiesce.spec.config import CoreConfig, preset
from quiesce.sw.format.network import Network

__all__ = ["CalibrationCase", "Workload", "workloads"]


@dataclass(frozen=True)
class Workload:
    """One run from reset.

    Parameters
    ----------
    name : str
    network : Network
    inputs : ndarray
        int8, (N, rows, cols, chans).
    dense : bool
        With zero-skipping turned off.
    fitted : bool
        The coefficients are fitted to it; else it is held out to validate them.
    waiting : int
        Cycles behind the run in which the core waits, a window of their own.
    """

    name: str
    network: Network
    inputs: npt.NDArray[np.int8]
    dense: bool = False
    fitted: bool = False
    waiting: int = 0


@dataclass(frozen=True)
class CalibrationCase:
    """A core and what runs on it."""

    name: str
    config: CoreConfig
    workloads: tuple[Workload, ...]


# (channels in, out, kernel, output size, share of nonzero weights, of nonzero activations)
_FITTED = (
    (16, 32, 3, 6, 1.0, 0.1), (16, 32, 3, 6, 0.4, 0.5), (32, 16, 1, 10, 1.0, 0.3), (8, 48, 3, 6, 0.7, 0.9),
    (64, 32, 3, 3, 0.2, 0.3), (4, 16, 5, 8, 1.0, 0.4), (128, 64, 1, 1, 0.5, 0.5), (16, 16, 3, 8, 0.1, 0.02),
)  # fmt: skip
_HELD_OUT = (
    (24, 32, 3, 5, 0.5, 0.2), (12, 40, 3, 7, 1.0, 0.7), (48, 16, 1, 8, 0.3, 0.15), (8, 16, 5, 6, 0.6, 0.05),
    (96, 32, 1, 2, 1.0, 0.35),
)  # fmt: skip


def _synthetic(rows: tuple[tuple[int, int, int, int, float, float], ...], seed: int, fitted: bool) -> Iterator[Workload]:
    for index, (cin, cout, kernel, size, weights, acts) in enumerate(rows):
        spec = ConvSpec(cin=cin, cout=cout, kernel=kernel, size=size, weight_density=weights)
        network = spec.network(seed + index)
        name = f"{spec.name}, {weights:.0%} of weights, {acts:.0%} of activations"
        yield Workload(name, network, draw_inputs(network, acts, seed + index), fitted=fitted)


def workloads(trained: tuple[tuple[Network, npt.NDArray[np.int8]], ...] = ()) -> tuple[CalibrationCase, ...]:
    """All cases: convolutions of many shapes and densities, of which some are fitted; other layers and densities, with and
    without zero-skipping, and other numbers of PEs are held out, and so are the trained networks.

    Parameters
    ----------
    trained : tuple of (Network, ndarray)
        Networks and their inputs.
    """
    held_out = tuple(_synthetic(_HELD_OUT, 200, False))
    fitted = tuple(_synthetic(_FITTED, 100, True))
    # Zero operands switch multipliers and sums otherwise than nonzero ones do, so two layers are fitted in dense mode, too.
    dense = tuple(replace(one, name=f"{one.name}, dense mode", dense=True) for one in (fitted[0], fitted[2], *held_out[:2]))
    networks = tuple(Workload(network.name, network, inputs) for network, inputs in trained)
    fewer = tuple(_synthetic(_FITTED[:4], 300, False)) + held_out[:2]
    return (
        CalibrationCase("base", preset("base"), (*fitted, *held_out, *dense, *networks)),
        CalibrationCase("base with 8 PEs", preset("base", n_pes=8), fewer),
        CalibrationCase("tiny", preset("tiny"), fewer),
    )
