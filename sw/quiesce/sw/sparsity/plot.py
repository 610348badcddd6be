"""Plot of the statistics of one or several networks."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from quiesce.sw.figures import save_figure
from quiesce.sw.sparsity.statistics import Statistics

__all__ = ["plot"]


def plot(path: Path, networks: Sequence[Statistics]) -> None:
    """Bars of density and of effectual MACs of each layer, those of the networks side by side.

    Errors are those of ``save_figure``.

    Parameters
    ----------
    path : Path
        As for ``save_figure``.
    networks : sequence of Statistics
        At least one; layers are those of the first, and others that it lacks are left out.
    """
    names = [layer.name for layer in networks[0].layers]
    figure = Figure(figsize=(max(6.0, 0.6 * len(names)), 6.0), layout="constrained")
    densities, macs = figure.subplots(2, 1, sharex=True)
    width = 0.8 / len(networks)
    for index, network in enumerate(networks):
        layers = {layer.name: layer for layer in network.layers}
        places = [place for place, name in enumerate(names) if name in layers]
        shown = [layers[names[place]] for place in places]
        left = [place + (index - (len(networks) - 1) / 2) * width for place in places]
        densities.bar(left, [100 * layer.density for layer in shown], width, label=network.network)
        macs.bar(left, [layer.effectual_macs for layer in shown], width, label=network.network)
    densities.set_ylabel("density of inputs, %")
    macs.set_ylabel("effectual MACs per image")
    macs.set_yscale("log")
    macs.set_xticks(range(len(names)), names, rotation=45 if len(names) > 8 else 0, ha="right" if len(names) > 8 else "center")
    densities.legend()
    save_figure(path, figure)
