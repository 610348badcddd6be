"""Fewer bits than eight: scales, ranges, exactness and training."""

import numpy as np
import pytest
import torch
from torch import nn

from quiesce.sw import reference
from quiesce.sw.quant import QuantizeError, Widths, prepare, quantize, quantized_forward
from quiesce.sw.quant.calibrate import Calibration
from quiesce.sw.quant.integers import integer_parameters
from tests.sw.quant.brightness import descend, problem

WIDTHS = Widths(weights=2, activations=4, weights_of={"0": 8, "6": 4})


def toy(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3)
    )


def test_widths_and_ranges_of_a_network():
    images, _ = problem()
    network = quantize(toy(), images, widths=WIDTHS)
    first, pool, second, last = network.layers
    assert [layer.weight_bits for layer in (first, second, last)] == [8, 2, 4]
    assert [layer.bits for layer in network.layers] == [4, 4, 4, 8]  # the pool has its input's width, the output the full one
    assert network.input.bits == 8
    assert [(layer.low, layer.high) for layer in network.layers] == [(0, 7), (0, 7), (0, 7), (-127, 127)]
    assert np.abs(first.weight).max() == 127
    assert set(np.unique(second.weight)) == {-1, 0, 1}
    assert 4 <= np.abs(last.weight).max() <= 7
    assert pool.out_scale == first.out_scale


def test_means_of_narrow_signed_maps_keep_their_negative_side():
    torch.manual_seed(0)
    module, images = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AvgPool2d(2)), torch.randn(64, 1, 6, 6)
    network = quantize(module, images, widths=Widths(activations=4))
    conv, mean = network.layers
    assert [(layer.bits, layer.low, layer.high) for layer in (conv, mean)] == [(4, -7, 7), (8, -127, 127)]
    inputs = (images / network.input.scale + 0.5).floor().permute(0, 2, 3, 1).numpy().astype(np.int8)
    real = reference.run(network, inputs).outputs * mean.out_scale
    expected = module(images).detach().permute(0, 2, 3, 1).numpy()
    assert abs(real.min() - expected.min()) < 0.2 * abs(expected.min())


def test_the_input_may_be_narrow():
    images, _ = problem()
    network = quantize(toy(), images - 0.2, widths=Widths(activations_of={"input": 4}))
    assert (network.input.bits, network.input.low, network.input.high) == (4, -7, 7)
    assert network.input.scale == pytest.approx((images - 0.2).abs().max().item() / 7)
    assert {layer.bits for layer in network.layers} == {8}


@pytest.mark.parametrize("calibration", Calibration)
def test_torch_equals_reference(calibration):
    images, labels = problem()
    module = toy()
    descend(module, images, labels, 40)  # the scales of an untrained network would clip the trained one
    qat = prepare(module, images, widths=WIDTHS, calibration=calibration)
    losses = descend(qat, images, labels, 20)
    assert losses[-1] < 0.7 * losses[0]
    qat.eval()
    network = qat.to_network("toy")
    acts = (images / network.input.scale + 0.5).floor().clamp(0, 127).to(torch.int8).permute(0, 2, 3, 1).contiguous()
    expected = reference.run(network, acts.numpy())
    assert expected.activations["3"].max() == 7
    with torch.no_grad():
        trained = (qat(images) / network.scale(network.output)).round().numpy()
    assert np.array_equal(expected.outputs.reshape(-1, 3), trained)
    assert np.array_equal(quantized_forward(network)(acts).numpy(), expected.outputs)


@pytest.mark.parametrize(("bits", "share"), [(8, 0.0002), (4, 0.02), (2, 0.25)])
def test_rounding_error_of_weights(bits, share):
    """Of normally distributed weights, against their variance; 2 bits can reach 0.19."""
    weight = torch.randn(4, 2000, generator=torch.Generator().manual_seed(3))
    integers = integer_parameters(weight, torch.zeros(4), 1.0, 1.0, bits)
    error = integers.weight * integers.weight_scale[:, None] - weight
    assert error.square().mean().item() < share
    assert integers.weight.abs().max() == (1 << (bits - 1)) - 1


def test_clipped_weights_keep_their_gradient():
    weight = torch.tensor([[0.1, -0.1, 0.1, -0.1, 1.0]], requires_grad=True)
    integers = integer_parameters(weight, torch.zeros(1), 1.0, 1.0, 2)
    assert integers.weight.tolist() == [[0, 0, 0, 0, 1]]
    integers.weight.sum().backward()
    assert (weight.grad > 0).all()


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"weights": 3}, "weights: 3 is not one of 2, 4, 8 bits"),
        ({"activations": 2}, "activations: 2 is not one of 4, 8 bits"),
        ({"weights_of": {"0": 16}}, "weights_of: 0: 16"),
        ({"activations_of": 4}, "activations_of: 4 is not a table"),
    ],
)
def test_rejected_widths(widths, message):
    with pytest.raises(QuantizeError, match=message):
        Widths(**widths)


@pytest.mark.parametrize("names", [{"weights_of": {"input": 4}}, {"activations_of": {"9": 4}}])
def test_unknown_layers(names):
    with pytest.raises(QuantizeError, match="there is no such layer"):
        prepare(toy(), problem(8)[0], widths=Widths(**names))
