"""``quiesce statistics``: the whole test set, suppression, and what it writes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from quiesce import models
from quiesce.sw import reference
from quiesce.sw.data import mnist


def test_all_test_images_by_default(quiesce: Callable[..., Result], data: Path) -> None:
    result = quiesce("statistics", "lenet5-sparse", "--baseline", "lenet5", "--data", data, "--json", "-")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    images = mnist.quantize_images(mnist.sample().images[:40])
    now, before = (reference.run(models.load(name), images) for name in ("lenet5-sparse", "lenet5"))
    assert report["images"] == 40
    assert report["effectual_macs"] == pytest.approx(now.effectual_macs.mean())
    events = [sum(int(count.events.sum()) for name, count in run.counts.items() if name != "conv1") for run in (before, now)]
    assert report["suppression"] == pytest.approx(events[0] / events[1])


def test_table_and_plot(quiesce: Callable[..., Result], data: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    result = quiesce(
        "statistics", "lenet5-sparse", "--baseline", "lenet5", "--images", 9, "--data", data, "--plot", plot
    )  # fmt: skip
    assert result.exit_code == 0
    assert all(text in result.stdout for text in ("conv2", "x", "9 images, MNIST test images", "accuracy of lenet5:"))
    assert b"<svg" in plot.read_bytes()


def test_own_inputs(quiesce: Callable[..., Result], network_file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "maps.npy", np.ones((3, 4, 3, 1), np.int8))
    result = quiesce("statistics", network_file, "--inputs", tmp_path / "maps.npy")
    assert result.exit_code == 0
    assert "3 images" in result.stdout
    assert "accuracy" not in result.stdout


def test_bad_plot_and_unknown_set(rejects: Callable[..., str], network_file: Path) -> None:
    assert "must end in" in rejects("statistics", network_file, "--plot", "plot.txt")
    assert "not known" in rejects("statistics", network_file)
