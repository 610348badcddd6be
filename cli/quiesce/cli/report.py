"""Tables of a co-simulation."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from quiesce.sim.result import LayerRun, Run

__all__ = ["energy_lines", "energy_table", "layer_table", "totals"]

_PJ_PER_NJ = 1000.0


def _ratio(numerator: float, denominator: float) -> str:
    return f"{numerator / denominator:.2f}x" if denominator else ""


def _images(count: int) -> str:
    return f"{count:,} image{'s' if count > 1 else ''}"


def _layer_nj(layer: LayerRun) -> float:
    return sum(layer.energy_pj.values()) / _PJ_PER_NJ


def layer_table(run: Run, baseline: Run | None) -> Table:
    """Work, cycles and energy of each layer, for one image; speed-ups over the same core in dense mode, if it ran."""
    mode = "dense mode" if run.dense else "event-driven"
    table = Table(title=escape(f"{run.network}, {mode}, per image"), title_justify="left", show_footer=True)
    load = run.load_cycles / run.items
    n_events, n_effectual = (sum(getattr(layer, field) for layer in run.layers) for field in ("events", "effectual_macs"))
    table.add_column("layer", "all", overflow="fold")
    table.add_column("kind")
    table.add_column("dense MACs", f"{sum(layer.dense_macs for layer in run.layers):,}", justify="right")
    table.add_column("effectual MACs", f"{n_effectual / run.items:,.0f}", justify="right")
    table.add_column("events", f"{n_events / run.items:,.0f}", justify="right")
    table.add_column("cycles", f"{run.cycles_per_item:,.0f}", justify="right")
    table.add_column("lane use", f"{run.totals['lane_utilisation']:.1%}", justify="right")
    table.add_column("bound", justify="right")
    if baseline is not None:
        table.add_column("speed-up", _ratio(baseline.cycles_per_item, run.cycles_per_item), justify="right")
    if run.energy_items:
        table.add_column("energy, nJ", f"{(run.energy_pj_per_item or 0.0) / _PJ_PER_NJ:,.2f}", justify="right")
    for index, layer in enumerate(run.layers):
        cells = [
            escape(layer.name),
            layer.kind,
            f"{layer.dense_macs:,}",
            f"{layer.effectual_macs / run.items:,.0f}",
            f"{layer.events / run.items:,.0f}",
            f"{layer.cycles / run.items:,.0f}",
            f"{layer.lane_utilisation:.1%}",
            f"{layer.lane_bound:.1%}",
        ]
        if baseline is not None:
            cells.append(_ratio(baseline.layers[index].cycles / baseline.items, layer.cycles / run.items))
        if run.energy_items:
            cells.append(f"{_layer_nj(layer):,.2f}")
        table.add_row(*cells)
    if load:
        table.caption = f"Loading the weights took {run.load_cycles:,} cycles, once."
        table.caption_justify = "left"
    return table


def _figure(value: float | None, form: str = ",.2f") -> str:
    return "" if value is None else format(value, form)


def energy_table(run: Run) -> Table:
    """Energy of each layer by class of module, nJ of one image; and off-chip, and per effectual MAC."""
    total = run.energy_by_class()
    classes = [name for name, picojoules in total.items() if picojoules]
    table = Table(title="energy, nJ per image", title_justify="left", show_footer=True)
    table.add_column("layer", "all", overflow="fold")
    for name in classes:
        table.add_column(name.replace("_", " "), f"{total[name] / _PJ_PER_NJ:,.2f}", justify="right", overflow="fold")
    summary = run.energy_summary
    assert summary is not None
    table.add_column("all", f"{summary.on_chip_pj / _PJ_PER_NJ:,.2f}", justify="right")
    table.add_column("off-chip", f"{summary.off_chip_pj / _PJ_PER_NJ:,.2f}", justify="right")
    table.add_column("pJ per MAC", _figure(summary.pj_per_mac), justify="right")
    for layer in run.layers:
        split = [layer.energy_pj.get(name, 0.0) / _PJ_PER_NJ for name in classes]
        one = layer.energy_summary(run.energy_basis)
        table.add_row(
            escape(layer.name),
            *(f"{part:,.2f}" for part in split),
            f"{_layer_nj(layer):,.2f}",
            f"{layer.off_chip_pj / _PJ_PER_NJ:,.2f}",
            _figure(one.pj_per_mac if one else None),
        )
    share = [f"{total[name] / sum(total.values()):.1%}" for name in classes]
    table.add_section()
    table.add_row("share", *share, "", "", "")
    return table


def energy_lines(run: Run) -> Iterator[str]:
    """What the energy of a run amounts to, a line each."""
    summary, basis = run.energy_summary, run.energy_basis
    if summary is None:
        return
    if summary.low_pj is not None and summary.high_pj is not None:
        low, high = summary.low_pj / _PJ_PER_NJ, summary.high_pj / _PJ_PER_NJ
        yield f"interval by the error of the calibration, {basis['error']:.0%}: {low:,.2f} to {high:,.2f} nJ"
    else:
        yield "the coefficients have not been calibrated against gates of this core: no interval"
    yield (
        f"per effectual MAC: {_figure(summary.pj_per_mac)} pJ, {_figure(summary.floor_ratio, '.1f')} times a bare multiplier and "
        f"adder ({basis['floor_pj']:g} pJ)"
    )
    yield (
        f"at {basis['clock_mhz']:g} MHz: {_figure(summary.power_mw)} mW, {_figure(summary.tops_per_watt, '.3f')} TOPS/W, "
        f"{_figure(summary.dense_tops_per_watt, '.3f')} if skipped MACs counted"
    )
    yield f"without clock gates: {summary.ungated_pj / _PJ_PER_NJ:,.2f} nJ"
    yield f"off-chip memory, not in these figures: {summary.off_chip_pj / _PJ_PER_NJ:,.2f} nJ"
    yield f"energy leaves out: {run.energy_excluded}"


def _plain_line(run: Run, plain: Run) -> str:
    """Cycles and energy of the plain core beside those of a run."""
    line = f"plain dense core: {plain.cycles_per_item:,.0f} cycles ({_ratio(plain.cycles_per_item, run.cycles_per_item)})"
    energy, own = plain.energy_pj_per_item, run.energy_pj_per_item
    if energy is not None and own is not None:
        line += f", {energy / _PJ_PER_NJ:,.2f} nJ ({_ratio(energy, own)})"
    return line


def totals(run: Run, baseline: Run | None, origin: str, plain: Run | None = None) -> Iterator[str]:
    """The lines under the tables; ``baseline`` is the run in dense mode, ``plain`` that of the plain core."""
    config = run.config
    cores = "core:" if config["n_cores"] == 1 else f"{config['n_cores']} cores of"
    array = f"{config['n_pes']} PEs x {config['n_lanes']} lanes"
    yield f"{cores} {array}, {config['data_width']}-bit bus, memory latency {run.latency}"
    line = f"inputs: {_images(run.items)}, {origin}"
    if baseline is not None and baseline.items != run.items:
        line += f"; in dense mode {_images(baseline.items)}"
    yield line
    if run.accuracy is not None:
        yield f"accuracy: {run.accuracy:.2%}"
    wrong = [one for one in (run, baseline, plain) if one is not None and not one.bit_exact]
    if wrong:
        yield f"bit-exact with the integer reference: no: {wrong[0].mismatch}"
    else:
        yield "bit-exact with the integer reference: yes" + (", both modes" if baseline else "")
    line = f"cycles per inference: {run.cycles_per_item:,.0f}"
    if baseline is not None:
        line += f" (dense mode {baseline.cycles_per_item:,.0f}: {_ratio(baseline.cycles_per_item, run.cycles_per_item)})"
    yield line
    energy = run.energy_pj_per_item
    if energy is not None:
        line = f"energy per inference: {energy / _PJ_PER_NJ:,.2f} nJ"
        dense = None if baseline is None else baseline.energy_pj_per_item
        if dense is not None:
            line += f" (dense mode {dense / _PJ_PER_NJ:,.2f} nJ: {_ratio(dense, energy)})"
        yield f"{line}, measured over {_images(run.energy_items)}"
        yield from energy_lines(run)
    if plain is not None:
        yield _plain_line(run, plain)
    yield f"simulation: {run.cycles_per_second / 1e6:.2f} million cycles/s"
