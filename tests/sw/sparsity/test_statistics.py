"""Statistics of whole sets: means, suppression, JSON, plot."""

import json
import warnings

import numpy as np
import pytest

from quiesce import models
from quiesce.sw import reference
from quiesce.sw.data import mnist
from quiesce.sw.sparsity.plot import plot
from quiesce.sw.sparsity.statistics import LayerStatistics, Statistics, statistics


def made(name, **events):
    layers = tuple(
        LayerStatistics(
            name=key, density=value / 100, events=value, effectual_macs=3.0 * value, dense_macs=500, reads_input=key == "first"
        )
        for key, value in events.items()
    )
    return Statistics(network=name, n_images=7, accuracy=None, layers=layers)


def test_all_images_count():
    digits = mnist.sample()
    images, network = mnist.quantize_images(digits.images[:30]), models.load("lenet5-sparse")
    found, expected = statistics(network, images, digits.labels[:30]), reference.run(network, images)
    assert found.n_images == 30
    assert found.accuracy == np.mean(expected.outputs.reshape(30, 10).argmax(axis=1) == digits.labels[:30])
    assert found.effectual_macs == pytest.approx(expected.effectual_macs.mean())
    assert found.dense_macs == expected.dense_macs
    for layer in found.layers:
        counts = expected.counts[layer.name]
        assert layer.events == counts.events.mean()
        assert layer.density == pytest.approx(layer.events / counts.input_size)
    assert statistics(network, images).accuracy is None


def test_suppression():
    now, before = made("now", conv=20.0, fc=0.0, new=5.0), made("before", conv=50.0, fc=30.0)
    assert made("now", first=9.0, conv=20.0).suppression(made("before", first=9.0, conv=50.0)) == {
        "first": 1.0, "conv": 2.5, "all": 2.5,  # the network's input does not count
    }  # fmt: skip
    ratios = now.suppression(before)
    assert ratios == {"conv": 2.5, "fc": None, "new": None, "all": 80.0 / 20.0}
    report = json.loads(json.dumps(now.to_json(before)))
    assert (report["baseline"], report["suppression"], report["events"], report["effectual_macs"]) == ("before", 4.0, 25.0, 75.0)
    assert [layer["suppression"] for layer in report["layers"]] == [2.5, None, None]
    alone = now.to_json()
    assert alone["baseline"] is None
    assert alone["layers"][0] == {
        "name": "conv", "density": 0.2, "events": 20.0, "effectual_macs": 60.0, "dense_macs": 500, "reads_input": False,
        "suppression": None,
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_plot(tmp_path, suffix):
    path = tmp_path / f"plot{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot(path, [made("before", conv=50.0, fc=30.0), made("now", conv=20.0)])
    assert path.stat().st_size > 1000
