"""Pruning: which weights go, and that they stay away whatever the optimiser does."""

import pytest
import torch
from torch import nn

from quiesce.sw.quant import prepare
from quiesce.sw.train.models import build
from quiesce.sw.train.prune import hold_zeros, prune


def weights(module):
    layers = [layer for layer in module.modules() if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.weight.requires_grad]
    return torch.cat([layer.weight.detach().flatten() for layer in layers])


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.8])
def test_the_smallest_of_all_weights_go(sparsity):
    module = build("lenet5", 0)
    before, state = weights(module), {name: tensor.clone() for name, tensor in module.state_dict().items()}
    prune(module, sparsity)
    after = weights(module)
    gone = after == 0
    assert int(gone.sum()) == round(sparsity * len(after))
    assert torch.equal(after[~gone], before[~gone])
    if sparsity:
        assert before[gone].abs().max() <= before[~gone].abs().min()
    assert torch.equal(module.fc1.bias, state["fc1.bias"])


def test_fixed_weights_stay():
    module = build("resnet20", 0)
    shortcut = module.layer2[0].shortcut.weight.clone()
    prune(module, 0.9)
    assert torch.equal(module.layer2[0].shortcut.weight, shortcut)


def step(module, inputs):
    optimiser = torch.optim.AdamW([parameter for parameter in module.parameters() if parameter.requires_grad], lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        module(inputs).square().sum().backward()
        optimiser.step()


@pytest.mark.parametrize("integer", [False, True])
def test_zeros_stay_zeros_in_training(integer):
    inputs = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    module = build("mlp3", 0)
    prune(module, 0.7)
    trained = prepare(module, inputs) if integer else module
    names = set(trained.state_dict())
    layers = [layer for layer in trained.modules() if getattr(layer, "weight", None) is not None]
    before = [layer.weight.detach().clone() for layer in layers]
    with hold_zeros(trained):
        step(trained, inputs)
    assert set(trained.state_dict()) == names
    for layer, weight in zip(layers, before, strict=True):
        assert bool((layer.weight[weight == 0] == 0).all())
        assert not torch.equal(layer.weight, weight)


def test_dense_modules_are_left_alone():
    module = build("mlp3", 0)
    names = set(module.state_dict())
    with hold_zeros(module):
        assert set(module.state_dict()) == names
