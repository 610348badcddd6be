"""The architectures: shapes, sizes, that they can be traced, and the shortcuts of residual networks."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from quiesce.sw import reference
from quiesce.sw.quant import prepare
from quiesce.sw.train.models import MODELS, build, resnet18
from quiesce.sw.train.models.resnet import projection, selection

N_WEIGHTS = {
    "lenet4": 3273504, "lenet5": 61470, "mlp3": 266200, "convnet5": 1067584, "mobilenet": 210160, "vgg6": 1821024,
    "resnet20": 268336, "segmenter": 7408, "asl-cnn": 84624, "fsdd-cnn": 70288,
}  # fmt: skip
"""Of convolutions and linear layers, those that are not trained left out."""


def images(name, count, seed=0):
    rows, cols, chans = MODELS[name].shape
    return torch.rand(count, chans, rows, cols, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("name", sorted(MODELS))
def test_shapes_sizes_and_integers(name):
    module, inputs = build(name, 1).eval(), images(name, 3)
    layers = [layer for layer in module.modules() if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))]
    assert sum(layer.weight.numel() for layer in layers if layer.weight.requires_grad) == N_WEIGHTS[name]
    with torch.no_grad():
        outputs = module(inputs)
    n_classes = 24 if name == "asl-cnn" else 10
    assert outputs.shape == ((3, 2, *inputs.shape[2:]) if MODELS[name].maps else (3, n_classes))
    integer = prepare(module, inputs).eval()
    network = integer.to_network(name)
    acts = (inputs / integer.scales["input"] + 0.5).floor().clamp(*integer.input_range).permute(0, 2, 3, 1)
    outputs = reference.run(network, acts.numpy().astype(np.int8)).outputs.transpose(0, 3, 1, 2).reshape(outputs.shape)
    with torch.no_grad():
        assert np.array_equal((integer(inputs) / integer.scales[integer.output]).round().numpy(), outputs)


def test_one_layer_is_ten_times_the_weight_memory_of_the_base_core():
    assert build("vgg6", 0).fc1.weight.numel() > 10 * 16 * 1024 * 8


def test_seeds():
    first, again, other = (build("convnet5", seed).conv1.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_selection_is_the_published_shortcut():
    acts = torch.randn(2, 16, 8, 10, generator=torch.Generator().manual_seed(0))
    published = F.pad(acts[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8))
    shortcut = selection(16, 32, 2)
    assert torch.equal(shortcut(acts), published)
    assert not shortcut.weight.requires_grad
    assert torch.equal(selection(16, 16, 1)(acts), acts)


def test_projection_keeps_equal_shapes():
    acts = torch.randn(2, 4, 6, 6)
    assert torch.equal(projection(4, 4, 1)(acts), acts)
    assert projection(4, 8, 2).eval()(acts).shape == (2, 8, 3, 3)


def test_resnet18():
    module = resnet18().eval()
    assert sum(parameter.numel() for parameter in module.parameters()) == 11173962
    with torch.no_grad():
        assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert prepare(module, torch.rand(2, 3, 32, 32)).output == "linear"
