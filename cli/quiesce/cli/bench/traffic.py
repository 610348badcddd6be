"""``quiesce bench traffic``: memory accesses and bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from quiesce.cli.bench.shared import cases, core_line, images_option, network_arguments, show, verdict
from quiesce.cli.options import config_option, json_option
from quiesce.cli.tables import new_table, optional
from quiesce.spec.config import CoreConfig

if TYPE_CHECKING:
    from quiesce.bench.traffic import LayerTraffic

__all__ = ["traffic"]


def _cells(one: "LayerTraffic") -> list[str]:
    return [
        one.network, one.layer, one.kind, optional(one.events_per_pixel, ".1f"), f"{one.effectual_macs:,.0f}",
        optional(one.acc_per_mac, ".3f"), optional(one.rows_per_mac, ".3f"), optional(one.masks_per_mac, ".3f"),
        f"{one.act_bytes_read:,.0f}", f"{one.act_bytes_written:,.0f}", f"{one.program_bytes:,.0f}", verdict(one.target),
    ]  # fmt: skip


@click.command()
@network_arguments
@images_option(4)
@config_option()
@json_option
def traffic(
    names: tuple[str, ...], data: Path | None, n_images: int, config: CoreConfig,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Accesses of the memories on chip per effectual MAC, and bytes over the bus per image.

    NET are names of shipped networks, by default all without winners, or network files.
    """
    from quiesce.bench.traffic import measure_traffic

    result = measure_traffic(cases(names, n_images, data), config)
    if (console := show("traffic", result, json_path)) is None:
        return
    numbers = [
        "events/pixel", "effectual MACs", "accumulators/MAC", "weight rows/MAC", "masks/MAC", "bytes read", "written", "program",
        "target",
    ]  # fmt: skip
    table = new_table("memory traffic per image", ["network", "layer", "kind"], numbers)
    for total in result.totals:
        for layer in result.layers:
            if layer.network == total.network:
                table.add_row(*_cells(layer))
        table.add_row(*_cells(total), end_section=True)
    console.print(table)
    console.print(core_line(result.config, f"{n_images} images of each network"))
