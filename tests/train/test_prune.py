"""Pruning before training: which weights go."""

import pytest
import torch
from torch import nn

from quiesce.sw.train.models import build
from quiesce.sw.train.prune import prune


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
