"""Torch and the integer reference agree bit for bit, for shipped shapes and for odd ones."""

import os

import numpy as np
import pytest
import torch
from torch import nn

from quiesce import models
from quiesce.sw import reference
from quiesce.sw.data import mnist
from quiesce.sw.quant import prepare, quantize, quantized_forward
from quiesce.sw.train.models import build


@pytest.fixture(scope="module")
def digits():
    """1,000 real digits, or the 256 embedded ones where the data set is not there."""
    return mnist.load("test")[:1000] if os.environ.get(mnist.DATA_VARIABLE) else mnist.sample()


def real_images(acts):
    return torch.from_numpy(acts).permute(0, 3, 1, 2).float() * mnist.INPUT_SCALE


def settled(name, inputs):
    """A network with plausible batch statistics, without training it."""
    module = build(name, 5).train()
    with torch.no_grad():
        module(inputs)
    return module.eval()


@pytest.mark.parametrize("name", ["lenet5", "mlp3"])
def test_real_digits(name, digits):
    acts = mnist.quantize_images(digits.images)
    inputs = real_images(acts)
    module = settled(name, inputs)
    qat = prepare(module, inputs[:200], input_scale=mnist.INPUT_SCALE)
    network = qat.to_network(name)
    expected = reference.run(network, acts)
    assert np.array_equal(quantized_forward(network)(torch.from_numpy(acts)).numpy(), expected.outputs)
    assert np.unique(expected.outputs).size > 50
    integers = expected.outputs.reshape(len(acts), -1)
    scale = network.scale(network.output)
    for training in (False, True):
        qat.train(training)
        with torch.no_grad():
            found = qat(inputs[:200]) / scale
        assert np.array_equal(found.round().numpy(), integers[:200])
    again = quantize(module, inputs[:200], input_scale=mnist.INPUT_SCALE)
    assert all(np.array_equal(a.multiplier, b.multiplier) for a, b in zip(again.layers, network.layers, strict=True))


@pytest.mark.parametrize("name", ["lenet5", "lenet5-sparse", "mlp3"])
def test_shipped_networks_of_digits(name, digits):
    network = models.load(name)
    acts = mnist.quantize_images(digits.images)
    expected = reference.run(network, acts).outputs
    assert np.array_equal(quantized_forward(network)(torch.from_numpy(acts)).numpy(), expected)
    assert np.mean(expected.reshape(-1, 10).argmax(axis=1) == digits.labels) > 0.98


def test_close_to_the_real_network(digits):
    acts = mnist.quantize_images(digits.images[:256])
    inputs = real_images(acts)
    module = settled("lenet5", inputs)
    network = quantize(module, inputs, input_scale=mnist.INPUT_SCALE)
    with torch.no_grad():
        real = module(inputs).numpy()
    found = reference.run(network, acts).outputs.reshape(256, 10) * network.scale(network.output)
    assert np.abs(found - real).max() < 0.05 * np.abs(real).max()


CONVS = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (1, 4), "stride": (2, 1)},
    {"kernel_size": (3, 2), "stride": 2, "padding": (2, 0), "dilation": (1, 3), "groups": 3},
    {"kernel_size": (4, 3), "padding": "same"},
    {"kernel_size": 2, "stride": 3, "groups": 6, "bias": False},
]
POOLS = [
    nn.MaxPool2d(2), nn.MaxPool2d((3, 2), stride=(1, 2), padding=1), nn.AvgPool2d(3, stride=2, padding=1), nn.AvgPool2d((2, 1)),
    nn.MaxPool2d(2, stride=1, dilation=2),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # slower in torch, nothing else
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("conv", CONVS)
def test_random_networks(seed, conv):
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    height, width = (int(extent) for extent in generator.integers(9, 16, 2))
    body = nn.Sequential(
        nn.Conv2d(6, 6, **conv), nn.BatchNorm2d(6), POOLS[(seed + len(conv)) % 5], *([nn.ReLU()] if seed % 2 else []),
        nn.Conv2d(6, 5, 2, padding=1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1) if seed == 3 else nn.Identity(), nn.Flatten(),
    )  # fmt: skip
    inputs = torch.randn(12, 6, height, width) * 3
    module = nn.Sequential(body, nn.Linear(body(inputs).shape[1], 7)).eval()
    network = quantize(module, inputs, thresholds={"0.3": 9} if seed == 4 else None)
    acts = (inputs / network.input.scale).round().clamp(-127, 127).to(torch.int8).permute(0, 2, 3, 1).contiguous()
    expected = reference.run(network, acts.numpy())
    assert np.array_equal(quantized_forward(network)(acts).numpy(), expected.outputs)
    assert all(np.any(layer) for layer in expected.activations.values())
    real = module(inputs).detach().numpy()
    found = expected.outputs.reshape(12, 7) * network.scale(network.output)
    if seed != 4:
        assert np.abs(found - real).max() < 0.1 * np.abs(real).max()


def test_dead_channels_and_extreme_biases():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        module[0].weight[0] = 0.0  # bias alone
        module[0].weight[1] *= 1e-12
        module[0].bias[1] = 0.0
        module[0].weight[2], module[0].bias[2] = 0.0, 0.0
        module[0].bias[3] = -1e4  # never fires
    inputs = torch.rand(4, 2, 5, 5)
    network = quantize(module, inputs)
    assert max(abs(bound) for bound in network.accumulator_bounds(network.layers[0])) < 1 << 23
    acts = (inputs / network.input.scale).round().to(torch.int8).permute(0, 2, 3, 1).contiguous()
    expected = reference.run(network, acts.numpy())
    first = expected.activations["0"] * network.layers[0].out_scale
    assert np.allclose(first[..., 0], max(0.0, module[0].bias[0].item()), atol=network.layers[0].out_scale)
    assert not first[..., 2:].any()
    assert np.array_equal(quantized_forward(network)(acts).numpy(), expected.outputs)


def test_quantized_module_checks_its_inputs():
    network = quantize(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), torch.rand(3, 1, 6, 6))
    module = quantized_forward(network)
    with pytest.raises(ValueError, match="not int8"):
        module(torch.zeros(1, 6, 6, 1))
    with pytest.raises(ValueError, match="not int8"):
        module(torch.zeros(1, 1, 6, 6, dtype=torch.int8))
    with pytest.raises(ValueError, match=r"not within 0\.\.127"):
        module(torch.full((1, 6, 6, 1), -1, dtype=torch.int8))
