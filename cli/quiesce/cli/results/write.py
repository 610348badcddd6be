"""``quiesce results write``: docs/results.md from the run files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill

import click

from quiesce.cli.app import CliError
from quiesce.cli.options import OutFile
from quiesce.cli.results.claims import CLAIMS, Claim
from quiesce.cli.results.columns import COLUMNS, cell, geometric_mean, mean
from quiesce.cli.results.measure import CORE
from quiesce.cli.results.runfile import RunFile, load_runs
from quiesce.cli.results.streams import StreamFile, load_streams, stream_section

__all__ = ["page", "write"]

Runs = Mapping[str, Sequence[RunFile]]

_WIDTH = 130
_CORE = ", ".join(f"`{name}={value}`" for name, value in CORE.items())
_HEAD = (
    "Written by `quiesce results write` from the run files in `docs/runs/`, each of which `quiesce results measure` has "
    "made of one trained network. Every figure is measured: accuracies and counts over all test images by the integer "
    f"reference, cycles and energy on the Verilog of one core, `base` with {_CORE}, on the first test images (energy: on "
    "the first one). Every choice during training rests on held-out training images. Where a row has several seeds, it "
    "shows the mean and, in brackets, the least and the greatest. A dash stands for what was not measured. *paper* is "
    "what the paper prints, for its networks and data sets."
)


def page(runs: Runs, streams: Mapping[str, Sequence[StreamFile]] | None = None) -> str:
    """The page.

    Parameters
    ----------
    runs : mapping of str to sequence of RunFile
        By network.
    streams : mapping of str to sequence of StreamFile, optional
        By task.

    Raises
    ------
    CliError
        There is no run of a baseline.
    """
    parts = [f"# Results\n{fill(_HEAD, _WIDTH)}\n"]
    for claim in CLAIMS:
        parts.append(f"## {claim.title}\n{fill(claim.text, _WIDTH)}\n")
        parts.append(_table(claim, runs))
        parts.extend([fill(claim.remark, _WIDTH) + "\n"] if claim.remark else [])
        for name in claim.rows if claim.layers else ():
            if name in runs:
                parts.extend(_layer_table(name, runs[name][0], _baseline(runs, claim, name)))
    parts.extend(stream_section(streams or {}))
    parts.append("## Metrics\n" + "\n".join(f"- **{column.title}**: {column.meaning}." for column in COLUMNS.values()) + "\n")
    parts.append(_commands(runs))
    return "\n".join(parts)


def _baseline(runs: Runs, claim: Claim, name: str) -> RunFile:
    baseline = claim.rows[name]
    if baseline not in runs:
        raise CliError(f"no run file of {baseline}, the baseline of {name}")
    return runs[baseline][0]


def _lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; the first row is its head."""
    yield from ("| " + " | ".join(row) + " |" for row in rows[:1])
    yield "|" + "---|" * len(rows[0])
    yield from ("| " + " | ".join(row) + " |" for row in rows[1:])


def _table(claim: Claim, runs: Runs) -> str:
    columns = [COLUMNS[key] for key in claim.columns]
    rows = [["network", "baseline of the ratios", "seeds", *(column.title for column in columns)]]
    if claim.paper:
        rows.append(["*paper*", "", "", *(claim.paper.get(key, "") for key in claim.columns)])
    done = [name for name in claim.rows if name in runs]
    for name in claim.rows:
        if name not in done:
            rows.append([f"`{name}`", f"`{claim.rows[name]}`", "not trained", *("-" for _ in columns)])
            continue
        found, baseline = runs[name], _baseline(runs, claim, name)
        cells = (cell(column, found, baseline) for column in columns)
        rows.append([f"`{name}`", f"`{claim.rows[name]}`", str(len(found)), *cells])
    if claim.summary and done:
        rows.extend(_summary(claim, runs, done))
    return "\n".join(_lines(rows)) + "\n"


def _summary(claim: Claim, runs: Runs, names: Sequence[str]) -> Iterator[list[str]]:
    """Geometric mean and best case over networks, each of which counts with its mean over the seeds."""
    for title, join in (("*geometric mean of all rows*", geometric_mean), ("*best*", max)):
        row = [title, "", ""]
        for column in (COLUMNS[key] for key in claim.columns):
            means = [mean(column, runs[name], _baseline(runs, claim, name)) for name in names] if column.ratio else []
            known = [value for value in means if value is not None]
            row.append(column.form.format(join(known)) if known else "")
        yield row


def _layer_table(name: str, run: RunFile, baseline: RunFile) -> Iterator[str]:
    """Cycles of each layer beside the baseline's, ranking included; nothing if one of them was not simulated."""
    if run.core is None or baseline.core is None or not run.core.compares_with(baseline.core):
        return
    before = {layer.name: layer.cycles for layer in baseline.core.layers}
    kept = {layer.name: f"{layer.kept} of {layer.channels}" for layer in run.winners}
    rows = [["layer", "channels kept", f"cycles, `{baseline.network}`", f"cycles, `{name}`", "of these ranking", "speed-up"]]
    for layer in run.core.layers:
        rows.append([
            layer.name, kept.get(layer.name, "all"), f"{before[layer.name]:,.0f}", f"{layer.cycles:,.0f}",
            f"{layer.ranking:,.0f}", f"{before[layer.name] / layer.cycles:.2f}x",
        ])  # fmt: skip
    yield f"`{name}`, layer by layer:\n\n" + "\n".join(_lines(rows)) + "\n"


def _commands(runs: Runs) -> str:
    rows = [["network", "seed", "accuracy", "validation", "bit-exact on the core", "minutes", "command"]]
    for name, found in runs.items():
        for run in found:
            validation = "-" if run.validation_accuracy is None else f"{run.validation_accuracy:.2%}"
            exact = "-" if run.core is None else "yes" if run.core.bit_exact else "no"
            minutes = "-" if run.seconds is None else f"{run.seconds / 60:.1f}"
            accuracy = f"{run.statistics['accuracy']:.2%}"
            rows.append([f"`{name}`", str(run.seed), accuracy, validation, exact, minutes, f"`{run.command}`"])
    return "## Runs\nHow each network is trained again.\n\n" + "\n".join(_lines(rows)) + "\n"


@click.command()
@click.option(
    "--runs",
    default="docs/runs",
    show_default=True,
    metavar="DIR",
    help="Folder of the run files.",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--out", type=OutFile, default="docs/results.md", show_default=True, metavar="FILE",
              help="Page to write.")  # fmt: skip
def write(runs: Path, out: Path) -> None:
    """Write the page of results from the run files."""
    out.write_text(page(load_runs(runs), load_streams(runs / "streams")), encoding="utf-8")
