"""Columns of the tables in docs/results.md: a figure of a run, of its baseline, or of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log

from quiesce.cli.results.runfile import CoreFigures, RunFile

__all__ = ["COLUMNS", "Column", "cell", "geometric_mean", "mean"]

Value = Callable[[RunFile, RunFile], float | None]
"""Of a run and its baseline; None if it was not measured."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A quantity.

    Parameters
    ----------
    title : str
    meaning : str
        Its definition, one sentence without full stop.
    value : callable
    form : str
        How to write it, as of ``format``.
    ratio : bool
        The larger the better, and with a geometric mean over networks.
    """

    title: str
    meaning: str
    value: Value
    form: str
    ratio: bool = False


def cell(column: Column, runs: Sequence[RunFile], baseline: RunFile) -> str:
    """Mean over the runs and, of several, the least and the greatest; a dash if nothing was measured."""
    values = _values(column, runs, baseline)
    if not values:
        return "-"
    middle, least, most = (column.form.format(value) for value in (sum(values) / len(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} .. {most})"


def mean(column: Column, runs: Sequence[RunFile], baseline: RunFile) -> float | None:
    """Mean over the runs that were measured; None if there are none."""
    values = _values(column, runs, baseline)
    return sum(values) / len(values) if values else None


def _values(column: Column, runs: Sequence[RunFile], baseline: RunFile) -> list[float]:
    return [value for run in runs if (value := column.value(run, baseline)) is not None]


def geometric_mean(values: Sequence[float]) -> float:
    """``(v_1 ... v_n)^(1/n)`` of values above 0."""
    return exp(sum(map(log, values)) / len(values))


def _times(before: float | None, now: float | None) -> float | None:
    return before / now if before is not None and now else None


def _accuracy(run: RunFile) -> float:
    return float(run.statistics["accuracy"])


def _drop(run: RunFile, baseline: RunFile) -> float:
    return 100 * (_accuracy(baseline) - _accuracy(run))


def _suppression(run: RunFile, baseline: RunFile) -> float | None:
    return run.measured().suppression(baseline.measured())["all"]


def _macs(run: RunFile, baseline: RunFile) -> float | None:
    return _times(baseline.statistics["effectual_macs"], run.statistics["effectual_macs"])


def _fewer_macs(run: RunFile, baseline: RunFile) -> float:
    return 1 - float(run.statistics["effectual_macs"]) / float(baseline.statistics["effectual_macs"])


def _on_core(compare: Callable[[CoreFigures, CoreFigures], float | None]) -> Value:
    """A figure of a run on the core and of its baseline on the same core with the same images."""

    def value(run: RunFile, baseline: RunFile) -> float | None:
        comparable = run.core is not None and baseline.core is not None and run.core.compares_with(baseline.core)
        return compare(run.core, baseline.core) if comparable and run.core and baseline.core else None

    return value


def _sparsity(run: RunFile) -> float:
    """Zeros among the activations between the layers, shares of the whole test set."""
    inner = [layer for layer in run.measured().layers if not layer.reads_input and layer.density > 0]
    return 1 - sum(layer.events for layer in inner) / sum(layer.events / layer.density for layer in inner)


def _pruned(kind: str) -> Value:
    def value(run: RunFile, baseline: RunFile) -> float | None:
        layers = [layer for layer in run.winners if layer.kind == kind]
        return 1 - sum(layer.kept for layer in layers) / sum(layer.channels for layer in layers) if layers else None

    return value


COLUMNS = {
    "baseline": Column(
        title="baseline", meaning="int8 accuracy of the network without the method over the whole test set",
        value=lambda run, baseline: _accuracy(baseline), form="{:.2%}",
    ),
    "accuracy": Column(
        title="accuracy", meaning="int8 accuracy over the whole test set",
        value=lambda run, baseline: _accuracy(run), form="{:.2%}",
    ),
    "drop": Column(
        title="drop", meaning="accuracy of the baseline less that of the network, in points", value=_drop, form="{:.2f}",
    ),
    "suppression": Column(
        title="suppression", ratio=True, value=_suppression, form="{:.2f}x",
        meaning="nonzero activations of the baseline over those of the network, the whole test set, inputs of all layers but "
        "those that read the network's own input",
    ),
    "macs": Column(
        title="effectual MACs", ratio=True, value=_macs, form="{:.2f}x",
        meaning="multiplications with both operands nonzero and a needed output, those of the baseline over those of the "
        "network, the whole test set, the first layer included",
    ),
    "cycles": Column(
        title="cycles", ratio=True, value=_on_core(lambda now, before: before.cycles / now.cycles), form="{:.2f}x",
        meaning="cycles of the baseline for an image over those of the network, both on the Verilog of the same core",
    ),
    "energy": Column(
        title="energy", ratio=True, value=_on_core(lambda now, before: _times(before.energy_pj, now.energy_pj)), form="{:.2f}x",
        meaning="energy of the baseline for an image over that of the network, from the switching of the same Verilog "
        "(docs/energy.md says what it covers)",
    ),
    "epochs": Column(
        title="epochs", meaning="epochs trained in all, those included whose weights were given up",
        value=lambda run, baseline: run.epochs, form="{:.0f}",
    ),
    "minutes": Column(
        title="minutes", meaning="wall clock of all epochs on a processor that other work shared, so that runs hardly compare",
        value=lambda run, baseline: None if run.seconds is None else run.seconds / 60, form="{:.1f}",
    ),
    "sparsity_before": Column(
        title="sparsity, baseline", meaning="zeros among the activations between the layers, of the baseline",
        value=lambda run, baseline: _sparsity(baseline), form="{:.1%}",
    ),
    "sparsity": Column(
        title="sparsity", meaning="zeros among the activations between the layers",
        value=lambda run, baseline: _sparsity(run), form="{:.1%}",
    ),
    "gain": Column(
        title="gain", meaning="sparsity less that of the baseline, in points",
        value=lambda run, baseline: 100 * (_sparsity(run) - _sparsity(baseline)), form="{:+.1f}",
    ),
    "weights": Column(
        title="nonzero weights", meaning="share of all weights",
        value=lambda run, baseline: run.nonzero_weights / run.weights, form="{:.1%}",
    ),
    "fewer_macs": Column(
        title="fewer MACs", meaning="effectual MACs that the network saves, of those of the baseline, the whole test set",
        value=_fewer_macs, form="{:.1%}",
    ),
    "fewer_macs_core": Column(
        title="by the core's counters", meaning="the same on the simulated images, as the core counts",
        value=_on_core(lambda now, before: 1 - now.effectual_macs / before.effectual_macs), form="{:.4%}",
    ),
    "fewer_macs_software": Column(
        title="in software", meaning="the same on the simulated images, counted operand by operand",
        value=_on_core(lambda now, before: 1 - now.software_macs / before.software_macs), form="{:.4%}",
    ),
    "rate_before": Column(
        title="MACs a cycle, baseline", value=_on_core(lambda now, before: before.effectual_macs / before.cycles), form="{:.2f}",
        meaning="effectual MACs that the core's 16 lanes do in a cycle on average, on the simulated images, of the baseline",
    ),
    "rate": Column(
        title="MACs a cycle", value=_on_core(lambda now, before: now.effectual_macs / now.cycles), form="{:.2f}",
        meaning="effectual MACs that the core's 16 lanes do in a cycle on average, on the simulated images",
    ),
    "maps": Column(
        title="maps pruned", meaning="channels of convolutions that do not survive, of all", value=_pruned("conv"),
        form="{:.1%}",
    ),
    "neurons": Column(
        title="neurons pruned", value=_pruned("linear"), form="{:.1%}",
        meaning="hidden neurons of fully connected layers that do not survive, of all",
    ),
}  # fmt: skip
"""All columns by their key."""
