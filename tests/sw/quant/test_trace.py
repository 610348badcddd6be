"""What quantisation accepts, how it merges layers, and how it refuses the rest."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from quiesce.sw.format.errors import FormatError
from quiesce.sw.format.ops import AVGPOOL, CONV
from quiesce.sw.quant import CalibrationError, QuantizeError, UnsupportedOperationError, quantize
from quiesce.sw.quant.calibrate import Calibration, activation_scales
from quiesce.sw.quant.trace import trace


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Functional(nn.Module):
    """Every supported operation that is a function or a method."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.head = nn.Linear(16, 3)

    def forward(self, x, unused=None):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        x = F.dropout(F.avg_pool2d(x, kernel_size=2, stride=1), training=self.training)
        x = F.max_pool2d(x, 2).relu()
        return self.head(x.contiguous().view(x.size(0), x.shape[1] * 4))


def test_functions_and_methods():
    module = Functional().eval()
    inputs = images(5, 2, 12, 12)
    plan = trace(module, inputs)
    assert [layer.op.name for layer in plan.layers] == ["conv", "maxpool", "avgpool", "maxpool", "linear"]
    assert [layer.relu for layer in plan.layers] == [True, False, True, True, False]
    *_, (_, out) = plan.forward(inputs)
    torch.testing.assert_close(out.flatten(1), module(inputs))


def test_batch_norm_is_folded():
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 6), nn.BatchNorm1d(6)
    )
    inputs = images(30, 3, 4, 4)
    for _ in range(20):
        module(inputs)
    module.eval()
    plan = trace(module, inputs)
    assert len(plan.layers) == 2
    *_, (_, out) = plan.forward(inputs)
    torch.testing.assert_close(out.flatten(1), module(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("relu", [nn.ReLU(), nn.ReLU6()])
def test_relu_after_maximum_pooling_moves_before_it(relu):
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), relu, nn.Conv2d(2, 2, 2))
    inputs = images(8, 1, 8, 8) * 40
    network = quantize(module, inputs)
    assert [layer.low for layer in network.layers] == [0, 0, -127]
    plan = trace(module, inputs)
    *_, (_, out) = plan.forward(inputs)
    torch.testing.assert_close(out, module(inputs))
    if isinstance(relu, nn.ReLU6):
        assert network.layers[0].high == min(127, int(6 / network.layers[0].out_scale + 0.5))


def test_relu_stays_after_a_pool_when_the_convolution_has_other_readers():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.pool, self.next = nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1)

        def forward(self, x):
            x = self.conv(x)
            self.next(x)
            return self.next(torch.relu(self.pool(x)))

    plan = trace(Branches(), images(2, 1, 6, 6))
    assert {layer.name: layer.relu for layer in plan.layers}["conv"] is False
    assert {layer.name: layer.relu for layer in plan.layers}["pool"] is True


class Wrapped(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.function = function

    def forward(self, x):
        return self.function(self.conv(x))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x - x, r"sub at node 'sub' \(test_trace.py:\d+: .*\): no integer counterpart"),
        (lambda x: x + 1, "add at node 'add'.*unless all operands are maps"),
        (lambda x: torch.add(x, x, alpha=2), "alpha"),
        (lambda x: x + x[:, :, ::6, ::6], r"maps of the shapes \(4, 6, 6\), \(4, 1, 1\)"),
        (lambda x: x.flatten(1) + x.flatten(1), "flattened before"),
        (lambda x: torch.cat([x, x], 2), "only along the channels"),
        (lambda x: torch.cat([x] * 65, 1), "65 maps: at most 64"),
        (lambda x: (x.add_(F.relu(x)), x)[1], "read afterwards"),
        (lambda x: x[:, :2], "every n-th row and column"),
        (lambda x: x[:, :, 1:], "every n-th row and column"),
        (lambda x: x[:, ::2], "every n-th row and column"),
        (lambda x: F.pad(x, (1, 1)), "only zeros, only of channels"),
        (lambda x: F.pad(x, (0, 0, 0, 0, 1, 1), value=2.0), "only zeros, only of channels"),
        (lambda x: x.mean(1), "over the axes 1"),
        (lambda x: torch.mean(x), "over the axes None"),
        (lambda x: x.sigmoid(), "sigmoid at node 'sigmoid'"),
        (torch.tanh, r"tanh at node 'tanh' \(test_trace.py:\d+"),
        (lambda x: F.max_pool2d(x, 2, ceil_mode=True), "ceil_mode"),
        (lambda x: F.avg_pool2d(x, 2, padding=1, count_include_pad=False), "count_include_pad"),
        (lambda x: F.adaptive_avg_pool2d(x, 2), "only to 1 x 1"),
        (lambda x: x.view(-1, 4), "keeps its meaning"),
        (lambda x: x if x.sum() > 0 else -x, "depends on values"),
    ],
)
def test_unsupported_functions(function, message):
    with pytest.raises(UnsupportedOperationError, match=message):
        quantize(Wrapped(function), images(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sigmoid(), "Sigmoid at module '1'"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), "Conv2d at module '1'.*reflect"),
        (nn.AdaptiveAvgPool2d(3), "AdaptiveAvgPool2d at module '1'"),
        (nn.Linear(6, 2), "not flattened"),
        (nn.LSTM(6, 2), "LSTM at module '1'"),
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)), "BatchNorm2d at module '1.1'"),
        (nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(4)), "BatchNorm2d at module '1.1'"),
        (nn.BatchNorm2d(4, track_running_stats=False), "running statistics"),
    ],
)
def test_unsupported_modules(module, message):
    with pytest.raises(UnsupportedOperationError, match=message):
        quantize(nn.Sequential(nn.Conv2d(1, 4, 3), module), images(2, 1, 8, 8))


