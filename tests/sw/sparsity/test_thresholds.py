"""Thresholds of activations: as high as allowed, layer by layer, and carried over to the integers."""

import pytest
import torch
from torch import nn

from quiesce.sw.quant import FatReLU, prepare
from quiesce.sw.sparsity import FatReluThresholds, MethodError, Metrics, activity, search_thresholds
from quiesce.sw.train.models import build


def after(epoch):
    return Metrics(epoch=epoch, loss=0.0, quality=0.0, work=0.0, events=0.0)


def test_search_finds_the_allowed_threshold():
    layer, inputs = FatReLU(), torch.linspace(0, 1, 1001)

    def kept():
        return float((layer(inputs) > 0).sum()) / 1000

    found = search_thresholds({"only": layer}, kept, allowed=0.3, steps=12)
    assert found["only"] == pytest.approx(0.3, abs=2e-3)
    assert kept() >= 0.7
    assert search_thresholds({"only": layer}, kept, allowed=0.0)["only"] == pytest.approx(found["only"], abs=2e-3)
    assert not layer._forward_hooks


def test_layers_share_the_allowed_drop():
    layers, inputs = {"a": FatReLU(), "b": FatReLU()}, torch.linspace(0, 1, 1001)

    def kept():
        return sum(float((layer(inputs) > 0).sum()) for layer in layers.values()) / 2000

    found = search_thresholds(layers, kept, allowed=0.2, steps=12)
    assert found == pytest.approx({"a": 0.2, "b": 0.2}, abs=2e-3)


def test_method_replaces_searches_and_leaves_plain_modules():
    module, images = build("lenet5", 0).eval(), torch.rand(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    wanted = module(images)

    def quality(net):
        return -float((net(images) - wanted).abs().max())

    method = FatReluThresholds(quality, allowed=0.05, at=3)
    with torch.no_grad(), method.attached(module):
        assert isinstance(module.relu1, FatReLU)
        method.begin(after(0))
        assert quality(module) == 0
        with activity(module) as before:
            module(images)
        method.epoch_end(after(3))
        assert -0.05 <= quality(module) < 0
        thresholds = method.scalars()
        assert all(value > 0 for value in thresholds.values())
        with activity(module) as now:
            module(images)
    assert sum(now.events.values()) < sum(before.events.values())
    assert now.density("fc3") <= before.density("fc3")
    assert list(thresholds) == [f"threshold_relu{index}" for index in (1, 2, 3, 4)]
    assert float(module.relu1.threshold) == thresholds["threshold_relu1"]
    integer = prepare(module, images)
    assert sum(layer.threshold > 0 for layer in integer.steps()) >= 3
    with method.attached(integer):
        assert method.scalars() == {}
        method.epoch_end(after(4))


def test_state_and_errors():
    def quality(net):
        raise AssertionError("searched already")

    method = FatReluThresholds(quality, allowed=0.1)
    method.load_state_dict({"done": torch.tensor(1.0)})
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.ReLU6())
    with method.attached(module):
        method.begin(after(0))
        assert isinstance(module[1], FatReLU)
        assert isinstance(module[2], nn.ReLU6)
    with pytest.raises(MethodError, match="ReLU6 cannot"):
        FatReluThresholds(quality, allowed=0.1, layers=["2"]).attach(module)
    with pytest.raises(MethodError):
        FatReluThresholds(quality, allowed=-0.1)


def test_searches_that_would_do_nothing_are_refused():
    functional = nn.Sequential(nn.Linear(2, 2), nn.ReLU6())
    with pytest.raises(MethodError, match="no modules of ReLU"):
        FatReluThresholds(lambda net: 0.0, allowed=0.1).attach(functional)
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).eval()
    late = FatReluThresholds(lambda net: 0.0, allowed=0.1, at=2)
    with late.attached(prepare(module, torch.rand(4, 2))), pytest.raises(MethodError, match="no modules of ReLU"):
        late.epoch_end(after(2))
    for bad in ({"allowed": float("nan")}, {"allowed": -1.0}, {"allowed": 0.1, "steps": 0}):
        with pytest.raises(MethodError, match="allowed"):
            search_thresholds({"only": FatReLU()}, lambda: 0.0, **bad)
        with pytest.raises(MethodError, match="allowed"):
            FatReluThresholds(lambda net: 0.0, **bad)
