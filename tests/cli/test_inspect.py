"""``quiesce inspect``."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from quiesce.cli.inspect import describe
from quiesce.sw.format.container import save_network
from quiesce.sw.format.network import Network


def test_report_counts_weights_and_macs(network: Network) -> None:
    report = describe(network)
    conv, pool = report["layers"]
    assert (conv["input_shape"], conv["output_shape"], pool["output_shape"]) == ([4, 3, 1], [3, 2, 2], [2, 1, 2])
    assert (conv["weights"], conv["nonzero_weights"], conv["density"]) == (8, 5, 5 / 8)
    assert (pool["weights"], pool["density"]) == (None, None)
    assert (conv["macs"], pool["macs"]) == (3 * 2 * 4 * 2, 2 * 4 * 2)
    assert (report["weights"], report["density"], report["macs"]) == (8, 5 / 8, 48 + 16)


def test_table_shows_layers_and_metadata_as_they_are(quiesce: Callable[..., Result], network_file: Path) -> None:
    result = quiesce("inspect", network_file)
    assert result.exit_code == 0
    rows = [line.replace(" ", "").split("│")[1:-1] for line in result.stdout.splitlines() if "│" in line]
    assert rows == [
        ["conv", "conv", "4x3x1", "3x2x2", "2x2", "1x1", "0..127", "8", "62.5%", "48"],
        ["max", "maxpool", "3x2x2", "2x1x2", "2x2", "1x1", "0..127", "", "", "16"],
        ["total", "", "", "", "", "", "", "8", "62.5%", "64"],
    ]
    assert "origin: made [bold]by hand[/bold]" in result.stdout


def test_table_shows_winners(quiesce: Callable[..., Result], network: Network, tmp_path: Path) -> None:
    some = replace(network, layers=(replace(network.layers[0], winners=1), *network.layers[1:]))
    save_network(tmp_path / "some.safetensors", some)
    assert "0..127, 1 winners" in quiesce("inspect", tmp_path / "some.safetensors").stdout
    assert [layer["winners"] for layer in describe(some)["layers"]] == [1, None]


def test_table_shows_delta_thresholds(quiesce: Callable[..., Result], network: Network, tmp_path: Path) -> None:
    layers = (replace(network.layers[0], delta_threshold=3), *network.layers[1:])
    some = replace(network, input=replace(network.input, delta_threshold=0), layers=layers)
    save_network(tmp_path / "some.safetensors", some)
    shown = quiesce("inspect", tmp_path / "some.safetensors").stdout
    assert "scale 0.5, changes over 0" in shown and "0..127, changes over 3" in shown
    assert describe(some)["input"]["delta_threshold"] == 0
    assert [layer["delta_threshold"] for layer in describe(some)["layers"]] == [3, None]


def test_json_is_the_report(quiesce: Callable[..., Result], network: Network, network_file: Path, tmp_path: Path) -> None:
    result = quiesce("inspect", network_file, "--json", "-")
    assert json.loads(result.stdout) == describe(network)
    assert result.stderr == ""
    assert "conv" in quiesce("inspect", network_file, "--json", tmp_path / "report.json").stdout
    assert json.loads((tmp_path / "report.json").read_text()) == describe(network)


@pytest.mark.parametrize("length", [0, 7, 100])
def test_damaged_files_are_refused(rejects: Callable[..., str], network_file: Path, length: int) -> None:
    network_file.write_bytes(network_file.read_bytes()[:length])
    assert rejects("inspect", network_file).startswith("network file: ")


def test_unknown_networks_are_refused(rejects: Callable[..., str], tmp_path: Path) -> None:
    assert rejects("inspect", "no-such-net").startswith("no-such-net: neither a file nor a network that is shipped")
    assert "neither a file" in rejects("inspect", tmp_path)


def test_an_unwritable_report_is_refused(quiesce: Callable[..., Result], network_file: Path, tmp_path: Path) -> None:
    result = quiesce("inspect", network_file, "--json", tmp_path / "no" / "report.json")
    assert result.exit_code == 2
    assert result.stderr == f"quiesce: error: {tmp_path}/no/report.json: no such file or directory\n"
