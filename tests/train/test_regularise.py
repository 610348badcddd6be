"""Regularisers: numerical gradients, invariances, and the weighting by work."""

import pytest
import torch
from torch import nn

from quiesce.sw.quant import prepare
from quiesce.sw.train.models import build
from quiesce.sw.train.regularise import fan_out, hoyer, l1, layer_inputs, penalty


def acts(*shape, seed=0):
    values = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (values + 0.05 * values.sign()).requires_grad_()  # away from the kink at zero


@pytest.mark.parametrize("regulariser", [l1, hoyer])
def test_gradients(regulariser):
    assert torch.autograd.gradcheck(regulariser, (acts(3, 2, 4, 4),))
    assert torch.autograd.gradcheck(regulariser, (acts(5, 7),))


@pytest.mark.parametrize("kind", ["l1", "hoyer"])
def test_penalty_gradient(kind):
    assert torch.autograd.gradcheck(lambda a, b: penalty([(2.5, a), (40.0, b)], kind), (acts(2, 3, 2, 2), acts(2, 5, seed=1)))


def test_values():
    x = torch.tensor([[3.0, -4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    assert l1(x).item() == pytest.approx((7 + 2) / 2)
    assert hoyer(x).item() == pytest.approx((49 / 25 + 1) / 2, rel=1e-5)
    assert hoyer(100 * x).item() == pytest.approx(hoyer(x).item(), rel=1e-5)
    assert hoyer(torch.zeros(2, 4)).item() == 0


def test_penalty_is_a_work_weighted_mean():
    ones = [(7.0, torch.ones(4, 3, 2, 2, requires_grad=True)), (100.0, torch.ones(4, 9, requires_grad=True))]
    assert penalty(ones, "l1").item() == pytest.approx(1)
    assert penalty(ones, "hoyer").item() == pytest.approx(1, rel=1e-5)
    halved = [ones[0], (100.0, (torch.ones(4, 9) * 0.5).requires_grad_())]
    work = 7 * 12 + 100 * 9
    assert penalty(halved, "l1").item() == pytest.approx((7 * 12 + 50 * 9) / work)


def test_fan_out():
    assert fan_out(nn.Linear(5, 9)) == 9
    assert fan_out(nn.Conv2d(4, 8, (3, 5), stride=(1, 2), groups=2)) == 3 * 5 * 8 / (2 * 2)
    assert fan_out(nn.MaxPool2d(2)) == 1
    assert fan_out(nn.AvgPool2d(3, stride=(2, 1))) == 4.5
    with pytest.raises(TypeError, match="ReLU"):
        fan_out(nn.ReLU())


def test_layer_inputs_of_real_and_integer_networks_agree():
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    module = build("lenet5", 2).eval()
    with layer_inputs(module) as real:
        module(images)
    assert list(real) == ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "fc3"]
    qat = prepare(module, images).eval()
    with layer_inputs(qat) as integer:
        qat(images)
    for (real_fan_out, real_acts), (fan, values) in zip(real.values(), integer.values(), strict=True):
        assert fan == real_fan_out
        assert (values.flatten(1) - real_acts.flatten(1)).abs().max() < 0.05 * real_acts.abs().max()
    assert not real["conv1"][1].requires_grad  # the input takes no part in the penalty
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def test_hooks_go_even_after_an_error():
    module = build("mlp3", 0)
    with pytest.raises(RuntimeError), layer_inputs(module):
        module(torch.zeros(1, 1, 5, 5))
    assert not any(layer._forward_pre_hooks for layer in module.modules())
