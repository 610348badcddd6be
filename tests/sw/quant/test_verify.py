"""A plan is compared with the module it was traced from."""

from contextlib import suppress

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from quiesce.sw.quant import CalibrationError, FatReLU, QuantizeError, quantize
from quiesce.sw.quant.trace import trace
from quiesce.sw.quant.verify import check_plan


class Net(nn.Module):
    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.a, self.b, self.c, self.d = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(6, 3, 1)
        self.fc, self.drop = nn.Linear(108, 4), nn.Dropout()

    def forward(self, x):
        return self.function(self, x)


INPUTS = torch.randn(20, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def second_name(net, x):
    h = net.a(x)
    y = h
    h += net.b(x)
    return net.c(y)


def concatenated(net, x):
    h = net.a(x)
    kept = [h]
    h += net.b(x)
    return net.d(torch.cat([*kept, h], 1))


def own_input(net, x):
    skip = x
    x += net.a(x)
    return net.b(x) + skip


def view(net, x):
    h = net.a(x)
    y = h.flatten(1)
    h += net.b(x)
    return net.fc(y)


def out_argument(net, x):
    h = net.a(x)
    torch.add(h, net.b(x), out=h)
    return net.c(h)


def active_dropout(net, x):
    return net.c(F.dropout(net.a(x), 0.5, training=True))


@pytest.mark.parametrize("function", [second_name, concatenated, own_input, view, out_argument, active_dropout])
def test_what_the_trace_does_not_show_is_refused(function):
    with pytest.raises(QuantizeError, match=r"layer '\w+' has an output that differs by \d+\.\d+%.* in-place operation"):
        quantize(Net(function), INPUTS)


def replaced(module):
    module[0].forward = lambda x: x[:, :2] * 2


def root_replaced(module):
    module.forward = lambda x: x


def hooked(module):
    module[0].register_forward_hook(lambda _, args, out: out + 0.1)


def root_hooked(module):
    module.register_forward_pre_hook(lambda _, args: (args[0] * 2,))


def always_training(module):
    module[2].train = lambda mode=True: module[2]
    module[2].training = True


@pytest.mark.parametrize("change", [replaced, root_replaced, hooked, root_hooked, always_training])
def test_changed_modules_are_refused(change):
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Dropout(), nn.Conv2d(2, 2, 1))
    change(module)
    with pytest.raises(QuantizeError, match="do not compute what it computes"):
        quantize(module, INPUTS)


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: net.c(net.a(x).add_(net.b(x))),
        lambda net, x: net.c(net.drop(F.relu(net.a(x), inplace=True))),
    ],
)
def test_harmless_in_place_operations_are_accepted(function):
    inputs = INPUTS.clone()
    network = quantize(Net(function), inputs)
    assert network.output == "c"
    assert torch.equal(inputs, INPUTS)


def test_inputs_stay_as_they_are_whatever_the_module_does():
    class Adds(Net):
        def forward(self, x):
            return self.c(x.add_(self.b(x)))

    inputs = INPUTS.clone()
    for module in (Adds(None), nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1))):
        with suppress(QuantizeError):
            quantize(module, inputs)
        assert torch.equal(inputs, INPUTS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_every_type_of_module(dtype):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))
    network = quantize(module.to(dtype), INPUTS.to(dtype))
    assert len(network.layers) == 3
    module[0].register_forward_hook(lambda _, args, out: out * 1.2)
    with pytest.raises(QuantizeError, match="differs by"):
        quantize(module, INPUTS.to(dtype))


def test_errors_and_shapes_of_the_module():
    plan = trace(nn.Sequential(nn.Conv2d(3, 2, 1)), INPUTS)

    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("missing")

    with pytest.raises(CalibrationError, match="do not fit the module: 'missing'"):
        check_plan(plan, Fails(), INPUTS)
    with pytest.raises(QuantizeError, match=r"output of shape \(16, 2, 6, 6\), not \(16, 3, 6, 6\)"):
        check_plan(plan, nn.Identity(), INPUTS)
    zero = nn.Sequential(nn.Conv2d(3, 2, 1))
    for parameter in zero.parameters():
        nn.init.zeros_(parameter)
    check_plan(trace(zero, INPUTS), zero, INPUTS)


def test_inputs_that_are_not_finite_are_refused():
    module = nn.Sequential(nn.Conv2d(3, 2, 1), FatReLU(0.1)).double()
    for value in (float("nan"), float("inf"), 1e300):
        with pytest.raises(CalibrationError, match="^calibration inputs are not finite"):
            quantize(module, torch.full((2, 3, 4, 4), value, dtype=torch.float64))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["weight", "bias"])
def test_parameters_that_are_not_finite_are_refused(name, value):
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU6(), nn.Conv2d(2, 2, 1))
    getattr(module[0], name).data.flatten()[1] = value
    with pytest.raises(CalibrationError, match="^0: a weight or bias is not finite"):
        quantize(module, INPUTS)
