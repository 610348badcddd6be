"""The trainer: what it does when a method asks for it, and its learning rate."""

import pytest
import torch
from torch import nn

from quiesce.sw.sparsity import Method, Verdict
from quiesce.sw.train.loop import Trainer, measure
from quiesce.sw.train.models import build
from quiesce.sw.train.recipe import Phase, Recipe

IMAGES = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(64) % 10


def trainer(**phase):
    settings = Phase(**{"epochs": 4, "rate": 1e-2} | phase)
    recipe = Recipe(name="small", model="mlp3", seed=1, batch=16, real=settings, integer=Phase(epochs=0, rate=1e-3))
    return Trainer(build("mlp3", 0), recipe, settings, 0, Method(), 0)


def epoch(one):
    one.run_epoch(IMAGES, LABELS, torch.arange(len(IMAGES)), lambda images: None)
    return {name: tensor.clone() for name, tensor in one.module.state_dict().items()}


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in second)


def test_verdicts():
    one = trainer()
    start = {name: tensor.clone() for name, tensor in one.module.state_dict().items()}
    one.follow(Verdict.ROLL_BACK | Verdict.RESTART)  # nothing was remembered
    one.follow(Verdict.MARK)
    kept = epoch(one)
    one.follow(Verdict.KEEP)
    epoch(one)
    one.follow(Verdict.ROLL_BACK)
    assert equal(one.module.state_dict(), kept)
    last = epoch(one)
    assert not equal(last, kept)
    one.follow(Verdict.KEEP | Verdict.RESTART)
    assert equal(one.module.state_dict(), start)
    assert not one.optimiser.state_dict()["state"]
    one.follow(Verdict.STOP)
    assert (one.epoch, one.trained) == (4, 3)
    one.finish()
    assert equal(one.module.state_dict(), last)


def test_without_anything_kept_the_last_epoch_stands():
    one = trainer()
    last = epoch(one)
    one.finish()
    assert equal(one.module.state_dict(), last)


def test_state_holds_what_is_remembered():
    one, other = trainer(), trainer()
    one.follow(Verdict.MARK)
    kept = epoch(one)
    one.follow(Verdict.KEEP)
    epoch(one)
    other.restore(2, {group: dict(tensors) for group, tensors in one.state().items()})
    assert equal(epoch(one), epoch(other))
    other.follow(Verdict.ROLL_BACK)
    assert equal(other.module.state_dict(), kept)


@pytest.mark.parametrize(("restarts", "expected"), [((), [1.0, 0.5, 0.0]), ((1,), [1.0, 0.75, 0.0]), ((2,), [1.0, 1.0, 0.0])])
def test_learning_rate(restarts, expected):
    one, rates = trainer(restarts=restarts), []
    for epochs in (0.0, 2.0, 4.0 - 1e-9):
        one._set_rate(epochs)
        rates.append(one.optimiser.param_groups[0]["lr"] / 1e-2)
    assert rates == pytest.approx(expected, abs=1e-6)


def test_measure():
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 10))
    images = torch.tensor([[[[1.0, 0.0], [0.0, 2.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    metrics = measure(module, images, torch.tensor([0, 1]), 3, 0.25)
    hidden = sum(int((torch.relu(module[1](image.flatten())) > 0).sum()) for image in images)
    assert metrics.events == pytest.approx((2 + hidden) / 2)
    assert metrics.work == pytest.approx((2 * 8 + hidden * 10) / 2)
    assert (metrics.epoch, metrics.loss) == (3, 0.25)
    assert metrics.quality in (0.0, 0.5, 1.0)
