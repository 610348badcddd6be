"""Which weights go when a network is pruned."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm
from torch.nn.utils import prune as torch_prune

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


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("sparsity", [50, 1.5, 1.0, -0.5, float("nan"), float("inf"), "0.5", True])
def test_shares_that_are_none_are_refused(sparsity, balanced):
    module = net()
    before = weights(module)
    with pytest.raises(MethodError, match="sparsity: .* is not at least 0 and below 1"):
        prune(module, sparsity, balanced=balanced)
    assert torch.equal(weights(module), before)


@pytest.mark.parametrize("parameters", [{"threshold": float("nan")}, {"threshold": -1.0}, {"threshold": 0.1, "block": 0},
                                        {"sparsity": 0.5, "block": -2}, {"sparsity": 0.5, "block": 2.0}])  # fmt: skip
def test_bad_selections(parameters):
    with pytest.raises(MethodError, match="threshold|block"):
        kept_weights([torch.ones(4, 3)], **parameters)


DERIVED = [
    lambda layer: parametrizations.spectral_norm(layer),
    lambda layer: parametrizations.weight_norm(layer),
    lambda layer: torch_prune.l1_unstructured(layer, "weight", 0.1),
    lambda layer: spectral_norm(layer),
    lambda layer: weight_norm(layer),
]


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("change", DERIVED)
def test_weights_that_are_made_from_others_are_refused(change):
    module = net()
    change(module[0])
    before = module[3].weight.detach().clone()
    with pytest.raises(MethodError, match="^0: .*first$"):
        prune(module, 0.8)
    assert torch.equal(module[3].weight, before)  # nothing is done by halves


def test_permanent_weights_are_pruned():
    module = net()
    torch_prune.l1_unstructured(module[0], "weight", 0.1)
    torch_prune.remove(module[0], "weight")
    parametrizations.weight_norm(module[3])
    parametrize.remove_parametrizations(module[3], "weight")
    prune(module, 0.8)
    assert (weights(module) == 0).float().mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("module", [nn.ReLU(), nn.Sequential(nn.Flatten()), nn.Linear(2, 2).requires_grad_(False)])
def test_modules_without_trained_weights_are_refused(module):
    with pytest.raises(MethodError, match="no trained weights"):
        prune(module, 0.5)


def test_block_magnitudes():
    weight = torch.tensor([[3.0, 0.0], [4.0, 0.0], [-2.0, 1.0]])
    assert torch.equal(block_magnitudes(weight, 1), weight.abs())
    expected = torch.tensor([[12.5**0.5, 0.0], [12.5**0.5, 0.0], [2.0, 1.0]])
    assert torch.allclose(block_magnitudes(weight, 2), expected)
    assert torch.allclose(block_magnitudes((weight * 256).half(), 2), expected * 256)  # squares beyond float16


def test_blocks_that_would_go_in_part_stay():
    weight = torch.tensor([[1.0, 5.0, 2.0], [1.0, 5.0, 2.0], [4.0, 3.0, 6.0], [4.0, 3.0, 6.0]])
    (mask,) = kept_weights([weight], sparsity=5 / 12, block=2)
    assert torch.equal(mask, torch.tensor([[False, True, False]] * 2 + [[True] * 3] * 2))
    (mask,) = kept_weights([weight], threshold=3.5, block=2)
    assert torch.equal(mask, torch.tensor([[False, True, False]] * 2 + [[True, False, True]] * 2))
    with pytest.raises(MethodError, match="either a threshold or a sparsity"):
        kept_weights([weight])