def test_relu_of_a_layer_that_is_also_used_raw():
    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.next = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 1)

        def forward(self, x):
            x = self.conv(x)
            self.next(x)
            return self.next(torch.relu(x))

    with pytest.raises(UnsupportedOperationError, match="relu at node.*used elsewhere"):
        quantize(Raw(), images(2, 1, 6, 6))
    with pytest.raises(UnsupportedOperationError, match="ReLU at module '0'"):
        quantize(nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 3)), images(2, 1, 6, 6))


def test_two_inputs_are_refused():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(QuantizeError):
        quantize(Two(), images(2, 1, 6, 6))


def test_calibration_errors():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    for inputs in (torch.zeros(0, 1, 8, 8), torch.zeros(1, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.int64), images(2, 3, 8, 8)):
        with pytest.raises(CalibrationError, match="inputs of shape"):
            quantize(module, inputs)
    with pytest.raises(CalibrationError, match="not finite"):
        quantize(module, torch.full((1, 1, 8, 8), float("nan")))
    for scale in (0.0, -1.0, float("nan")):
        with pytest.raises(FormatError, match="input_scale"):
            quantize(module, images(2, 1, 8, 8), input_scale=scale)
    with pytest.raises(QuantizeError, match="threshold for 'conv9'"):
        quantize(module, images(2, 1, 8, 8), thresholds={"conv9": 3})
    with torch.no_grad():
        module[0].weight[2] = float("inf")
    with pytest.raises(CalibrationError, match="0: .*not finite"):
        quantize(module, images(2, 1, 8, 8))


def test_the_module_is_left_alone():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    quantize(module, images(4, 1, 8, 8))
    assert module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_calibration_methods_order():
    inputs = images(4, 1, 8, 8)
    inputs[0, 0, 0, 0] = 1000.0  # an outlier that only "max" should follow
    plan = trace(nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(2)), inputs)
    plan.layers[0].weight = torch.ones(1, 1, 1, 1)
    plan.layers[0].bias = torch.zeros(1)
    scales = {method: activation_scales(plan, inputs, method)["0"] for method in Calibration}
    assert scales[Calibration.MAX] == pytest.approx(1000 / 127)
    assert scales[Calibration.MSE] <= scales[Calibration.MAX]
    many = activation_scales(plan, torch.cat([inputs, images(400, 1, 8, 8, seed=1)]), Calibration.PERCENTILE)
    assert many["0"] < 1.01 / 127
    assert many["1"] == many["0"]


def test_layer_names_and_kinds():
    module = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, dilation=2, padding="valid"), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = quantize(module, images(2, 1, 9, 9), name="tiny")
    assert [(layer.name, layer.op) for layer in network.layers] == [("0", CONV), ("1", AVGPOOL)]
    assert network.shapes() == {"input": (9, 9, 1), "0": (3, 3, 2), "1": (1, 1, 2)}
    assert network.input.low == 0
    assert quantize(module, images(2, 1, 9, 9) - 0.5).input.low == -127
