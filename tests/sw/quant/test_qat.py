"""Quantisation-aware training: gradients reach the weights, and the network has the integers that were trained."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from quiesce.sw import reference
from quiesce.sw.quant import prepare, quantized_forward
from quiesce.sw.quant.integers import integer_parameters
from tests.sw.quant.brightness import descend, problem


def toy(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(24, 3),
    )  # fmt: skip


def test_training_lowers_the_loss_and_keeps_exactness():
    images, labels = problem()
    module = toy()
    descend(module, images, labels, 40)  # the scales of an untrained network would clip the trained one
    qat = prepare(module, images)
    losses = descend(qat, images, labels, 30)
    assert losses[-1] < 0.7 * losses[0]
    qat.eval()
    network = qat.to_network("toy", {"origin": "test"})
    assert network.metadata == {"origin": "test"}
    acts = (images / network.input.scale + 0.5).floor().clamp(0, 127).to(torch.int8).permute(0, 2, 3, 1).contiguous()
    with torch.no_grad():
        trained = (qat(images) / network.scale(network.output)).round().numpy()
    assert np.array_equal(reference.run(network, acts.numpy()).outputs.reshape(-1, 3), trained)
    assert np.array_equal(quantized_forward(network)(acts).reshape(-1, 3).numpy(), trained)


def test_gradients_follow_the_real_network():
    """With fine steps the gradients of the integer network approach those of the real-valued one."""
    images, labels = problem(64)
    module = toy(1)
    qat = prepare(module, images)
    cross_entropy(module(images), labels).backward()
    cross_entropy(qat(images), labels).backward()
    weights = [parameter for name, parameter in module.named_parameters() if name.endswith("weight")]
    found = [layer.weight for layer in qat.steps() if layer.weight is not None]
    assert len(weights) == len(found) == 3
    for real, integer in zip(weights, found, strict=True):
        cosine = torch.nn.functional.cosine_similarity(real.grad.flatten(), integer.grad.flatten(), dim=0)
        assert cosine.item() > 0.95


def test_state_is_that_of_a_plain_module():
    images, _ = problem(8)
    first, second = prepare(toy(1), images), prepare(toy(1), images)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(0.01)
    second.load_state_dict(first.state_dict())
    for left, right in zip(first.to_network("a").layers, second.to_network("a").layers, strict=True):
        if left.weight is not None:
            assert np.array_equal(left.weight, right.weight)
            assert np.array_equal(left.bias, right.bias)


def test_weight_scales_are_per_channel():
    weight = torch.tensor([[1.0, -0.5], [0.01, 0.02], [0.0, 0.0]])
    integers = integer_parameters(weight, torch.tensor([0.1, 0.0, 0.0]), 0.5, 0.25)
    # 0.5 / (1 / 127) = 63.5 rounds half up, also below zero.
    assert integers.weight[:2].tolist() in ([[127, -63], [64, 127]], [[127, -63], [63, 127]])
    assert integers.bias.tolist() == [25, 0, 0]  # 0.1 / (0.5 / 127) = 25.4
    ratio = integers.multiplier / 2.0**integers.shift
    torch.testing.assert_close(ratio[:2], torch.tensor([2 / 127, 0.04 / 127]), rtol=1e-4, atol=0)
    assert (integers.weight[2] == 0).all()
    assert (integers.multiplier >= 1).all()


@pytest.mark.parametrize("in_range", [(0, 127), (-127, 127)])
@pytest.mark.parametrize("n_inputs", [100, 3000, 60000])
def test_no_activations_overflow_24_bits(n_inputs, in_range):
    """Weights of one sign are the worst case; such channels get coarser weights, the others keep theirs."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, n_inputs, generator=generator)
    weight[0] = weight[0].abs() + 1
    weight[1] = -weight[0]
    weight[3, 1:] = 0
    found = integer_parameters(weight, torch.ones(4), 0.01, 100.0, 8, in_range)
    low, high = in_range
    sums = torch.stack([found.weight.double() * low, found.weight.double() * high])
    least, greatest = sums.amin(dim=0).sum(dim=1) + found.bias, sums.amax(dim=0).sum(dim=1) + found.bias
    assert least.min() >= -(2**23)
    assert greatest.max() < 2**23
    assert found.weight[3, 0].abs() == 127
    coarser = n_inputs > 100
    assert (found.weight[0].max() < 127) == coarser
    assert torch.allclose(found.weight_scale[:, None] * found.weight, weight, atol=float(found.weight_scale.max()) * 0.51)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_inputs_of_any_type_are_rounded_as_the_same_values_in_float32(dtype):
    torch.manual_seed(0)
    inputs = (torch.randn(64, 3, 6, 6) * 3e-3).to(dtype)  # steps that float16 has no quotients for
    module = prepare(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU()), inputs.float()).eval()
    found = module(inputs)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    if dtype != torch.float64:
        assert torch.equal(found, module(inputs.float()))
