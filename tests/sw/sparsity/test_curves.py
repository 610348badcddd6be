"""Functions of activations against their equations, and gradients against finite differences."""

import pytest
import torch

from quiesce.sw.sparsity.curves import L1, Count, PartialL1, Tl1, applied, real, total

EQUATIONS = {
    "l1": (L1(), lambda x: x.abs()),
    "partial": (PartialL1(0.8), lambda x: torch.where(x.abs() < 0.8, x.abs(), 0.0)),
    "count": (Count(5.0), lambda x: torch.sigmoid(5 * x)),
    "tl1": (Tl1(0.3), lambda x: 1.3 * x.abs() / (0.3 + x.abs())),
}


def acts(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 4, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", EQUATIONS)
def test_values_and_slopes(name):
    curve, equation = EQUATIONS[name]
    x = acts().requires_grad_()
    before = x.detach().clone()
    found, expected = applied(x, curve), equation(x)
    torch.testing.assert_close(found, expected)
    weight = acts(1)
    (gradient,) = torch.autograd.grad((found * weight).sum(), x)
    (wanted,) = torch.autograd.grad((equation(x) * weight).sum(), x)
    torch.testing.assert_close(gradient, wanted)
    assert torch.equal(x.detach(), before)


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("axes", [None, (0,), (0, 2)])
def test_totals(name, axes):
    curve, equation = EQUATIONS[name]
    x = acts().requires_grad_()
    found = total(x, curve, scale=0.5, axes=axes)
    expected = equation(0.5 * x).sum(dim=axes or (0, 1, 2))
    torch.testing.assert_close(found, expected)
    weight = torch.rand(found.shape, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((found * weight).sum(), x)
    (wanted,) = torch.autograd.grad((equation(0.5 * x).sum(dim=axes or (0, 1, 2)) * weight).sum(), x)
    torch.testing.assert_close(gradient, wanted)


def test_the_slope_of_a_magnitude_at_zero_is_zero():
    for curve in (L1(), PartialL1(1.0), Tl1(0.5)):
        x = torch.zeros(3, requires_grad=True)
        (gradient,) = torch.autograd.grad(total(x, curve), x)
        assert not gradient.any()


def test_half_precision_is_summed_in_single():
    x = torch.full((4096, 4), 0.1, dtype=torch.bfloat16)
    assert real(x, 1.0).dtype == torch.float32 and real(x.double(), 1.0).dtype == torch.float64
    found = total(x, L1())
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(x.double().sum()), rel=1e-5)
