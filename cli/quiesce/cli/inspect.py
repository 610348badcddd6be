"""``quiesce inspect``."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.table import Table

from quiesce.cli.inputs import find_network
from quiesce.cli.options import console_for, json_option, write_json
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import INPUT, Network

__all__ = ["describe", "inspect"]


def describe(network: Network) -> dict[str, Any]:
    """Everything that ``quiesce inspect`` shows, as JSON values.

    ``density`` is the nonzero share of the weights, ``macs`` those of a dense engine for one image, padding left out.
    """
    shapes = network.shapes()
    layers = [_describe_layer(network, layer, shapes) for layer in network.layers]
    n_weights, n_nonzero = (sum(layer[key] or 0 for layer in layers) for key in ("weights", "nonzero_weights"))
    return {
        "name": network.name,
        "input": {
            "shape": list(network.input.shape),
            "scale": network.input.scale,
            "delta_threshold": network.input.delta_threshold,
        },
        "output": network.output,
        "layers": layers,
        "weights": n_weights,
        "nonzero_weights": n_nonzero,
        "density": n_nonzero / n_weights if n_weights else None,
        "macs": sum(layer["macs"] for layer in layers),
        "metadata": network.metadata,
    }


def _describe_layer(network: Network, layer: Layer, shapes: dict[str, MapShape]) -> dict[str, Any]:
    n_weights = None if layer.weight is None else int(layer.weight.size)
    n_nonzero = None if layer.weight is None else int(np.count_nonzero(layer.weight))
    return {
        "name": layer.name,
        "kind": layer.op.name,
        "inputs": list(layer.inputs),
        "input_shape": list(shapes.get(layer.inputs[0], shapes[INPUT])),
        "output_shape": list(shapes[layer.name]),
        "kernel": list(layer.kernel),
        "stride": list(layer.stride),
        "pad": list(layer.pad),
        "groups": layer.groups,
        "low": layer.low,
        "high": layer.high,
        "threshold": layer.threshold,
        "winners": layer.winners or None,
        "delta_threshold": layer.delta_threshold,
        "bits": layer.bits,
        "weight_bits": None if layer.weight is None else layer.weight_bits,
        "weights": n_weights,
        "nonzero_weights": n_nonzero,
        "density": None if n_weights is None or n_nonzero is None else n_nonzero / n_weights,
        "macs": network.dense_macs(layer),
    }


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))


def _table(report: dict[str, Any]) -> Table:
    title = f"{report['name']}: {_shape(report['input']['shape'])} input, scale {report['input']['scale']:.6g}"
    title += _changes(report["input"]["delta_threshold"])
    table = Table(title=escape(title), title_justify="left", show_footer=True)
    table.add_column("layer", "total")
    table.add_column("kind")
    table.add_column("input")
    table.add_column("output")
    table.add_column("kernel")
    table.add_column("stride")
    table.add_column("clip")
    table.add_column("weights", f"{report['weights']:,}", justify="right")
    table.add_column("density", _percent(report["density"]), justify="right")
    table.add_column("MACs", f"{report['macs']:,}", justify="right")
    for layer in report["layers"]:
        windowed = layer["kind"] != "linear"
        table.add_row(
            escape(layer["name"]),
            layer["kind"] if layer["groups"] == 1 else f"{layer['kind']}, {layer['groups']} groups",
            _shape(layer["input_shape"]),
            _shape(layer["output_shape"]),
            _shape(layer["kernel"]) if windowed else "",
            _shape(layer["stride"]) if windowed else "",
            f"{layer['low']}..{layer['high']}"
            + (f", from {layer['threshold']}" if layer["threshold"] else "")
            + (f", {layer['winners']} winners" if layer["winners"] else "")
            + _changes(layer["delta_threshold"]),
            "" if layer["weights"] is None else f"{layer['weights']:,}",
            _percent(layer["density"]),
            f"{layer['macs']:,}",
        )
    return table


def _changes(delta_threshold: int | None) -> str:
    return "" if delta_threshold is None else f", changes over {delta_threshold}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


@click.command()
@click.argument("net")
@json_option
def inspect(net: str, json_path: Path | None) -> None:
    """Show the layers of a network.

    NET is the name of a shipped network, such as lenet5-sparse, or a network file.
    """
    report = describe(find_network(net))
    write_json(json_path, report)
    if json_path == Path("-"):
        return
    console = console_for(json_path)
    console.print(_table(report))
    for key, text in report["metadata"].items():
        console.print(f"{escape(key)}: {escape(text)}")
