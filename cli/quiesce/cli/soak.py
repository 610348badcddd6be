"""``quiesce soak``: random networks on a pool of cores, bit for bit."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from quiesce.cli.jobs import jobs_options, where_jobs_run
from quiesce.cli.options import console_for
from quiesce.cli.progress import progress_bar
from quiesce.cli.tables import new_table

if TYPE_CHECKING:
    from quiesce.sim.soak.case_file import CaseRecord
    from quiesce.sim.soak.coverage import Coverage
    from quiesce.sim.soak.settings import MetSettings

__all__ = ["soak"]

_SHOWN = 20
"""Failures, or pairs of settings, that are printed; the files hold all."""


def _command(record: "CaseRecord") -> str:
    return f"quiesce soak --seed {record.seed} --n 1 --core {record.core} --out DIR"


def _report(console: Console, records: "list[CaseRecord]") -> None:
    """A table of the cores, and what failed."""
    from quiesce.sim.soak.case import Outcome
    from quiesce.sim.soak.case_file import summarize

    numbers = ["networks", "exact", "refused", "failed", "Mcycles", "processor, s"]
    table = new_table("random networks", ["core"], numbers)
    for one in summarize(records):
        counts = (one.networks, one.exact, one.refused, len(one.failed))
        table.add_row(one.core, *(f"{count:,}" for count in counts), f"{one.cycles / 1e6:,.1f}", f"{one.seconds:,.0f}")
    console.print(table)
    failed = [record for record in records if record.trial.outcome is Outcome.FAILED]
    for record in failed[:_SHOWN]:
        console.print(escape(f"{_command(record)}: {record.trial.message}"), soft_wrap=True)
        for line in record.smallest:
            console.print(escape(f"    {line}"), soft_wrap=True)
    exact = sum(record.trial.outcome is Outcome.EXACT for record in records)
    console.print(f"{exact:,} of {len(records):,} networks bit-exact, {len(failed):,} failed", soft_wrap=True)


def _report_coverage(console: Console, cores: "list[Coverage]") -> None:
    """What occurred, on which cores, and what never did."""
    table = new_table("corner cases", ["corner case"], ["networks", "cores", "of"])
    for name in dict.fromkeys(name for core in cores for name in core.covers):
        counts = [core.covers[name] for core in cores if name in core.covers]
        table.add_row(name, f"{sum(counts):,}", str(sum(count > 0 for count in counts)), str(len(counts)))
    console.print(table)
    table = new_table("coverage", ["core"], ["networks", "corner cases", "lines and branches", "toggles"])
    for core in cores:
        occurred = sum(count > 0 for count in core.covers.values())
        table.add_row(
            core.core, f"{core.networks:,}", f"{occurred} of {len(core.covers)}", f"{core.share('line', 'branch'):.1%}",
            f"{core.share('toggle'):.1%}",
        )  # fmt: skip
    console.print(table)


def _report_settings(console: Console, cores: "list[MetSettings]") -> None:
    """How many pairs of settings met on each core, and which did on none that knows them."""
    table = new_table("settings of passes that meet", ["core"], ["networks", "pairs", "of"])
    for core in cores:
        met = len(core.pairs)
        table.add_row(core.core, f"{core.networks:,}", f"{met:,}", f"{met + len(core.unmet):,}")
    console.print(table)
    met_anywhere = {pair for core in cores for pair in core.pairs}
    unmet = sorted({pair for core in cores for pair in core.unmet} - met_anywhere)
    possible = len(met_anywhere) + len(unmet)
    console.print(f"{len(unmet):,} of {possible:,} pairs met on no core", soft_wrap=True)
    for before, after in unmet[:_SHOWN]:
        console.print(f"    {before}, then {after}", soft_wrap=True)


@click.command()
@click.option("--n", "n_networks", default=300, show_default=True, type=click.IntRange(min=1), metavar="N", help="Networks.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Of the first network; each further one has the next.",
)
@click.option(
    "--core",
    "names",
    multiple=True,
    metavar="NAME",
    help="A preset or a random configuration (random0, random1, ...); may be repeated. By default the presets and "
    "random0 to random9.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the results; in one that holds some already, only the missing networks run.",
)
@click.option(
    "--coverage",
    type=click.Choice(["settings", "all"]),
    help='Then count which settings of passes meet (DIR/settings.json); with "all" also run the networks again on simulators, '
    "many times slower, that count corner cases, lines and toggles (DIR/coverage.json).",
)
@jobs_options  # fmt: skip
def soak(
    n_networks: int, seed: int, names: tuple[str, ...], out: Path, coverage: str | None, jobs: int | None, scheduler: str | None,
) -> None:  # fmt: skip
    """Run random networks on the Verilog of many cores and compare them bit for bit with the integer reference.

    A seed decides on the network, its inputs, the memory and the core. What fails is made smaller and left in the folder.

    The exit status is 1 if a network failed.
    """
    from quiesce.sim.soak.campaign import soak as run
    from quiesce.sim.soak.case import Outcome
    from quiesce.sim.soak.cores import POOL, core_of
    from quiesce.sim.soak.coverage import measure_coverage
    from quiesce.sim.soak.settings import measure_settings

    cores = {name: core_of(name) for name in names or POOL}
    with where_jobs_run(jobs, scheduler), progress_bar("networks", n_networks, remaining=True) as update:
        seeds = range(seed, seed + n_networks)
        records = run(out, seeds, cores, jobs=jobs, progress=lambda _: update(advance=1))
        _report(console_for(None), records)
        if any(record.trial.outcome is Outcome.FAILED for record in records):
            click.get_current_context().exit(1)
        if coverage:
            update(description="settings", total=None)
            met = measure_settings(seeds, cores, jobs=jobs)
            (out / "settings.json").write_text(json.dumps([core.to_dict() for core in met], indent=1) + "\n")
            _report_settings(console_for(None), met)
        if coverage == "all":
            update(description="coverage", total=None)
            measured = measure_coverage(seeds, cores, jobs=jobs)
            (out / "coverage.json").write_text(json.dumps([asdict(core) for core in measured], indent=1) + "\n")
            _report_coverage(console_for(None), measured)
