"""The bench of temporal sparsity: its arithmetic, and one small run of all of it on the RTL."""

import json
from dataclasses import replace

import numpy as np
import pytest

from quiesce.bench import delta
from quiesce.bench.targets import report
from quiesce.sw.data.streams import FrameStream
from tests import networks
from tests.sim.cores import KEEPING
from tests.sw.stream.streams import random_frames


def figures(macs, cycles, energy):
    return delta.Figures(effectual_macs=macs, cycles=cycles, energy_pj=energy)


def of_role(role, accuracy, full, now, full_macs=0.0, stream_macs=0.0):
    core = delta.OnCore(frames=2, full=full, stream=now, single=now, first=full, clean_rows=0.0, state_bytes=0.0)
    return delta.DeltaNetwork(
        role=role, name=role, accuracy=accuracy, full_macs=full_macs, stream_macs=stream_macs, density=0.1, core=core
    )


def test_targets():
    full, now = figures(1000.0, 100.0, 50.0), figures(100.0, 12.5, 5.0)
    networks = {
        "ReLU": of_role("ReLU", 0.95, full, full, full_macs=900.0, stream_macs=800.0),
        "l1": of_role("l1", 0.95, full, full, full_macs=700.0, stream_macs=400.0),
        "delta + l1": of_role("delta + l1", 0.94, full, now, full_macs=500.0, stream_macs=100.0),
        "thresholds": of_role("thresholds", 0.93, full, now, full_macs=900.0, stream_macs=300.0),
    }
    found = {target.name: target for target in delta._targets(delta.TASKS["video"], networks)}
    assert [round(target.value, 3) for target in found.values()] == [7.0, -0.01, 3.0, -0.02, 0.8, 1.0, 0.8, 1.0]
    assert not found["effectual MACs, in full / thresholds only"].met
    assert found["effectual MACs, l1 / delta + l1"].met
    assert len(list(delta._targets(delta.TASKS["audio"], networks))) == 6


def test_break_even():
    sweep = [delta.SweepPoint(share=share, scattered=2 * share, block=share / 2) for share in (0.0, 0.4, 0.8, 1.0)]
    assert delta._break_even(sweep, "scattered") == pytest.approx(0.5)
    assert delta._break_even(sweep, "block") is None


def test_a_small_task_on_the_rtl(monkeypatch):
    monkeypatch.setattr(delta, "SHARES", (0.0, 1.0))
    monkeypatch.setattr(delta, "FULL_FRAMES", 2)
    rng = np.random.default_rng(0)
    layers = [
        networks.conv(rng, "conv", "input", 1, 4, (3, 3), stride=(2, 2), pad=(1, 1, 1, 1)),
        networks.linear(rng, "fc", "conv", 64, 3),
    ]
    network = networks.network([replace(layer, delta_threshold=0) for layer in layers], (8, 8, 1))
    acts = random_frames(rng, network.input, (1, 40), 0.1)[0]
    frames = FrameStream(acts, np.arange(40) % 20 == 0, np.arange(40) % 3, "made up")
    said = []
    result = delta.measure_delta(
        "video",
        dict.fromkeys(delta.TASKS["video"].networks, network),
        frames,
        KEEPING,
        n_frames=4,
        latency=7,
        progress=said.append,
    )
    assert said == [network.name] * 5 + ["scenes", "share of changing pixels"]
    one = result.networks[0]
    assert one.core.frames == 4 and 0 < one.core.stream.effectual_macs < one.core.full.effectual_macs
    assert one.core.stream.energy_pj and one.core.first.cycles > one.core.single.cycles > one.core.stream.cycles
    assert one.core.stream.effectual_macs == one.core.single.effectual_macs
    scenes = {scene.name: scene for scene in result.scenes}
    assert scenes["nothing changes"].stream.effectual_macs == 0
    assert scenes["all pixels at random"].stream.effectual_macs > scenes["the next frame"].stream.effectual_macs
    assert result.sweep[0].scattered == result.sweep[0].block < result.sweep[1].block
    values = json.loads(json.dumps(report("delta", result), allow_nan=False))
    assert values["bench"] == "delta" and len(values["networks"]) == 5
