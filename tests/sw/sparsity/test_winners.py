"""Winners-take-all while training: rates that keep the energy, and the loop that lowers them."""

import pytest
import torch
from torch import nn

from quiesce.sw.quant import FatReLU, WinnerReLU, prepare
from quiesce.sw.sparsity import MethodError, Metrics, Verdict, WinnersTakeAll
from quiesce.sw.sparsity.winner_rate import EnergyShare, SpectrumShare
from quiesce.sw.train.models import build


def after(epoch, quality=0.9):
    return Metrics(epoch=epoch, loss=0.0, quality=quality, work=1.0, events=1.0)


def test_energy_of_neurons():
    share = EnergyShare()
    share.add(torch.tensor([[4.0, 0.0, 2.0, 4.0]]))  # squares 16, 16, 4, 0: shares 16/36, 32/36, 1, 1
    assert [share.winners(theta) for theta in (0.1, 0.44, 0.45, 0.88, 0.89, 1.0)] == [1, 1, 2, 2, 3, 3]
    share.add(torch.zeros(1, 4))  # everything from the first neuron on
    assert share.winners(0.7) == 1
    plain = EnergyShare(squared=False)
    plain.add(torch.tensor([[4.0, 0.0, 2.0, 4.0]]))
    assert [plain.winners(theta) for theta in (0.4, 0.41, 0.8, 0.81)] == [1, 2, 2, 3]


@pytest.mark.parametrize("squared", [True, False])
def test_spectrum_of_channels(squared):
    maps = torch.rand(6, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    maps[:, 4] = maps[:, 0]  # of rank four
    share = SpectrumShare(squared=squared)
    for part in maps.split(2):
        share.add(part)
    values = torch.linalg.svdvals(maps.double().permute(0, 2, 3, 1).reshape(-1, 5))
    energies = values.square() if squared else values
    shares = energies.cumsum(0) / energies.sum()
    for theta in (0.3, 0.8, 0.9, 0.99):
        assert share.winners(theta) == int((shares < theta).sum()) + 1
    assert share.winners(0.99999) == 4
    empty = SpectrumShare()
    empty.add(torch.zeros(1, 3, 2, 2))
    assert empty.winners(0.9) == 1


def train(method, module, images, epoch):
    """An epoch of steps without learning."""
    module.train()
    for step in range(4):
        method.begin_step(epoch + step / 4)
        module(images)
    module.eval()


@pytest.fixture
def images():
    return torch.rand(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_winners_are_lowered_while_the_quality_allows(images):
    module = build("lenet5", 0)
    method = WinnersTakeAll(tolerance=0.01, theta=0.9, step=0.1, least_step=0.06, epochs=2, images=32)
    with method.attached(module):
        assert isinstance(module.relu1, WinnerReLU)
        assert method.begin(after(0)) is Verdict.KEEP
        assert method.scalars()["winners_relu1"] == 0  # remembered without winners
        train(method, module, images, 0)
        first = method.scalars()
        assert first["theta"] == 0.9
        assert all(first[f"winners_relu{i}"] > 0 for i in (1, 2, 3, 4))
        assert first["winners_relu4"] < module.fc2.out_features
        assert module.relu1(torch.rand(2, 6, 4, 4)).any(dim=(2, 3)).sum(dim=1).tolist() == [first["winners_relu1"]] * 2
        assert method.epoch_end(after(1, 0.895)) is Verdict.KEEP  # accepted
        assert method.scalars()["winners_relu3"] == first["winners_relu3"]
        train(method, module, images, 1)
        second = method.scalars()
        assert second["theta"] == pytest.approx(0.8)
        assert second["winners_relu3"] < first["winners_relu3"]
        assert method.epoch_end(after(2, 0.5)) is Verdict.NONE  # one more epoch
        train(method, module, images, 2)
        assert method.epoch_end(after(3, 0.5)) is Verdict.ROLL_BACK  # half the step would be too small: the search is over
        train(method, module, images, 3)
        assert method.theta == 0.9
        assert method.epoch_end(after(4, 0.895)) is Verdict.NONE
        assert method.epoch_end(after(5, 0.896)) is Verdict.KEEP
    assert isinstance(module.relu1, WinnerReLU)
    assert not module.relu1._forward_hooks
    integer = prepare(module, images)
    winners = {layer.plan.name: layer.plan.winners for layer in integer.steps()}
    assert winners["fc2"] == second["winners_relu4"]  # nobody rolled the module back here
    with method.attached(integer):
        assert method.begin(after(6)) is Verdict.NONE


def test_a_failure_halves_the_step(images):
    module = build("mlp3", 0)
    method = WinnersTakeAll(tolerance=0.0, theta=0.9, step=0.2, least_step=0.05, epochs=1, images=16, baseline=0.9)
    with method.attached(module):
        method.begin(after(0))
        tried = []
        for epoch, quality in enumerate((0.9, 0.8, 0.8, 0.9, 0.9), 1):
            train(method, module, images, epoch - 1)
            tried.append(method.theta)
            method.epoch_end(after(epoch, quality))
    assert tried == pytest.approx([0.9, 0.7, 0.8, 0.85, 0.8])


def test_training_continues_from_its_state(images):
    method = WinnersTakeAll(tolerance=0.01, images=16)
    module = build("mlp3", 0)
    with method.attached(module):
        method.begin(after(0))
        train(method, module, images, 0)
        method.epoch_end(after(1))
        state, weights = method.state_dict(), module.state_dict()
    again, other = WinnersTakeAll(tolerance=0.01, images=16), build("mlp3", 1)
    with again.attached(other):
        other.load_state_dict(weights)
        again.load_state_dict(state)
        train(again, other, images, 1)
        resumed = again.scalars()
    with method.attached(module):
        train(method, module, images, 1)
        assert method.scalars() == resumed


def test_only_the_layers_named():
    module = nn.Sequential(nn.Linear(4, 6), FatReLU(0.25), nn.Linear(6, 6), nn.ReLU(), nn.ReLU6())
    with WinnersTakeAll(tolerance=0.1, layers=["1"], feature="mean").attached(module):
        assert isinstance(module[1], WinnerReLU)
        assert float(module[1].threshold) == 0.25
        assert type(module[3]) is nn.ReLU
    for layers in (["4"], ["6"]):
        with pytest.raises(MethodError), WinnersTakeAll(tolerance=0.1, layers=layers).attached(module):
            pass
    with pytest.raises(MethodError, match="no modules of ReLU"):
        WinnersTakeAll(tolerance=0.1).attach(nn.Sequential(nn.Linear(4, 6), nn.ReLU6()))


@pytest.mark.parametrize("wrong", [{"theta": 0}, {"theta": 1.1}, {"step": 0.001}, {"at": -1}, {"images": 0}, {"feature": "sum"},
                                   {"tolerance": float("nan")}, {"baseline": float("nan")}])  # fmt: skip
def test_bad_parameters(wrong):
    with pytest.raises(MethodError):
        WinnersTakeAll(**{"tolerance": 0.1} | wrong)
