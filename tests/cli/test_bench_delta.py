"""``quiesce bench delta``: table, targets and JSON, on figures made by hand."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from quiesce.bench import delta
from quiesce.bench.targets import Target
from quiesce.cli.bench import bench
from quiesce.sw.data.streams import FrameStream

FULL = delta.Figures(effectual_macs=1000.0, cycles=120.0, energy_pj=9000.0)
NOW = delta.Figures(effectual_macs=100.0, cycles=15.0, energy_pj=1000.0)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    calls: list[dict[str, object]] = []

    def measure(task, networks, frames, config, **words):
        calls.append({"task": task, "names": [network.name for network in networks.values()], **words})
        core = delta.OnCore(
            frames=words["n_frames"], full=FULL, stream=NOW, single=NOW, first=FULL, clean_rows=3.0, state_bytes=64.0
        )
        return delta.DeltaResult(
            task=task, config=config.to_dict(), latency=words["latency"], inputs=frames.origin,
            networks=tuple(
                delta.DeltaNetwork(
                    role=role, name=network.name, accuracy=0.95, full_macs=1000.0, stream_macs=100.0, density=0.05, core=core
                )
                for role, network in networks.items()
            ),
            scenes=(delta.Scene(name="scene cut", changing=0.5, stream=NOW, full=FULL),),
            sweep=(delta.SweepPoint(share=0.1, scattered=0.75, block=0.25),),
            break_even={"scattered": 0.17, "block": None},
            targets=(Target(name="a ratio", value=7.0, limit=6.0, at_least=True),),
        )  # fmt: skip

    frames = FrameStream(np.zeros((2, 4, 4, 1), np.int8), np.array([True, False]), None, "made-up frames")
    monkeypatch.setattr(delta, "measure_delta", measure)
    # The package has the command by the name of its module.
    monkeypatch.setattr(sys.modules["quiesce.cli.bench.delta"], "test_stream", lambda *words: frames)
    return calls


def test_all_networks_of_a_task(measured: list[dict[str, object]], quiesce: Callable[..., Result], tmp_path: Path) -> None:
    result = quiesce("bench", "delta", "--frames", 7, "--network", "l1=asl-delta", "--json", tmp_path / "delta.json")
    assert "delta" in bench.commands and result.exit_code == 0, result.output
    (call,) = measured
    assert call["names"] == ["asl-relu", "asl-delta", "asl-delta", "asl-delta-l1", "asl-thresholds"]
    assert (call["n_frames"], call["latency"]) == (7, 32)
    for text in (
        "made-up frames, per frame",
        "8.00x",
        "scene cut",
        "0.75",
        "17% of the pixels",
        "block: never",
        "6 met",
        "7 frames",
    ):
        assert text in result.stdout.replace(": met", " met"), text
    values = json.loads((tmp_path / "delta.json").read_text())
    assert values["networks"][0]["core"]["stream"]["cycles"] == 15.0 and values["targets"][0]["met"]


def test_a_network_has_a_role(measured: list[dict[str, object]], rejects: Callable[..., str]) -> None:
    assert rejects("bench", "delta", "--network", "asl-l1") == "--network asl-l1: not of the form ROLE=NET"
    assert rejects("bench", "delta", "--network", "l2=asl-l1").startswith("--network l2=asl-l1: the roles are ReLU, l1, delta,")
