"""Penalties: numerical gradients, invariances, the weighting by work, and plain modules afterwards."""

import pytest
import torch
from torch import nn

from quiesce.sw.quant import prepare
from quiesce.sw.sparsity import REGULARISERS, ActivationPenalty, MethodError, Schedule, regulariser
from quiesce.sw.sparsity.penalty import penalty
from quiesce.sw.sparsity.regularisers import count, hoyer, l1, partial_l1, tl1
from quiesce.sw.sparsity.sites import LayerInput, layer_inputs
from quiesce.sw.train.models import build


def acts(*shape, seed=0):
    values = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (values + 0.05 * values.sign()).requires_grad_()  # away from the kink at zero


@pytest.mark.parametrize(
    "function",
    [l1, hoyer, count, partial_l1, regulariser("partial_l1", threshold=1.5), tl1, regulariser("tl1", b=0.01),
     regulariser("tl1", b=10)],
)  # fmt: skip
def test_gradients(function):
    assert torch.autograd.gradcheck(function, (acts(3, 2, 4, 4),))
    assert torch.autograd.gradcheck(function, (acts(5, 7),))


def test_gradient_of_tl1_is_the_derived_one():
    x = acts(2, 9)
    (gradient,) = torch.autograd.grad(tl1(x, b=0.3), x)
    expected = x.sign() * 0.3 * 1.3 / (0.3 + x.abs()) ** 2 / 2
    assert torch.allclose(gradient, expected)


def test_gradients_at_zero_are_zero():
    for function in (l1, partial_l1, tl1, hoyer):
        x = torch.zeros(2, 3, requires_grad=True)
        (gradient,) = torch.autograd.grad(function(x), x)
        assert torch.equal(gradient, torch.zeros(2, 3))


@pytest.mark.parametrize("kind", sorted(REGULARISERS))
def test_penalty_gradient(kind):
    def value(first, second):
        return penalty([LayerInput("a", 2.5, first), LayerInput("b", 40.0, second)], regulariser(kind))

    assert torch.autograd.gradcheck(value, (acts(2, 3, 2, 2), acts(2, 5, seed=1)))


