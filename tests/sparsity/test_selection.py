"""Which weights go when a network is pruned."""

import pytest
import torch
from torch import nn

from quiesce.sw.sparsity import MethodError
from quiesce.sw.sparsity.selection import block_magnitudes, kept_weights, prune
from quiesce.sw.train.models import build


def weights_of(module):
    layers = [layer for layer in module.modules() if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.weight.requires_grad]
    return [layer.weight.detach() for layer in layers]


def weights(module):
    return torch.cat([weight.flatten() for weight in weights_of(module)])


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


@pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.999])
def test_balanced_channels_keep_equally_many_of_their_largest(sparsity):
    module, alike = build("resnet20", 0), build("resnet20", 0)
    before = [weight.clone() for weight in weights_of(module)]
    prune(module, sparsity)
    prune(alike, sparsity, balanced=True)
    for weight, reference, original in zip(weights_of(alike), weights_of(module), before, strict=True):
        kept = weight != 0
        (count,) = kept.flatten(1).sum(dim=1).unique().tolist()
        assert count == max(1, round(int(torch.count_nonzero(reference)) / len(reference)))
        assert torch.equal(weight[kept], original[kept])
        for chan, large in zip(original.abs(), kept, strict=True):
            assert large.all() or chan[~large].max() <= chan[large].min()


@pytest.mark.parametrize("balanced", [False, True])
def test_fixed_weights_stay(balanced):
    module = build("resnet20", 0)
    shortcut = module.layer2[0].shortcut.weight.clone()
    prune(module, 0.9, balanced=balanced)
    assert torch.equal(module.layer2[0].shortcut.weight, shortcut)


def test_block_magnitudes():
    weight = torch.tensor([[3.0, 0.0], [4.0, 0.0], [-2.0, 1.0]])
    assert torch.equal(block_magnitudes(weight, 1), weight.abs())
    expected = torch.tensor([[12.5**0.5, 0.0], [12.5**0.5, 0.0], [2.0, 1.0]])
    assert torch.allclose(block_magnitudes(weight, 2), expected)


def test_blocks_that_would_go_in_part_stay():
    weight = torch.tensor([[1.0, 5.0, 2.0], [1.0, 5.0, 2.0], [4.0, 3.0, 6.0], [4.0, 3.0, 6.0]])
    (mask,) = kept_weights([weight], sparsity=5 / 12, block=2)
    assert torch.equal(mask, torch.tensor([[False, True, False]] * 2 + [[True] * 3] * 2))
    (mask,) = kept_weights([weight], threshold=3.5, block=2)
    assert torch.equal(mask, torch.tensor([[False, True, False]] * 2 + [[True, False, True]] * 2))
    with pytest.raises(MethodError, match="either a threshold or a sparsity"):
        kept_weights([weight])
