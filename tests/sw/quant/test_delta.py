"""Activations in learned steps: their gradients by the equations, and their way into the scales of maps."""

import numpy as np
import pytest
import torch
from torch import nn

from quiesce.sw.quant import quantize, quantized_forward
from quiesce.sw.quant.delta import DeltaActivation, whole_steps
from quiesce.sw.quant.errors import UnsupportedOperationError


def test_outputs_by_hand():
    acts = torch.tensor([[-1.0, 0.2, 0.25, 0.7, 1.26]])
    assert whole_steps(acts, torch.tensor(0.5)).tolist() == [[0.0, 0.0, 0.5, 0.5, 1.5]]


def test_gradients_by_hand():
    acts = torch.tensor([[-1.0, 0.2, 0.7, 1.3]], requires_grad=True)
    step = torch.tensor(0.5, requires_grad=True)
    whole_steps(acts, step).backward(torch.tensor([[5.0, 7.0, 2.0, 3.0]]))
    assert acts.grad.tolist() == [[0.0, 7.0, 2.0, 3.0]]
    # -(0 x 5 + 0 x 7 + 1 x 2 + 3 x 3): the sign is inverted
    assert step.grad.item() == -11.0


@pytest.mark.parametrize("shape", [(), (3,), (3, 2, 2)])
def test_gradients_are_those_of_the_equations(shape):
    random = torch.Generator().manual_seed(2)
    acts = torch.randn(4, 3, 2, 2, generator=random, requires_grad=True)
    layer = DeltaActivation(torch.rand(shape, generator=random) + 0.1)
    weight = torch.randn(4, 3, 2, 2, generator=random)
    (layer(acts) * weight).sum().backward()
    other = acts.detach().clone().requires_grad_()
    step = layer.theta.detach().clone().requires_grad_()
    q = step.reshape(3, 1, 1) if step.ndim == 1 else step
    s = torch.relu(other)
    rounded = torch.floor(s / q + 0.5).detach()  # neither s nor the path through 1 / q
    y = s + (rounded * q).detach() - s.detach() - rounded * (q - q.detach())
    (y * weight).sum().backward()
    assert torch.allclose(layer(acts), y)
    assert torch.allclose(acts.grad, other.grad)
    assert torch.allclose(layer.theta.grad, step.grad, rtol=1e-5)


def test_a_loss_of_changes_makes_steps_coarser():
    layer = DeltaActivation(torch.tensor(0.1))
    acts = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    out = layer(acts)
    (out[1] - out[0]).abs().mean().backward()
    assert layer.theta.grad.item() < 0


def test_negative_theta_is_the_same_step():
    layer = DeltaActivation(torch.tensor(0.5))
    layer.theta.data.neg_()
    acts = torch.tensor([[0.7, 1.3]])
    layer(acts).sum().backward()
    assert layer(acts).tolist() == [[0.5, 1.5]]
    assert layer.theta.grad.item() == 4.0  # dq / dtheta = -1


@pytest.mark.parametrize("step", [torch.zeros(()), torch.tensor(float("nan")), torch.ones(2, 2), -torch.ones(3)])
def test_bad_steps(step):
    with pytest.raises(ValueError, match="steps of shape"):
        DeltaActivation(step)


class Net(nn.Module):
    """Depthwise and plain convolutions, pools of both kinds, a flattened map; steps of ``shape`` each."""

    def __init__(self, steps, pool=None, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.relu1 = DeltaActivation(steps[0])
        self.pool = pool or nn.Identity()
        self.conv2 = nn.Conv2d(4, 8, 3, groups=groups)
        self.norm2 = nn.BatchNorm2d(8)
        self.relu2 = DeltaActivation(steps[1])
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(8 * 4 if pool else 8 * 36, 3)

    def forward(self, inputs):
        acts = self.pool(self.relu1(self.conv1(inputs)))
        return self.fc(self.flatten(self.relu2(self.norm2(self.conv2(acts)))))


def made(steps, **options):
    torch.manual_seed(3)
    module = Net(steps, **options)
    module.norm2.running_var.uniform_(0.2, 2.0)
    module.norm2.running_mean.uniform_(-0.2, 0.2)
    return module.eval()


INPUTS = torch.randint(0, 128, (32, 2, 8, 8), generator=torch.Generator().manual_seed(4)) / 127
CHANNELS = torch.linspace(0.05, 0.2, 4), torch.linspace(0.02, 0.1, 8).flip(0)


@pytest.mark.parametrize("options", [{}, {"groups": 2}, {"groups": 4}, {"pool": nn.MaxPool2d(2)}, {"pool": nn.AvgPool2d(2)}])
def test_steps_are_the_scales_of_maps(options):
    module = made(CHANNELS, **options)
    network = quantize(module, INPUTS, input_scale=1 / 127)
    assert network.scale("conv1") == pytest.approx(0.2)
    assert network.scale("conv2") == pytest.approx(0.1)
    acts = torch.round(INPUTS * 127).to(torch.int8).permute(0, 2, 3, 1).contiguous()
    hidden = {}
    with torch.no_grad():
        integer = quantized_forward(network)
        integer.layers[0].register_forward_hook(lambda layer, maps, out: hidden.update(conv1=out))
        found = integer(acts).flatten(1) * network.scale(network.output)
        real = module(INPUTS)
        steps = torch.round(module.relu1(module.conv1(INPUTS)) / CHANNELS[0].reshape(4, 1, 1))
    # Each channel of the map counts its own steps; weights of 8 bits may move what is near a half.
    differing = (hidden["conv1"].float() - steps).abs()
    assert differing.max() <= 1
    assert differing.mean() < 0.02
    assert (found - real).square().mean().sqrt() < 0.08 * real.square().mean().sqrt()


def test_steps_too_fine_for_the_activations_are_made_coarser():
    module = made((torch.tensor(1e-4), torch.tensor(1e-4)))
    network = quantize(module, INPUTS, input_scale=1 / 127)
    peak = float(torch.relu(module.conv1(INPUTS)).detach().max())
    assert network.scale("conv1") == pytest.approx(peak / 127)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((torch.full((4, 8, 8), 0.1), CHANNELS[1]), "DeltaActivation at module 'relu1'.*steps of single neurons"),
        ((CHANNELS[0][:1], CHANNELS[1]), "steps of single neurons"),
    ],
)
def test_refused_steps(steps, message):
    with pytest.raises(UnsupportedOperationError, match=message):
        quantize(made(steps), INPUTS)


class Residual(nn.Module):
    def __init__(self, step):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.relu1 = DeltaActivation(step)

    def forward(self, inputs):
        acts = self.relu1(self.conv1(inputs))
        return self.conv2(acts) + acts


def test_joined_maps_need_one_step_each():
    with pytest.raises(UnsupportedOperationError, match="add: steps per channel: the layer reads a map of them"):
        quantize(Residual(torch.tensor([0.1, 0.2])), INPUTS)
    network = quantize(Residual(torch.tensor([0.1, 0.1])), INPUTS)
    assert network.scale("conv1") == pytest.approx(0.1)


def test_steps_per_channel_at_the_output_are_refused():
    module = nn.Sequential(nn.Conv2d(2, 2, 1), DeltaActivation(torch.tensor([0.1, 0.2])))
    with pytest.raises(UnsupportedOperationError, match="output of the network"):
        quantize(module, INPUTS)
    assert np.isclose(quantize(nn.Sequential(module[0], DeltaActivation(torch.tensor(0.1))), INPUTS).scale("0"), 0.1)
