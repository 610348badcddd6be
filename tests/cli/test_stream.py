"""``quiesce cosim --stream`` and ``quiesce thresholds``, on a small network and a small core."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from quiesce.sw.format.container import load_network, save_network
from quiesce.sw.format.network import Network
from tests import networks
from tests.sim.cores import KEEPING
from tests.sw.data.moving import moving_square
from tests.sw.data.test_video import write
from tests.sw.stream.streams import random_frames

CORE = ["--preset", "tiny", *(f"--set={name}={getattr(KEEPING, name)}" for name in ("acc_width", "post_units", "state_depth"))]


@pytest.fixture
def network() -> Network:
    rng = np.random.default_rng(0)
    layers = [
        networks.conv(rng, "conv", "input", 1, 4, (3, 3), stride=(2, 2), pad=(1, 1, 1, 1)),
        networks.conv(rng, "more", "conv", 4, 4, (3, 3), stride=(2, 2), pad=(1, 1, 1, 1)),
        networks.linear(rng, "fc", "more", 16, 3),
    ]
    net = networks.network([replace(layer, delta_threshold=0) for layer in layers], (8, 8, 1))
    return replace(net, name="small", input=replace(net.input, delta_threshold=2, scale=1 / 127))


@pytest.fixture
def network_file(network: Network, tmp_path: Path) -> Path:
    save_network(tmp_path / "small.safetensors", network)
    return tmp_path / "small.safetensors"


@pytest.fixture
def frames(network: Network, tmp_path: Path) -> Path:
    """Two streams of fifteen frames."""
    acts = random_frames(np.random.default_rng(1), network.input, (1, 30), 0.1)[0]
    starts = np.arange(30) % 15 == 0
    np.savez(tmp_path / "frames.npz", frames=acts, starts=starts, labels=np.arange(30) % 3)
    return tmp_path / "frames.npz"


def test_frames_of_a_file(quiesce: Callable[..., Result], network_file: Path, frames: Path, tmp_path: Path) -> None:
    words = ["cosim", network_file, *CORE, "--no-energy", "--stream", frames, "--json", tmp_path / "run.json"]
    result = quiesce(*words, "--plot", tmp_path / "run.svg")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "run.json").read_text())
    stream, full = report["stream"], report["full"]
    assert [frame["index"] for frame in stream["frames"] if frame["first"]] == [0, 15]
    assert stream["changes"] == ["conv", "input", "more"] and full["items"] == 16
    assert stream["mean"]["effectual_macs"] < full["totals"]["effectual_macs"]
    assert stream["accuracy"] is not None and full["accuracy"] is None
    assert (tmp_path / "run.svg").stat().st_size > 1000
    for text in ("small, as a stream, per frame", "frames, means of 2", "28..29", "yes, every frame", "first frames left out"):
        assert text in result.stdout


def test_a_video_and_a_threshold(quiesce: Callable[..., Result], network_file: Path, tmp_path: Path) -> None:
    write(tmp_path / "walk.avi", moving_square(6, speed=4))
    words = ["cosim", network_file, *CORE, "--no-energy", "--stream", tmp_path / "walk.avi", "--json", "-"]
    alone = json.loads(quiesce(*words, "--images", 4).stdout)["stream"]
    held = json.loads(quiesce(*words, "--images", 4, "--delta-threshold", 255, "--dilation", 1).stdout)["stream"]
    assert len(alone["frames"]) == 4
    assert held["frames"][3]["events"] == 0 < alone["frames"][3]["events"]
    assert [frame["delta_threshold"] for frame in held["frames"]] == [255] * 4


def test_bad_streams(rejects: Callable[..., str], network_file: Path, frames: Path, tmp_path: Path) -> None:
    words = ["cosim", network_file, *CORE, "--stream"]
    assert "no-file.avi: no such file" in rejects(*words, tmp_path / "no-file.avi")
    np.save(tmp_path / "other.npy", np.zeros((2, 4, 4, 1), np.int8))
    assert "frames of shape (2, 4, 4, 1) are not (N, 8, 8, 1)" in rejects(*words, tmp_path / "other.npy")
    assert "there are only 30" in rejects(*words, frames, "--images", 31)
    assert rejects(*words, frames, "--simulator", "icarus").startswith("--stream goes with neither")
    assert "state_depth, which is 0" in rejects("cosim", network_file, "--preset", "base", "--stream", frames)
    assert "go with --stream" in rejects("cosim", network_file, "--plot", tmp_path / "run.svg")
    assert ".svg, .png or .pdf" in rejects(*words, frames, "--plot", tmp_path / "run.txt")
    assert "give --inputs" in rejects("cosim", network_file, "--stream")


def test_thresholds_are_found_and_judged(
    quiesce: Callable[..., Result], network: Network, network_file: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "quiet.safetensors"
    words = ["thresholds", network_file, "--stream", frames, "--length", 5, "--allowed-loss", 0.3, "--out", out]
    result = quiesce(*words)
    assert result.exit_code == 0, result.output
    found = load_network(out)
    assert found.name == "quiet"
    assert any(found.delta_threshold(name) for name in ("input", "conv", "more"))
    card = out.with_suffix(".md").read_text()
    assert "--allowed-loss 0.3" in card and "on 6 sequences of 5 frames" in card.replace("\n", " ")
    assert "quiet, per frame" in result.stdout and "accuracy:" in result.stdout


def test_bad_words_for_thresholds(rejects: Callable[..., str], network_file: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "quiet.safetensors"
    assert "no stream has 16 frames" in rejects("thresholds", network_file, "--stream", frames, "--length", 16, "--out", out)
    assert "give --inputs" in rejects("thresholds", network_file, "--out", out)
    assert not out.exists()
