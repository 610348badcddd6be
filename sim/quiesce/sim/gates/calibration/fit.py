"""Coefficients of the RTL's energy model, fitted to netlists and validated on workloads that they were not fitted to.

    logic of a class = toggle[class] x toggles + work[class] x work (classes that have some)
    clocks           = clock x clocked flip-flops + gate x clock gates' cycles + bit x bits through storage

Coefficients are not negative; errors are squared relative to the energy of the whole core in the window, so that what takes most
counts most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quiesce.sim.energy.class_work import STORED, WORKING
from quiesce.sim.gates.calibration.features import Features
from quiesce.sim.gates.errors import GateError

__all__ = ["Coefficients", "Check", "Sample", "fit", "validate"]


@dataclass(frozen=True)
class Sample:
    """One window of a workload on a netlist; pJ.

    Parameters
    ----------
    case, workload, layer : str
    fitted : bool
        See ``Workload``.
    features : Features
    logic : dict of str to float
        By class.
    clock : float
    """

    case: str
    workload: str
    layer: str
    fitted: bool
    features: Features
    logic: Mapping[str, float]
    clock: float

    @property
    def picojoules(self) -> float:
        return sum(self.logic.values()) + self.clock


@dataclass(frozen=True)
class Coefficients:
    """fJ for each count.

    Parameters
    ----------
    toggle, work : dict of str to float
        By class.
    clock, gate : float
    bit : float
        At the clock pins of the storage that a bit passes through.
    """

    toggle: Mapping[str, float]
    work: Mapping[str, float]
    clock: float
    gate: float
    bit: float

    def logic_pj(self, class_: str, features: Features) -> float:
        work = self.work.get(class_, 0.0) * features.work.get(class_, 0.0)
        return (self.toggle.get(class_, 0.0) * features.toggles.get(class_, 0.0) + work) / 1000

    def clock_pj(self, features: Features) -> float:
        return (self.clock * features.clocked + self.gate * features.gates + self.bit * _stored(features)) / 1000


def _stored(features: Features) -> float:
    """Bits that pass through storage."""
    return features.work.get(STORED, 0.0)


@dataclass(frozen=True)
class Check:
    """The model against the netlist; pJ."""

    name: str
    picojoules: float
    estimated: float

    @property
    def error(self) -> float:
        """Relative."""
        return self.estimated / self.picojoules - 1 if self.picojoules else 0.0


def _solve(columns: Sequence[Sequence[float]], energy: Sequence[float], totals: Sequence[float]) -> list[float]:
    """Coefficients, fJ, of columns of counts for energies, pJ."""
    try:
        from scipy.optimize import nnls
    except ImportError:
        raise GateError("calibration needs scipy: install quiesce[synth]") from None
    scale = np.array(totals)
    counts = np.array(columns, float).T / 1000 / scale[:, None]
    # Columns of one size, or the solver's tolerance would drop the small ones.
    size = np.maximum(np.abs(counts).max(axis=0), 1e-300)
    weights, _ = nnls(counts / size, np.array(energy) / scale)
    return [float(weight) for weight in weights / size]


def fit(samples: Sequence[Sample]) -> Coefficients:
    """Fit all coefficients to the samples that are meant for it.

    Raises
    ------
    GateError
        There are none, or scipy is not installed.
    """
    rows = [sample for sample in samples if sample.fitted]
    if not rows:
        raise GateError("calibration: no workload to fit the coefficients to")
    totals = [sample.picojoules for sample in rows]
    toggle, work = {}, {}
    for class_ in sorted({class_ for sample in rows for class_ in sample.logic}):
        counts = [[sample.features.toggles.get(class_, 0.0) for sample in rows]]
        if class_ in WORKING:
            counts.append([sample.features.work.get(class_, 0.0) for sample in rows])
        toggle[class_], *of_work = _solve(counts, [sample.logic.get(class_, 0.0) for sample in rows], totals)
        if of_work:
            (work[class_],) = of_work
    clocks = [
        [sample.features.clocked for sample in rows],
        [sample.features.gates for sample in rows],
        [_stored(sample.features) for sample in rows],
    ]
    return Coefficients(toggle, work, *_solve(clocks, [sample.clock for sample in rows], totals))


def validate(samples: Sequence[Sample], calibration: Coefficients) -> tuple[list[Check], list[Check]]:
    """The model on the samples given: by class (and clocks), all of them together; and by window, the whole core."""
    classes = sorted({class_ for sample in samples for class_ in sample.logic})
    parts = [
        Check(
            class_, sum(sample.logic.get(class_, 0.0) for sample in samples),
            sum(calibration.logic_pj(class_, sample.features) for sample in samples),
        )
        for class_ in classes
    ]  # fmt: skip
    clock = sum(sample.clock for sample in samples), sum(calibration.clock_pj(sample.features) for sample in samples)
    windows = [
        Check(
            f"{sample.case}: {sample.workload}: {sample.layer}", sample.picojoules,
            sum(calibration.logic_pj(class_, sample.features) for class_ in sample.logic) + calibration.clock_pj(sample.features),
        )
        for sample in samples
    ]  # fmt: skip
    return [*parts, Check("clock", *clock)], windows
