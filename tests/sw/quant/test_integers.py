"""Integer parameters: sums that fit the accumulators with as little loss as possible, and numbers at the edge of float32."""

import pytest
import torch
from torch import nn

from quiesce.sw.format.errors import ScaleError
from quiesce.sw.format.ops import ADD
from quiesce.sw.quant import quantize
from quiesce.sw.quant.forms import form_of
from quiesce.sw.quant.forms.joins import sum_weights
from quiesce.sw.quant.integers import integer_parameters
from quiesce.sw.quant.plan import FloatLayer


def reach(found, low, high):
    """Largest magnitude of the sums of products."""
    weight = found.weight.double().flatten(1)
    ends = torch.stack([weight * low, weight * high])
    return torch.maximum(-ends.amin(dim=0).sum(dim=1), ends.amax(dim=0).sum(dim=1))


@pytest.mark.parametrize("in_range", [(0, 127), (-127, 127), (0, 7)])
@pytest.mark.parametrize("acc_width", [16, 20, 24, 32])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_sums_fit_any_accumulators(acc_width, in_range, bits):
    weight = torch.randn(6, 500, 3, 3, generator=torch.Generator().manual_seed(0))
    weight[0] = weight[0].abs()
    weight[1] = 0.25
    weight[2] = 0.0
    bias = torch.tensor([0.0, 30.0, -50.0, 1e3, -1e3, 1e-3])
    found = integer_parameters(weight, bias, 0.01, 1.0, bits, in_range, acc_width)
    limit = 2 ** (acc_width - 1) - 1
    sums, offset = reach(found, *in_range), found.bias.detach().abs()
    assert (sums + torch.where(offset <= limit / 8, offset, limit / 8)).max() <= limit
    assert (sums + offset).max() < 2**31
    if acc_width == 20:  # steps of random weights grow no further than necessary; with 16 bits one step each is too much
        assert (sums[[0, 3, 4, 5]][found.coarser[[0, 3, 4, 5]]] > 0.7 * limit).all()
    assert not found.coarser[2]
    wide = integer_parameters(weight, bias, 0.01, 1.0, bits, in_range, 32)
    assert not wide.coarser.any()
    assert (found.weight_scale >= wide.weight_scale * (1 - 1e-6)).all()
    error = (found.weight * found.weight_scale.reshape(-1, 1, 1, 1) - weight).flatten(1).abs().amax(dim=1)
    if bits == 8:
        assert (error <= 0.501 * found.weight_scale).all()


@pytest.mark.parametrize("n_inputs", [20000, 60000, 65535])
def test_equal_weights_keep_their_value(n_inputs):
    found = integer_parameters(torch.full((1, n_inputs), 1 / n_inputs), torch.zeros(1), 1 / 127, 1 / 127)
    assert found.coarser.tolist() == [True]
    assert found.weight.unique().tolist() == [n_inputs and (127 * 520 // n_inputs)]
    assert float(found.weight[0, 0] * found.weight_scale) * n_inputs == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("value", [1e-36, 1e-38, 1e-40, 1e-42, 1e-44])
@pytest.mark.parametrize("bias", [0.0, 1e-41, 0.5])
def test_weights_that_have_decayed_are_zeros(value, bias):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    nn.init.constant_(module[0].weight, value)
    nn.init.constant_(module[0].bias, bias)
    network = quantize(module, torch.randn(8, 3, 4, 4))
    first, second = network.layers
    assert not first.weight.any()
    assert first.bias.any() == (bias == 0.5)
    assert abs(second.weight).max() == 127
    expected = module[2].bias.detach() + module[2].weight.detach().sum(dim=(1, 2, 3)) * (0.5 if bias == 0.5 else 0.0)
    assert torch.allclose(module(torch.zeros(1, 3, 1, 1)).flatten(), expected, atol=1e-6)


def test_networks_of_tiny_numbers_keep_their_precision():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False))
    nn.init.normal_(module[0].weight, std=1e-20)
    network = quantize(module, torch.randn(8, 3, 4, 4))
    assert [abs(layer.weight).max() for layer in network.layers] == [127, 127]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(value):
    for weight, bias in ((torch.full((1, 2), value), torch.zeros(1)), (torch.ones(1, 2), torch.full((1,), value))):
        with pytest.raises(ScaleError):
            integer_parameters(weight, bias, 0.01, 1.0)


@pytest.mark.parametrize("ratio", [1, 4, 17, 20, 41, 63.5, 127])
def test_sums_have_exact_weights_where_they_matter(ratio):
    weights = sum_weights((ratio * 0.01, 0.01), 0.005)
    assert max(weights) <= 127
    assert weights[0] / weights[1] == pytest.approx(ratio, rel=1e-9)
    layer = FloatLayer(name="sum", sources=("a", "b"), op=ADD, in_shapes=((3, 1, 1), (3, 1, 1)))
    found = form_of(ADD).parameters(layer, (ratio * 0.01, 0.01), 0.005)
    assert found.weight.tolist() == list(weights)
    real = [weight * int(found.multiplier[0]) / 2 ** int(found.shift[0]) * 0.005 for weight in weights]
    assert real == pytest.approx([ratio * 0.01, 0.01], rel=1e-4)


def test_weights_of_sums_are_those_of_the_largest_unit_where_that_is_right():
    assert sum_weights((0.04, 0.01), 0.05) == (127, 32)  # wrong by a fifth of an output step
    assert sum_weights((0.04, 0.01), 0.01) == (124, 31)


@pytest.mark.parametrize("seed", range(20))
def test_weights_of_sums_are_the_best_of_their_kind(seed):
    generator = torch.Generator().manual_seed(seed)
    scales = tuple(torch.rand(2 + seed % 3, generator=generator).pow(3).clamp(min=1e-3).tolist())
    out = min(scales) * 2

    def error(weights):
        unit = max(scales) / max(weights)
        return sum(abs(weight * unit - scale) for weight, scale in zip(weights, scales, strict=True)) * 127 / out

    tops = [[max(1, int(top * scale / max(scales) + 0.5)) for scale in scales] for top in range(1, 128)]
    best = error(tops[-1]) if error(tops[-1]) <= 0.5 else min(map(error, tops))
    assert error(sum_weights(scales, out)) == pytest.approx(best)
