"""A training run that begins with a quantised network: real weights in place of its integers, nothing else changed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from quiesce import models
from quiesce.sw.data.sets import SETS
from quiesce.sw.format.container import save_network
from quiesce.sw.format.ops import ADD, AVGPOOL, LINEAR, MAXPOOL
from quiesce.sw.train import train
from quiesce.sw.train.begin import begin_with, find_start
from quiesce.sw.train.errors import CheckpointError, RecipeError
from quiesce.sw.train.models import build
from quiesce.sw.train.recipe import load_recipe


def dequantised(network, images):
    """What the layers of a network compute without rounding: (N, F) of real images (N, rows, cols, chans)."""
    maps, shapes = {"input": images.permute(0, 3, 1, 2).double()}, network.shapes()
    for layer in network.layers:
        read = [maps[name] for name in layer.inputs]
        if layer.op is ADD:
            out = torch.stack(read).sum(dim=0)  # its integer weights stand for 1, rounded
        elif layer.op is MAXPOOL:
            out = F.max_pool2d(read[0], layer.kernel, layer.stride)
        elif layer.op is AVGPOOL:
            out = F.avg_pool2d(read[0], layer.kernel, layer.stride)
        else:
            scale = torch.tensor(layer.weight_scale.astype(np.float64))
            bias = torch.tensor(layer.bias) * scale * network.scale(layer.inputs[0])
            weight = torch.tensor(layer.weight).double() * scale.reshape(-1, *(1,) * (layer.weight.ndim - 1))
            if layer.op is LINEAR:
                out = F.linear(read[0].permute(0, 2, 3, 1).flatten(1), weight, bias)[:, :, None, None]
            else:
                assert layer.pad == (layer.pad[0],) * 4
                out = F.conv2d(read[0], weight.permute(0, 3, 1, 2), bias, layer.stride, layer.pad[0], groups=layer.groups)
        maps[layer.name] = out.clamp(min=0) if layer.low == 0 else out
        assert maps[layer.name].shape[1] == shapes[layer.name][2]
    return maps[network.output].flatten(1)


def inputs(network, count):
    """Real images (N, rows, cols, chans) that the network takes."""
    (source,) = (source for source in SETS.values() if source.title == network.metadata["data"])
    return torch.tensor(source.acts(source.sample()[:count], network.input.shape)) * network.input.scale


@pytest.mark.parametrize(
    ("name", "model"), [("mlp3", "mlp3"), ("lenet5", "lenet5"), ("mobilenet-025", "mobilenet"), ("resnet20", "resnet20")]
)
def test_computes_the_dequantised_network(name, model):
    network = models.load(name)
    module, images = build(model, 3), inputs(network, 32)
    begin_with(module, network, images.permute(0, 3, 1, 2))
    module.eval()
    with torch.no_grad():
        found = module.double()(images.permute(0, 3, 1, 2).double())
    assert torch.allclose(found, dequantised(network, images), rtol=1e-3, atol=2e-3)


def test_training_mode_starts_from_the_same_statistics():
    network = models.load("lenet5")
    module, images = build("lenet5", 3), inputs(network, 64).permute(0, 3, 1, 2)
    begin_with(module, network, images)
    with torch.no_grad():
        module.train()
        trained = module(images)
        module.eval()
        assert torch.allclose(trained, module(images), rtol=1e-2, atol=2e-2)


def test_other_networks_are_refused():
    images = inputs(models.load("lenet5"), 2).permute(0, 3, 1, 2)
    for name, message in (
        ("mlp3", "'mlp3' does not fit LeNet5: conv1 is not in both"),
        ("lenet5-winners", "layer 'conv1' has winners"),
    ):
        with pytest.raises(CheckpointError, match=message):
            begin_with(build("lenet5", 1), models.load(name), images)
    network = models.load("lenet5")
    layers = tuple(replace(layer, weight_scale=None) for layer in network.layers)
    with pytest.raises(CheckpointError, match="layer 'conv1' has no weight_scale"):
        begin_with(build("lenet5", 1), replace(network, layers=layers), images)


def test_name_or_file(tmp_path):
    save_network(tmp_path / "mine.safetensors", models.load("mlp3"))
    assert find_start("mlp3").name == find_start(str(tmp_path / "mine.safetensors")).name == "mlp3"
    with pytest.raises(CheckpointError, match=r"start.network: 'none' is neither a shipped network nor a file"):
        find_start("none")


RECIPE = """
name = "again"
model = "mlp3"
seed = 1
batch = 32
[start]
network = "mlp3"
[data]
validation = 64
images = 128
[real]
epochs = 1
rate = 1e-9
draw = 32
[integer]
epochs = 0
rate = 1e-9
"""


def test_a_run_begins_with_it(tmp_path, data):
    recipe = tmp_path / "again.toml"
    recipe.write_text(RECIPE)
    report = train(recipe, tmp_path / "again.safetensors", data)
    assert report.float_accuracy >= 0.97
    assert "the integers of `mlp3` stand for" in report.card.read_text()
    assert "1 epoch of 32 images, drawn anew each time" in report.card.read_text().replace("\n  ", " ")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('network = "mlp3"\nfile = "x"', "start.network: not together"),
        ("network = 3", r"Expected `str`, got `int` - at `\$.start.network`"),
    ],
)
def test_bad_starts(tmp_path, value, message):
    recipe = tmp_path / "bad.toml"
    recipe.write_text(RECIPE.replace('network = "mlp3"', value))
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe)
