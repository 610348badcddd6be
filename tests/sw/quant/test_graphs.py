"""Networks whose maps meet again: residual additions, concatenations, shortcuts without weights; FATReLU."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from quiesce.sw import reference
from quiesce.sw.format.container import dump_network, parse_network
from quiesce.sw.format.ops import ADD, CONV
from quiesce.sw.quant import FatReLU, UnsupportedOperationError, prepare, quantize, quantized_forward
from quiesce.sw.quant.trace import trace


class Residual(nn.Module):
    """The block of the ResNets for CIFAR, its shortcut without weights (He et al., 2016, option A)."""

    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(cin, cout, 3, stride, padding=1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.norm2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout)
        self.stride, self.more = stride, cout - cin

    def forward(self, x):
        out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.stride > 1 or self.more:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more // 2))
        out += x
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(Residual(4, 4), Residual(4, 8, 2), Residual(8, 8))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.head(F.avg_pool2d(x, x.size(3)).flatten(1))


class Inception(nn.Module):
    """Branches of different scales joined in every way that has a name."""

    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 3, padding=1)
        self.down = nn.Conv2d(13, 4, 1)
        self.fire = FatReLU(0.05)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = torch.cat([F.relu6(self.one(x)), self.three(x), x], dim=1)
        x = self.fire(F.max_pool2d(self.down(x), 2))
        x = torch.add(x, x).add(F.max_pool2d(x, 1))
        return self.head(torch.cat((x.mean((2, 3)), torch.amax(x, dim=[-1, -2], keepdim=True).flatten(1)), 1))


class Inverted(nn.Module):
    """The block of MobileNetV2, its sum without activation."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(3, 12, 1), nn.BatchNorm2d(12), nn.ReLU6(), nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.BatchNorm2d(12),
            nn.ReLU6(), nn.Conv2d(12, 3, 1), nn.BatchNorm2d(3),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        x = x + self.block(x)
        return self.head(x + self.block(x))


def settled(model, seed=0):
    """Module with plausible batch statistics, and inputs (N, 3, 12, 12)."""
    torch.manual_seed(seed)
    module, inputs = model().train(), torch.rand(16, 3, 12, 12) * 2 - 0.5
    with torch.no_grad():
        for _ in range(20):
            module(inputs)
    return module.eval(), inputs


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", [ResNet, Inception, Inverted])
def test_exact(model, seed):
    module, inputs = settled(model, seed)
    qat = prepare(module, inputs)
    network = qat.to_network("net")
    network = parse_network(dump_network(network))
    acts = (inputs / network.input.scale + 0.5).floor().clamp(-127, 127).to(torch.int8).permute(0, 2, 3, 1).contiguous()
    expected = reference.run(network, acts.numpy())
    assert np.array_equal(quantized_forward(network)(acts).numpy(), expected.outputs)
    assert all(np.any(layer) for layer in expected.activations.values())
    integers = expected.outputs.reshape(len(acts), -1)
    for training in (False, True):
        with torch.no_grad():
            found = qat.train(training)(inputs) / network.scale(network.output)
        assert np.array_equal(found.round().numpy(), integers)
    real = module(inputs).detach().numpy()
    assert np.abs(integers * network.scale(network.output) - real).max() < 0.15 * np.abs(real).max()


@pytest.mark.parametrize("model", [ResNet, Inception, Inverted])
def test_plan_computes_the_module(model):
    module, inputs = settled(model)
    *_, (_, out) = trace(module, inputs).forward(inputs)
    torch.testing.assert_close(out.flatten(1), module(inputs), rtol=1e-4, atol=1e-4)


def test_residual_layers():
    module, inputs = settled(ResNet)
    network = quantize(module, inputs)
    assert [layer.name for layer in network.layers if layer.op is ADD] == [f"blocks.{i}.add" for i in range(3)]
    shortcut = network.layer(network.layer("blocks.1.add").inputs[1])
    assert (shortcut.op, shortcut.stride, shortcut.weight.shape) == (CONV, (2, 2), (8, 1, 1, 4))
    assert shortcut.out_scale == network.layer(shortcut.inputs[0]).out_scale
    x = reference.run(network, np.random.default_rng(1).integers(-99, 127, (2, 12, 12, 3)).astype(np.int8)).activations
    plain = np.pad(x[shortcut.inputs[0]][:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (2, 2)))
    np.testing.assert_array_equal(x[shortcut.name], plain)


def test_gradients_pass_both_branches():
    module, inputs = settled(ResNet)
    qat = prepare(module, inputs).train()
    qat(inputs).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for name, parameter in qat.named_parameters()
               if name.endswith("weight"))  # fmt: skip


def test_weights_of_an_addition_follow_the_scales():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1, bias=False)
            nn.init.constant_(self.conv.weight, 4.0)

        def forward(self, x):
            return self.conv(x) + x

    network = quantize(Scaled(), torch.linspace(0, 1, 64).reshape(4, 1, 4, 4))
    joint = network.layer("add")
    assert joint.weight.tolist() == [127, 32]
    assert joint.multiplier[0] / 2.0 ** joint.shift[0] == pytest.approx(4 / 5 / 127, rel=1e-4)


@pytest.mark.parametrize("pool", [nn.Identity(), nn.MaxPool2d(2)])
def test_fat_relu(pool):
    module = nn.Sequential(nn.Conv2d(1, 3, 3), pool, FatReLU(0.2), nn.Conv2d(3, 2, 2))
    inputs = torch.randn(8, 1, 9, 9)
    *_, (_, out) = trace(module, inputs).forward(inputs)
    torch.testing.assert_close(out, module(inputs))
    network = quantize(module, inputs)
    first = network.layers[0]
    assert (first.low, first.threshold) == (0, int(0.2 / first.out_scale + 0.5))
    assert first.threshold > 0
    assert quantize(module, inputs, thresholds={"0": 3}).layers[0].threshold == 3


def test_fat_relu_alone():
    acts = torch.tensor([-1.0, 0.0, 0.1, 0.25, 3.0], requires_grad=True)
    fire = FatReLU(0.25)
    out = fire(acts)
    assert out.tolist() == [0.0, 0.0, 0.0, 0.25, 3.0]
    out.sum().backward()
    assert acts.grad.tolist() == [0, 0, 0, 1, 1]
    assert FatReLU()(acts).tolist() == F.relu(acts).tolist()
    again = FatReLU()
    again.load_state_dict(fire.state_dict())
    assert again.threshold == 0.25
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="threshold"):
            FatReLU(bad)


def test_a_threshold_above_the_ceiling_is_refused():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU6(), FatReLU(7.0))
    with pytest.raises(UnsupportedOperationError, match="threshold 7.0"):
        quantize(module, torch.rand(2, 1, 5, 5))
