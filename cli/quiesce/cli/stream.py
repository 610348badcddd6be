"""``quiesce cosim --stream``: frames that follow each other on a core that keeps state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from quiesce.cli.inputs import choose_stream
from quiesce.cli.options import console_for, write_json
from quiesce.cli.progress import progress_bar
from quiesce.cli.tables import new_table, optional
from quiesce.spec.config import CoreConfig

if TYPE_CHECKING:
    from quiesce.sim import Run, RunOptions
    from quiesce.sim.stream_run import StreamRun
    from quiesce.sw.format.network import Network

__all__ = ["StreamWords", "cosim_stream"]

_FULL_FRAMES = 16
"""Frames of the comparison with each frame for itself, whose cycles differ little."""
_ROWS = 24
"""Of the table of frames: with more frames, a row is the mean of several."""


@dataclass(frozen=True, kw_only=True)
class StreamWords:
    """What the command line says of a stream; see ``quiesce cosim --help``."""

    path: Path | None
    n_frames: int | None
    data: Path | None
    delta_threshold: int
    dilation: int | None
    plot_path: Path | None
    json_path: Path | None


def cosim_stream(network: "Network", config: CoreConfig, options: "RunOptions", words: StreamWords) -> None:
    """Run the frames as a stream, and a few of them each for itself, and report both."""
    from quiesce.sim import cosim
    from quiesce.sim.stream import stream

    source = choose_stream(network, words.n_frames, words.data, words.path)
    with progress_bar("stream: preparing") as update:
        core = stream(network, config, options=options, dilation=words.dilation)
        core.delta_threshold = words.delta_threshold
        with core:
            run = core.run(
                source.acts, starts=source.starts, labels=source.labels,
                progress=lambda n_done: update(description="stream: frames", total=len(source), completed=n_done),
            )  # fmt: skip
    few = source.first(_FULL_FRAMES)
    with progress_bar("each frame for itself"):
        full = cosim(network, few.acts, config=config, options=options)
    write_json(words.json_path, {"inputs": source.origin, "stream": run.to_dict(), "full": full.to_dict()})
    if words.plot_path is not None:
        from quiesce.sim.stream_plot import plot

        plot(words.plot_path, run, full)
    if words.json_path != Path("-"):
        console = console_for(words.json_path)
        console.print(_layer_table(run, full))
        console.print(_frame_table(run))
        for line in _lines(run, full, source.origin):
            console.print(escape(line), soft_wrap=True)
    if not (run.bit_exact and full.bit_exact):
        click.get_current_context().exit(1)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _ratio(numerator: float | None, denominator: float | None) -> str:
    return f"{numerator / denominator:.2f}x" if numerator is not None and denominator else ""


def _nj(mean: Mapping[str, float | None]) -> float | None:
    """Energy of a mean over frames, if it was measured."""
    energy = mean["energy_pj"]
    return None if energy is None else energy / 1000


def _layer_table(run: "StreamRun", full: "Run") -> Table:
    """Work, cycles and energy of each layer, means over the frames but first ones, beside those of frames each for itself."""
    later, reads = run.later or run.frames, set(run.changes)
    numbers = ["state rows", "events", "effectual MACs", "of full", "cycles", "speed-up", "energy, nJ", "saved"]
    table = new_table(f"{full.network}, as a stream, per frame", ["layer", "stored as"], numbers)
    for index, layer in enumerate(full.layers):
        of_layer = [frame.run.layers[index] for frame in later]
        macs, cycles = (_mean([getattr(each, name) for each in of_layer]) for name in ("effectual_macs", "cycles"))
        energy = _mean([sum(each.energy_pj.values()) / 1000 for each in of_layer if each.energy_pj])
        full_energy = sum(layer.energy_pj.values()) / 1000 or None
        table.add_row(
            escape(layer.name), "changes" if layer.name in reads else "full", f"{run.state_rows[layer.name]:,}",
            optional(_mean([each.events for each in of_layer]), ",.0f"), optional(macs, ",.0f"),
            _ratio(layer.effectual_macs / full.items, macs), optional(cycles, ",.0f"), _ratio(layer.cycles / full.items, cycles),
            optional(energy, ",.2f"), _ratio(full_energy, energy),
        )  # fmt: skip
    return table


def _frame_table(run: "StreamRun") -> Table:
    """The frames in the order of time, some of them together if there are many."""
    from quiesce.sim.stream_run import mean_figures

    frames = run.frames
    step = -(-len(frames) // _ROWS)
    title = "frames" if step == 1 else f"frames, means of {step}"
    table = new_table(
        title, ["frames"], ["begin a stream", "events", "effectual MACs", "cycles", "clean rows", "state, bytes", "energy, nJ"]
    )
    for first in range(0, len(frames), step):
        part = frames[first : first + step]
        name = str(part[0].index) if len(part) == 1 else f"{part[0].index}..{part[-1].index}"
        mean = mean_figures(part)
        columns = (mean[name] for name in ("events", "effectual_macs", "cycles", "clean_rows", "state_bytes"))
        starts = sum(one.first for one in part)
        table.add_row(name, str(starts or ""), *(optional(one, ",.0f") for one in columns), optional(_nj(mean), ",.2f"))
    return table


def _lines(run: "StreamRun", full: "Run", origin: str) -> Iterator[str]:
    """The lines under the tables."""
    from quiesce.sim.stream_run import mean_figures

    config, mean = full.config, mean_figures(run.later)
    array = f"{config['n_pes']} PEs x {config['n_lanes']} lanes"
    bus = f"{config['data_width']}-bit bus, memory latency {full.latency}"
    yield f"core: {array}, {bus}, state of {config['state_depth']:,} outputs"
    yield f"inputs: {len(run.frames):,} frames, {origin}; each for itself {full.items:,}"
    if run.accuracy is not None:
        yield f"accuracy: {run.accuracy:.2%}, first frames left out"
    wrong = [f"frame {frame.index}: {frame.run.mismatch}" for frame in run.frames if not frame.run.bit_exact]
    wrong += [] if full.bit_exact else [f"each for itself: {full.mismatch}"]
    yield "bit-exact with the integer reference: " + (f"no: {wrong[0]}" if wrong else "yes, every frame")
    full_macs = sum(layer.effectual_macs for layer in full.layers) / full.items
    macs, cycles = mean["effectual_macs"], mean["cycles"]
    yield f"effectual MACs per frame: {optional(macs, ',.0f')} (in full {full_macs:,.0f}: {_ratio(full_macs, macs)})"
    full_cycles = full.cycles_per_item
    yield f"cycles per frame: {optional(cycles, ',.0f')} (in full {full_cycles:,.0f}: {_ratio(full_cycles, cycles)})"
    energy, full_energy = _nj(mean), full.energy_pj_per_item
    if energy is not None and full_energy is not None:
        yield f"energy per frame: {energy:,.2f} nJ (in full {full_energy / 1000:,.2f} nJ: {_ratio(full_energy / 1000, energy)})"
    first = mean_figures([frame for frame in run.frames if frame.first])
    yield f"first frames take {optional(first['cycles'], ',.0f')} cycles"
