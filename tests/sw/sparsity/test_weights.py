"""Sparse weights: which go, that they stay away whatever the optimiser does, and the penalty that prepares them."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm
from torch.nn.utils import prune as torch_prune

from quiesce.sw.quant import prepare
from quiesce.sw.sparsity import HeldZeros, MethodError, Metrics, Pruning, Schedule, WeightPenalty
from quiesce.sw.sparsity.selection import prune
from quiesce.sw.sparsity.sites import weight_layers
from quiesce.sw.sparsity.weight_penalty import weight_penalty
from quiesce.sw.train.models import build


def after(epoch):
    return Metrics(epoch=epoch, loss=0.0, quality=0.0, work=0.0, events=0.0)


def weights(module):
    return [layer.weight.detach().clone() for layer in weight_layers(module).values()]


def train(module, inputs):
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
    names, before, method = set(trained.state_dict()), weights(trained), HeldZeros()
    with method.attached(trained):
        assert method.scalars()["weight_sparsity"] == pytest.approx(0.7, abs=0.01)
        train(trained, inputs)
    assert set(trained.state_dict()) == names
    for weight, old in zip(weights(trained), before, strict=True):
        assert bool((weight[old == 0] == 0).all())
        assert not torch.equal(weight, old)


def test_dense_modules_are_left_alone():
    module = build("mlp3", 0)
    names = set(module.state_dict())
    with HeldZeros().attached(module):
        assert set(module.state_dict()) == names


def test_pruning_by_threshold_at_its_epoch():
    module = build("mlp3", 0)
    module.fc1.weight.data[0, 0] = 0.0
    method = Pruning(threshold=0.02, at=2, layers=["fc1", "fc2"])
    before = weights(module)
    with method.attached(module):
        for epoch in (0, 1):
            method.epoch_end(after(epoch))
            assert torch.equal(module.fc1.weight, before[0])
        method.epoch_end(after(2))
        train(module, torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    new = weights(module)
    for index in (0, 1):
        assert torch.equal(new[index] == 0, before[index].abs() < 0.02)
    assert not bool((new[2] == 0).any())
    module.fc1.weight.data[1, :] = 0.0
    with method.attached(module):  # a later phase holds, and prunes no more
        assert method.begin(after(3)) == method.epoch_end(after(4))
        assert int((module.fc1.weight == 0).sum()) == int((module.fc1.weight.data == 0).sum())
        assert bool((module.fc1.weight[1] == 0).all())


def test_pruning_by_share_in_blocks():
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(24, 10))
    method = Pruning(sparsity=0.5, block=4)
    with method.attached(module):
        method.begin(after(0))
        assert method.sparsity() == pytest.approx(0.5, abs=0.02)
    for layer in (module[0], module[2]):
        for part in layer.weight.split(4):  # blocks go or stay as a whole
            assert bool(((part == 0).all(dim=0) | (part != 0).all(dim=0)).all())


def test_resuming_a_pruning():
    def run(epochs, module, method, state=None):
        with method.attached(module):
            if state is not None:
                module.load_state_dict(state[0])
                method.load_state_dict(state[1])
            for epoch in epochs:
                train(module, torch.ones(2, 1, 28, 28))
                method.epoch_end(after(epoch))
            state = {name: tensor.clone() for name, tensor in module.state_dict().items()}, method.state_dict()
        return state

    whole, parts = build("mlp3", 0), build("mlp3", 0)
    run((1, 2, 3), whole, Pruning(sparsity=0.5, at=2))
    state = run((1, 2), build("mlp3", 0), Pruning(sparsity=0.5, at=2))
    run((3,), parts, Pruning(sparsity=0.5, at=2), state)
    assert all(torch.equal(one, other) for one, other in zip(weights(whole), weights(parts), strict=True))
    assert bool((parts.fc1.weight == 0).any())


def test_balanced_pruning_is_that_before_training():
    module, other = build("mlp3", 0), build("mlp3", 0)
    prune(other, 0.8, balanced=True)
    method = Pruning(sparsity=0.8, balanced=True)
    with method.attached(module):
        method.begin(after(0))
    assert all(torch.equal(one, two) for one, two in zip(weights(module), weights(other), strict=True))
    assert "equally many" in method.describe()


def test_two_masks_on_one_weight_are_refused():
    module = build("mlp3", 0)
    with Pruning(sparsity=0.5).attached(module), pytest.raises(MethodError, match="another method parametrises"):
        Pruning(sparsity=0.5).attach(module)
    assert not any(parametrize.is_parametrized(layer) for layer in module.modules())


@pytest.mark.parametrize(
    "parameters",
    [{}, {"threshold": 0.1, "sparsity": 0.5}, {"threshold": 0.0}, {"sparsity": 1.0}, {"sparsity": 0.5, "at": -1},
     {"sparsity": 0.5, "block": 0}, {"sparsity": float("nan")}, {"threshold": float("inf")},
     {"sparsity": 0.5, "block": 2, "balanced": True}],
)  # fmt: skip
def test_bad_prunings(parameters):
    with pytest.raises(MethodError):
        Pruning(**parameters)


DERIVED = [
    lambda layer: parametrizations.weight_norm(layer),
    lambda layer: parametrizations.spectral_norm(layer),
    lambda layer: torch_prune.l1_unstructured(layer, "weight", 0.1),
    lambda layer: spectral_norm(layer),
    lambda layer: weight_norm(layer),
]


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("change", DERIVED)
def test_weights_that_are_made_from_others(change):
    def module():
        made = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        change(made[0])
        return made

    refusing = module()
    with pytest.raises(MethodError, match="^0: .*first$"):
        Pruning(sparsity=0.5).attach(refusing)
    assert not parametrize.is_parametrized(refusing[2])  # nothing is left behind
    dense, method = module(), WeightPenalty(1.0)
    with method.attached(dense):
        dense(torch.ones(1, 4)).sum()
        method.loss().backward()
    behind = [parameter for name, parameter in dense[0].named_parameters() if name != "bias" and parameter.ndim == 2]
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in behind)
    zeros = module()
    zeros(torch.ones(1, 4))
    if bool((zeros[0].weight == 0).any()):
        with pytest.raises(MethodError, match="^0: .*first$"):
            HeldZeros().attach(zeros)
    else:
        with HeldZeros().attached(zeros):
            assert zeros(torch.ones(1, 4)).shape == (1, 2)


@pytest.mark.parametrize("method", [Pruning(sparsity=0.5), Pruning(threshold=0.1, layers=[]), WeightPenalty(1.0)])
def test_methods_without_weights_are_refused(method):
    with pytest.raises(MethodError, match="no trained weights"):
        method.attach(nn.Sequential(nn.Flatten(), nn.ReLU()))
    with HeldZeros().attached(nn.ReLU()):
        pass


@pytest.mark.parametrize("block", [1, 2, 4])
def test_gradient_of_the_weight_penalty(block):
    generator = torch.Generator().manual_seed(block)
    first, second = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((5, 3, 2, 2), (4, 6)))
    assert torch.autograd.gradcheck(lambda *w: weight_penalty(w, block), (first.requires_grad_(), second.requires_grad_()))
    zero = torch.zeros(4, 3, requires_grad=True)
    weight_penalty([zero], block).backward()
    assert torch.equal(zero.grad, torch.zeros(4, 3))


def test_weight_penalty_on_its_schedule():
    module = nn.Linear(3, 4)
    method = WeightPenalty(2.0, schedule=Schedule(1, 3, 1))
    mean = module.weight.abs().mean()
    with Pruning(sparsity=0.0).attached(module), method.attached(module):
        shares = []
        for epochs in (0.5, 1.5, 2.5, 3.5):
            method.begin_step(epochs)
            value = method.loss()
            shares.append(0.0 if value is None else value.item() / (2 * mean.item()))
    assert shares == pytest.approx([0, 0.5, 1, 0])
    assert weight_penalty([torch.ones(4, 3)], 2).item() == pytest.approx(1)  # no larger for being in blocks
    for block in (0, -1, 1.5):
        with pytest.raises(MethodError, match="block"):
            weight_penalty([torch.ones(4, 3)], block)
    with pytest.raises(MethodError, match="no weights"):
        weight_penalty([])
    for bad in ({"coefficient": -1.0}, {"coefficient": 1.0, "block": 0}):
        with pytest.raises(MethodError):
            WeightPenalty(**bad)
    with pytest.raises(MethodError, match="0 <= first < last"):
        Schedule(2, 2)
