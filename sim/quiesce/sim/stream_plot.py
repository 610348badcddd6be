"""Plot of a stream over time: work, cycles and energy of each frame, beside those of a frame for itself."""

from pathlib import Path

from matplotlib.figure import Figure

from quiesce.sim.result import Run
from quiesce.sim.stream_run import StreamRun
from quiesce.sw.figures import save_figure

__all__ = ["plot"]


def plot(path: Path, run: StreamRun, full: Run) -> None:
    """Curves over the number of the frame; frames that begin a stream are marked. Errors are those of ``save_figure``."""
    indices = [frame.index for frame in run.frames]
    energies = [frame.run.energy_pj_per_item for frame in run.frames]
    curves: list[tuple[str, list[float], float]] = [
        ("effectual MACs", [frame.total("effectual_macs") for frame in run.frames], full.totals["effectual_macs"]),
        ("cycles", [frame.cycles for frame in run.frames], full.cycles_per_item),
    ]
    if full.energy_pj_per_item is not None:
        curves.append(
            ("energy, nJ", [float("nan") if one is None else one / 1000 for one in energies], full.energy_pj_per_item / 1000)
        )
    figure = Figure(figsize=(9.0, 2.2 * len(curves)), layout="constrained")
    for axes, (label, values, level) in zip(figure.subplots(len(curves), 1, sharex=True), curves, strict=True):
        axes.axhline(level, color="C1", linewidth=1, linestyle="--", label="each frame for itself")
        axes.plot(indices, values, color="C0", linewidth=1, label="as a stream")
        for frame in run.frames:
            if frame.first:
                axes.axvline(frame.index, color="0.8", linewidth=1, zorder=0)
        axes.set(ylabel=label, ylim=(0, None))
    axes.set(xlabel="frame")
    figure.axes[0].legend(fontsize="small")
    save_figure(path, figure)
