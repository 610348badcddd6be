"""Layers too wide for the accumulators: what is made up for, what is said, what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from quiesce.spec.config import preset
from quiesce.sw import reference
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.program import compile_network
from quiesce.sw.quant import PrecisionWarning, QuantizeError, prepare, quantize
from quiesce.sw.quant.precision import bias_corrections
from quiesce.sw.quant.trace import trace


def decibels(module, inputs, **options):
    """Quality of the integer network beside the real one."""
    network = quantize(module, inputs, **options)
    acts = (inputs / network.input.scale + 0.5).floor().clamp(network.input.low, network.input.high).to(torch.int8)
    acts = acts.reshape(len(acts), *(inputs.shape[1:] if inputs.ndim == 4 else (-1, 1, 1))).permute(0, 2, 3, 1).contiguous()
    found = reference.run(network, acts.numpy()).outputs.transpose(0, 3, 1, 2) * network.scale(network.output)
    with torch.no_grad():
        real = module(inputs).double().numpy().reshape(found.shape)
    return 10 * np.log10(np.square(real).sum() / np.square(found - real).sum())


def linear(n_inputs, kind, n_outputs=4):
    torch.manual_seed(0)
    layer = nn.Linear(n_inputs, n_outputs, bias=False)
    if kind == "mean":
        nn.init.constant_(layer.weight, 1 / n_inputs)
    return nn.Sequential(layer), torch.rand(16, n_inputs)


@pytest.mark.parametrize(
    ("n_inputs", "kind", "least"), [(9216, "uniform", 34), (25088, "uniform", 27), (20000, "mean", 40), (60000, "mean", 40)]
)
def test_wide_layers_keep_what_fits(n_inputs, kind, least):
    assert decibels(*linear(n_inputs, kind)) > least


@pytest.mark.parametrize("bias", [3.0, -0.4, 20.0])
@pytest.mark.parametrize("n_inputs", [1000, 30000, 57000])
def test_large_biases_cost_weights_nothing(n_inputs, bias):
    """A core adds 32 bits of bias behind its accumulators."""
    module, inputs = linear(n_inputs, "mean")
    module[0].bias = nn.Parameter(torch.full((4,), bias))
    assert decibels(module, inputs) > 35
    network = quantize(module, inputs)
    assert network.layers[0].weight.all()
    compile_network(network, preset("base"))


def test_saturated_channels_may_lose_their_weights():
    module, inputs = linear(3000, "uniform")
    module.append(nn.ReLU())
    module[0].bias = nn.Parameter(torch.tensor([0.0, -1e5, 0.1, -1e7]))
    assert decibels(module, inputs) > 30


def test_precision_that_is_lost_is_said():
    with pytest.warns(PrecisionWarning, match=r"^0: so that sums of 65,535 products fit accumulators of 24 bits.*acc_width"):
        narrow = decibels(*linear(65535, "uniform"))
    assert narrow > 20
    assert decibels(*linear(65535, "uniform"), acc_width=32) > 40


def test_layers_that_would_vanish_are_refused():
    module, inputs = linear(9216, "uniform")
    with pytest.raises(QuantizeError, match=r"^0: so that sums of 9,216 products fit accumulators of 16 bits"):
        quantize(module, inputs, acc_width=16)
    for acc_width in (15, 33):
        with pytest.raises(QuantizeError, match="acc_width"):
            prepare(module, inputs, acc_width=acc_width)


def test_the_compiler_proves_the_sums_again():
    module, inputs = linear(9216, "uniform", n_outputs=2)
    for acc_width in (24, 32):
        network = quantize(module, inputs, acc_width=acc_width)
        (layer,) = network.layers
        assert max(map(abs, network.accumulator_bounds(layer))) < 1 << (acc_width - 1)
        compile_network(network, preset("base", acc_width=acc_width))
    with pytest.raises(CompileError, match="acc_width 24"):
        compile_network(network, preset("base"))


class Sum(nn.Module):
    """ReLU of a map that is large and negative where it is not 0, and a small one."""

    def __init__(self, ratio, joined=False):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 1, bias=False), nn.Conv2d(2, 4, 1, bias=False)
        self.joined = joined
        for conv, chan, value in ((self.a, 0, -ratio), (self.b, 1, 1.0)):
            nn.init.zeros_(conv.weight)
            conv.weight.data[:, chan] = value

    def forward(self, x):
        if self.joined:
            return torch.cat([self.a(x), self.b(x)], 1)
        return torch.relu(self.a(x) + self.b(x))


def masked():
    torch.manual_seed(0)
    inputs = torch.rand(64, 2, 6, 6)
    inputs[:, 0] *= torch.rand(64, 6, 6) < 0.5
    return inputs


@pytest.mark.parametrize("ratio", [1, 4, 11.3, 17, 33.4, 50, 61.7])
def test_sums_of_unequal_maps_keep_the_small_one(ratio):
    assert decibels(Sum(ratio), masked()) > 30


@pytest.mark.parametrize("ratio", [90, 250, 1000])
def test_sums_that_no_integers_can_tell_apart_are_refused(ratio):
    with pytest.raises(QuantizeError, match="^add: it adds maps that reach a .*, b 1 and keeps .* of the sum"):
        quantize(Sum(ratio), masked())


def test_sums_that_are_always_zero_are_accepted():
    module = nn.Sequential(Sum(1), nn.Conv2d(4, 2, 1))
    module[0].b.bias = nn.Parameter(torch.full((4,), -1000.0))
    network = quantize(module, masked())
    assert not reference.run(network, np.full((1, 6, 6, 2), 127, np.int8)).activations["0.add"].any()
    assert decibels(module, masked()) > 30


def test_joined_maps_of_unequal_magnitude_are_said():
    assert quantize(Sum(20, joined=True), masked()).layers[-1].out_scale == pytest.approx(20 / 127, rel=0.01)
    with pytest.warns(PrecisionWarning, match="^cat: b reaches 1, only 0.5 steps"):
        quantize(Sum(250, joined=True), masked())


@pytest.mark.parametrize("layer", [nn.Conv2d(6, 4, 3, groups=2), nn.Conv2d(6, 4, 1), nn.Linear(6, 3)])
def test_biases_make_up_for_the_mean_error(layer):
    torch.manual_seed(0)
    inputs = torch.rand(64, 6)
    if isinstance(layer, nn.Conv2d):  # each pixel alike: the mean that a kernel sees is that of the map, borders or not
        inputs = inputs[:, :, None, None].repeat(1, 1, 5, 5)
    plan = trace(nn.Sequential(layer), inputs)
    (traced,) = plan.layers
    maps = inputs.reshape(64, *plan.in_shape)
    step = next(prepare(nn.Sequential(layer), inputs).steps())
    integers = step.integers()
    assert bias_corrections(plan, maps, {"0": integers}) == {}
    integers.weight.data = (integers.weight.detach() / 40).round() * 40  # as if the steps were 40 times as large
    integers.coarser[0] = True
    correction = bias_corrections(plan, maps, {"0": integers})["0"]
    assert not correction[1:].any()
    rounded = integers.weight * integers.weight_scale.reshape(-1, *(1,) * (integers.weight.ndim - 1))
    real = traced.forward(maps)
    traced.weight = rounded.detach()
    lost = (real - traced.forward(maps)).mean(dim=(0, 2, 3))
    assert float(correction[0]) == pytest.approx(float(lost[0]), rel=1e-3, abs=1e-5)
    assert abs(float(lost[0])) > 1e-3
