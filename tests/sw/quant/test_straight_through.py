"""Straight-through functions: integers forward, the gradient of the unrounded function backward."""

import numpy as np
import pytest
import torch

from quiesce.sw.format.requantize import requantize as exact
from quiesce.sw.format.requantize import rescale
from quiesce.sw.quant.straight_through import requantize, round_half_up


def test_round_half_up_forward_and_backward():
    real = torch.tensor([-1.5, -0.5, -0.2, 0.5, 2.5, 2.4], requires_grad=True)
    rounded = round_half_up(real)
    assert rounded.tolist() == [-1, 0, 0, 1, 3, 2]
    (rounded * torch.arange(6.0)).sum().backward()
    assert real.grad.tolist() == [0, 1, 2, 3, 4, 5]


def test_requantize_equals_the_format():
    generator = np.random.default_rng(1)
    for low, high, threshold in ((0, 127, 0), (-127, 127, 0), (0, 90, 17)):
        acc = generator.integers(-(2**30), 2**30, (50, 6, 2, 3))
        acc[:10] >>= 14
        multiplier, shift = generator.integers(1, 65536, 6), generator.integers(0, 48, 6)
        multiplier[0], shift[0], shift[1] = 1, 0, 47
        expected = exact(acc.transpose(0, 2, 3, 1), multiplier, shift, low, high, threshold).transpose(0, 3, 1, 2)
        tensors = torch.from_numpy(acc).double(), torch.from_numpy(multiplier), torch.from_numpy(shift)
        found = requantize(*tensors, low, high, threshold)
        assert np.array_equal(found.numpy(), expected)


def test_the_formula_is_the_same_for_arrays_of_torch():
    acc, multiplier, shift = np.arange(-3000, 3000).reshape(-1, 2), np.array([40000, 1]), np.array([20, 0])
    for low, high, threshold in ((0, 127, 0), (-127, 127, 0), (-127, -5, 0), (0, 90, 17)):
        found = rescale(*map(torch.from_numpy, (acc, multiplier, shift)), low, high, threshold)
        assert np.array_equal(found.numpy(), exact(acc, multiplier, shift, low, high, threshold))
    assert (found == 0).any()


@pytest.mark.parametrize(("low", "threshold"), [(0, 0), (0, 20), (-127, 0)])
def test_requantize_gradient_is_that_of_the_unrounded_rescale(low, threshold):
    multiplier, shift = torch.tensor([40000, 50000]), torch.tensor([18, 20])
    factor = (multiplier / 2.0**shift).reshape(-1, 1, 1).double()
    acc = torch.linspace(-3500, 4500, 800, dtype=torch.float64).round().reshape(400, 2, 1, 1).requires_grad_()
    requantize(acc, multiplier, shift, low, 127, threshold).sum().backward()
    step = 1e-3

    def smooth(x):
        q = (x * factor).clamp(low, 127)
        return torch.where(q >= threshold, q, 0) if threshold else q

    slope = (smooth(acc.detach() + step) - smooth(acc.detach() - step)) / (2 * step)
    real = acc.detach() * factor
    # Away from the kinks, and from where rounding alone decides.
    regular = ((real - 127).abs() > 1) & ((real - low).abs() > 1) & ((real - threshold).abs() > 1)
    assert regular.sum() > 700
    torch.testing.assert_close(acc.grad[regular], slope[regular])
    assert (acc.grad == 0).any()
    assert (acc.grad[real < -5] > 0).any() == (low < 0)