def test_values():
    x = torch.tensor([[3.0, -4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    assert l1(x).item() == pytest.approx((7 + 2) / 2)
    assert partial_l1(x, threshold=3.5).item() == pytest.approx((3 + 2) / 2)
    assert hoyer(x).item() == pytest.approx((49 / 25 + 1) / 2, rel=1e-5)
    assert hoyer(100 * x).item() == pytest.approx(hoyer(x).item(), rel=1e-5)
    assert hoyer(torch.zeros(2, 4)).item() == 0
    assert count(x).item() == pytest.approx((2 + 5 * 0.5) / 2)
    assert tl1(x, b=1.0).item() == pytest.approx((6 / 4 + 8 / 5 + 4 / 3) / 2)
    assert tl1(x, b=1e-9).item() == pytest.approx(3 / 2)  # the number of nonzeros
    assert tl1(x, b=1e9).item() == pytest.approx(l1(x).item())


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [("l2", {}, "'l2' is not one of l1"), ("l1", {"b": 1}, "l1 has no parameter 'b'"), ("tl1", {"b": 0}, "b: 0 is not above 0"),
     ("tl1", {"b": float("inf")}, "b: inf is not"), ("partial_l1", {"threshold": True}, "threshold: True")],
)  # fmt: skip
def test_bad_regularisers(kind, parameters, message):
    with pytest.raises(MethodError, match=message):
        regulariser(kind, **parameters)


def test_functions_check_what_their_names_check():
    for function in (lambda: tl1(torch.ones(1), b=-1.0), lambda: partial_l1(torch.ones(1), threshold=float("nan"))):
        with pytest.raises(MethodError, match="is not above 0"):
            function()


def test_modules_without_layers_are_refused():
    with pytest.raises(MethodError, match="no layers"):
        ActivationPenalty("l1", 1.0).attach(nn.ReLU())


def ones(fan, *shape, value=1.0):
    return LayerInput("any", fan, torch.full(shape, value, requires_grad=True))


def test_penalty_is_a_work_weighted_mean():
    inputs = [ones(7.0, 4, 3, 2, 2), ones(100.0, 4, 9)]
    assert penalty(inputs, l1).item() == pytest.approx(1)
    assert penalty(inputs, hoyer).item() == pytest.approx(1, rel=1e-5)
    work = 7 * 12 + 100 * 9
    assert penalty([inputs[0], ones(100.0, 4, 9, value=0.5)], l1).item() == pytest.approx((7 * 12 + 50 * 9) / work)
    assert penalty([LayerInput("input", 3.0, torch.ones(2, 2))], l1) is None


def loss_of(method, module, inputs, epochs=1.0):
    method.begin_step(epochs)
    module(inputs)
    return method.loss()


def test_method_adds_the_penalty_of_the_training_pass():
    module, images = build("mlp3", 0), torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    with layer_inputs(module) as inputs:
        module(images)
    expected = penalty(inputs, regulariser("tl1", b=0.5))
    method = ActivationPenalty("tl1", 3.0, schedule=Schedule(warmup=4.0), b=0.5)
    with method.attached(module):
        assert torch.equal(loss_of(method, module, images), 3.0 * 0.25 * expected)
        assert torch.equal(loss_of(method, module, images, epochs=9.0), 3.0 * expected)
        assert method.loss() is None  # each pass counts once
        module.eval()
        assert loss_of(method, module, images) is None
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def test_method_of_named_layers_and_of_none():
    module, images = build("mlp3", 0), torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    with layer_inputs(module, ["fc3"]) as inputs:
        module(images)
    method = ActivationPenalty("l1", 2.0, layers=["fc3"])
    with method.attached(module):
        assert torch.equal(loss_of(method, module, images), 2.0 * penalty(inputs, l1))
    with ActivationPenalty("l1", 0.0).attached(module) as nothing:
        assert nothing is None
    with pytest.raises(MethodError, match="no layer 'fc4'; there are fc1, fc2, fc3"):
        ActivationPenalty("l1", 1.0, layers=["fc4"]).attach(module)
    with pytest.raises(MethodError, match="at least 0"):
        ActivationPenalty("l1", -1.0)


def test_method_on_the_integer_module():
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    module = build("mlp3", 2).train()
    method = ActivationPenalty("l1", 1.0, layers=["fc2", "fc3"])
    with method.attached(module):
        real = loss_of(method, module, images)
    integer = prepare(module.eval(), images).train()
    with method.attached(integer):
        value = loss_of(method, integer, images)
    assert value.item() == pytest.approx(real.item(), rel=0.05)
    value.backward()
    assert isinstance(integer.layers[0].weight, nn.Parameter)
    assert integer.layers[0].weight.grad is not None


@pytest.mark.parametrize("kind", sorted(REGULARISERS))
def test_scale_stands_for_larger_activations(kind):
    function, x = regulariser(kind), acts(3, 2, 4, 4)
    assert torch.autograd.gradcheck(lambda steps: function(steps, scale=0.3), (x,))
    assert function(x, scale=0.3).item() == pytest.approx(function(0.3 * x).item(), rel=1e-12)


@pytest.mark.parametrize("kind", sorted(REGULARISERS))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_regularisers_of_many_parts_and_in_bfloat16(kind, layout, monkeypatch):
    function = regulariser(kind)
    exact = acts(7, 3, 6, 5)
    (expected,) = torch.autograd.grad(function(exact), exact)
    monkeypatch.setattr("quiesce.sw.quant.parts._PART", 2 * 90)  # two images of seven
    for dtype, error in ((torch.float64, 1e-12), (torch.bfloat16, 0.05)):
        x = exact.detach().to(dtype).contiguous(memory_format=layout).requires_grad_()
        value = function(x)
        (gradient,) = torch.autograd.grad(value, x)
        assert value.dtype == torch.promote_types(dtype, torch.float32)
        assert value.item() == pytest.approx(function(exact).item(), rel=error)
        assert gradient.dtype == dtype
        assert gradient.is_contiguous(memory_format=layout)
        if kind != "count":  # the slope of which is as steep as the input is coarse
            torch.testing.assert_close(gradient.double(), expected, rtol=error, atol=error)


def test_an_input_that_several_layers_read_makes_one_term():
    x, calls = acts(2, 6), []

    def counted(steps, *, scale):
        calls.append(scale)
        return l1(steps, scale=scale)

    shared = penalty([LayerInput("a", 2.0, x), LayerInput("b", 3.0, x)], counted)
    assert calls == [1.0]
    assert shared.item() == pytest.approx(l1(x).item() / 6)
    assert penalty([LayerInput("a", 2.0, x, 0.5), LayerInput("b", 3.0, x)], counted).item() < shared.item()
