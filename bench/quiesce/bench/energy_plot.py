"""Plot of a layer's energy and power by the activity of its input, beside the straight line that is ideal."""

from pathlib import Path

from matplotlib.figure import Figure

from quiesce.bench.energy import EnergyResult
from quiesce.sw.figures import save_figure

__all__ = ["plot"]


def plot(path: Path, result: EnergyResult) -> None:
    """Energy per input, and power at a fixed rate of inputs, over the nonzero share of the activations.

    Errors are those of ``save_figure``.
    """
    activity = [100 * point.activity for point in result.points]
    curves = (
        ("energy per input, nJ", [point.energy_pj / 1000 for point in result.points], result.dense_pj / 1000, "dense mode"),
        ("power at the rate of dense mode, mW", [point.power_mw for point in result.points], result.idle.total_mw, "waiting"),
    )
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    for axes, (label, values, level, name) in zip(figure.subplots(1, 2), curves, strict=True):
        axes.plot([0, activity[-1]], [0, values[-1]], color="0.6", linewidth=1, label="straight line")
        axes.axhline(level, color="C1", linewidth=1, linestyle="--", label=name)
        axes.plot(activity, values, marker="o", markersize=4, color="C0", label="event-driven")
        axes.set(xlabel="nonzero activations, %", ylabel=label, xlim=(0, 103), ylim=(0, 1.05 * max(*values, level)))
        axes.legend(fontsize="small")
    save_figure(path, figure)
