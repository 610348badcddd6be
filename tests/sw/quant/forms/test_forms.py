"""Torch forms against the operators that they are forms of."""

import numpy as np
import pytest
import torch

from quiesce.sw.format import ops
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.quant.forms import WeightedForm, form_of, form_of_call, form_of_module
from quiesce.sw.quant.integers import IntegerParameters
from quiesce.sw.quant.plan import FloatLayer
from tests import networks

SHAPE = (7, 6, 4)
RNG = np.random.default_rng(5)
WINDOW = {"stride": (2, 1), "pad": (1, 0, 2, 1)}
CASES: list[tuple[Layer, tuple[MapShape, ...]]] = [
    (networks.conv(RNG, "conv", "a", 4, 5, (3, 2), dilation=(1, 2), density=0.5, **WINDOW), (SHAPE,)),
    (networks.conv(RNG, "grouped", "a", 4, 6, (3, 3), groups=2, density=0.5, pad=(1, 1, 1, 1)), (SHAPE,)),
    (networks.linear(RNG, "linear", "a", 168, 9, density=0.5), (SHAPE,)),
    (networks.pool(ops.MAXPOOL, "max", "a", 4, (3, 3), dilation=(2, 1), **WINDOW), (SHAPE,)),
    (networks.pool(ops.AVGPOOL, "mean", "a", 4, (3, 3), **WINDOW), (SHAPE,)),
    (networks.pool(ops.AVGPOOL, "dilated", "a", 4, (3, 3), dilation=(2, 1), **WINDOW), (SHAPE,)),
    (networks.add(RNG, "sum", ["a", "b", "c"], 4), (SHAPE,) * 3),
    (networks.concat(RNG, "join", ["a", "b"], 7), (SHAPE, (7, 6, 3))),
]
each = pytest.mark.parametrize(("layer", "shapes"), CASES, ids=[layer.name for layer, _ in CASES])


@each
def test_sums_and_counts_are_those_of_the_operator(layer: Layer, shapes: tuple[MapShape, ...]) -> None:
    form, rng = form_of(layer.op), np.random.default_rng(2)
    sources = [rng.integers(-127, 128, (2, *shape)).astype(np.int8) * (rng.random(shape) < 0.6) for shape in shapes]
    maps = [torch.from_numpy(acts).permute(0, 3, 1, 2).double() for acts in sources]
    weight = None if layer.weight is None else form.torch_weight(layer, layer.weight, shapes[0]).double()
    expected = layer.op.accumulate(layer, *sources) - (0 if layer.bias is None else layer.bias)
    np.testing.assert_array_equal(form.accumulate(layer, maps, weight).permute(0, 2, 3, 1).numpy(), expected)
    masks = [(acts != 0).double() for acts in maps]
    counts = form.count(layer, masks, None if weight is None else (weight != 0).double()).sum(dim=(1, 2, 3))
    fans = [layer.op.fan_out(layer, shapes, operand) for operand in range(len(shapes))]
    by_fan_out = sum((acts != 0).reshape(2, -1) @ fan.ravel() for acts, fan in zip(sources, fans, strict=True))
    np.testing.assert_array_equal(counts.numpy(), by_fan_out)


@pytest.mark.parametrize(("layer", "shapes"), CASES[:3], ids=["conv", "grouped", "linear"])
def test_weights_come_back(layer: Layer, shapes: tuple[MapShape, ...]) -> None:
    form = form_of(layer.op)
    assert isinstance(form, WeightedForm)
    rows, cols, chans = shapes[0]
    weight = form.torch_weight(layer, layer.weight, shapes[0])
    real = FloatLayer(name="a", sources=("input",), op=layer.op, in_shapes=((chans, rows, cols),), weight=weight)
    assert form.out_chans(real) == layer.cout
    none = torch.empty(0)
    integers = IntegerParameters(weight.float(), none, none, none, none, none)
    np.testing.assert_array_equal(form.integer_weight(real, integers).numpy(), layer.weight)


def test_modules_and_functions_have_one_form() -> None:
    class Own(torch.nn.Conv2d):
        """A subclass is traced into, but its weights are those of a convolution."""

    assert form_of_call(torch.nn.Conv2d) is form_of_module(Own(1, 1, 1)) is form_of(ops.CONV)
    assert form_of_call(Own) is None
    assert form_of_call("amax") is form_of_call(torch.amax) is form_of(ops.MAXPOOL)
    assert form_of_call("size") is None and form_of_module(torch.nn.ReLU()) is None
    form = form_of(ops.AVGPOOL)
    assert (form.module_fan_out(torch.nn.AvgPool2d(3, 2)), form.module_fan_out(torch.nn.AdaptiveAvgPool2d(1))) == (9 / 4, None)
