"""Plot of the calibration: the model's energy beside that of the netlist, window by window."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quiesce.sim.gates.calibration.fit import Check, Coefficients, Sample, validate
from quiesce.sw.figures import save_figure

__all__ = ["plot"]

_BAND = 0.15
"""Relative error that is wanted of held-out workloads."""

_MARKERS = ("o", "s", "^", "D", "v", "P")


def _groups(samples: Sequence[Sample], calibration: Coefficients) -> dict[str, list[Check]]:
    """Windows of each core, the fitted ones first."""
    groups: dict[str, list[Check]] = {}
    for sample, check in zip(samples, validate(samples, calibration)[1], strict=True):
        groups.setdefault(f"{sample.case}, {'fitted' if sample.fitted else 'held out'}", []).append(check)
    return dict(sorted(groups.items(), key=lambda group: not group[0].endswith("fitted")))


def _band(axes: Axes, low: float, high: float) -> None:
    axes.plot([low, high], [low, high], color="0.4", linewidth=0.8)
    ends = [low, high]
    axes.fill_between(ends, [end * (1 - _BAND) for end in ends], [end * (1 + _BAND) for end in ends], color="0.9", linewidth=0)


def plot(path: Path, samples: Sequence[Sample], calibration: Coefficients) -> None:
    """Energy by the model against that of the netlist, and the relative error, of each window; fitted ones are filled.

    Parameters
    ----------
    samples : sequence of Sample
        At least one.

    Errors are those of ``save_figure``.
    """
    groups = _groups(samples, calibration)
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    energies, errors = figure.subplots(1, 2)
    every = [nj / 1000 for checks in groups.values() for check in checks for nj in (check.picojoules, check.estimated)]
    _band(energies, min(every) / 1.3, max(every) * 1.3)
    errors.axhspan(-100 * _BAND, 100 * _BAND, color="0.9", linewidth=0)
    errors.axhline(0, color="0.4", linewidth=0.8)
    for index, (name, checks) in enumerate(groups.items()):
        colour, marker = f"C{index}", _MARKERS[index % len(_MARKERS)]
        face = colour if name.endswith("fitted") else "none"
        netlist = [check.picojoules / 1000 for check in checks]
        style = {"s": 28, "marker": marker, "edgecolors": colour, "facecolors": face, "linewidths": 1.1}
        energies.scatter(netlist, [check.estimated / 1000 for check in checks], label=name, zorder=3, **style)
        errors.scatter(netlist, [100 * check.error for check in checks], zorder=3, **style)
    energies.set(xscale="log", yscale="log", xlabel="netlist, nJ", ylabel="model, nJ")
    errors.set(xscale="log", xlabel="netlist, nJ", ylabel="error of the model, %")
    energies.legend(fontsize="small")
    save_figure(path, figure)
