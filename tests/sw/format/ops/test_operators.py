"""What operators say about themselves fits together: the lowering is the arithmetic, work and bounds follow from it."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from quiesce.sw.format import errors, ops
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from tests import networks

SHAPE = (7, 6, 4)
RNG = np.random.default_rng(5)
WINDOW = {"stride": (2, 1), "pad": (1, 0, 2, 1)}
CASES: list[tuple[Layer, tuple[MapShape, ...]]] = [
    (networks.conv(RNG, "conv", "a", 4, 5, (3, 2), dilation=(1, 2), density=0.5, **WINDOW), (SHAPE,)),
    (networks.conv(RNG, "grouped", "a", 4, 6, (3, 2), groups=2, density=0.5, **WINDOW), (SHAPE,)),
    (networks.conv(RNG, "depthwise", "a", 4, 4, (3, 3), groups=4, density=0.7, **WINDOW), (SHAPE,)),
    (networks.linear(RNG, "linear", "a", 168, 9, density=0.5), (SHAPE,)),
    (networks.pool(ops.MAXPOOL, "max", "a", 4, (3, 3), dilation=(2, 1), **WINDOW), (SHAPE,)),
    (networks.pool(ops.AVGPOOL, "mean", "a", 4, (3, 3), dilation=(2, 1), **WINDOW), (SHAPE,)),
    (networks.add(RNG, "sum", ["a", "b", "c"], 4), (SHAPE,) * 3),
    (networks.concat(RNG, "join", ["a", "b"], 7), (SHAPE, (7, 6, 3))),
]
each = pytest.mark.parametrize(("layer", "shapes"), CASES, ids=[layer.name for layer, _ in CASES])


def sources_of(shapes: Sequence[MapShape], density: float = 0.6) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    maps = [rng.integers(-127, 128, (2, *shape)).astype(np.int8) for shape in shapes]
    for acts in maps:
        acts[rng.random(acts.shape) >= density] = 0
    return maps


def lowered(layer: Layer, shapes: Sequence[MapShape], sources: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sums (or maxima) without bias, and the multiplications of nonzero operands, (N,), from windows and weights alone."""
    rows, cols, cout = layer.output_shape(*shapes)
    products, inside = [], []
    macs = np.zeros(len(sources[0]), np.int64)
    for operand, acts in enumerate(sources):
        weights = layer.op.weights(layer, shapes, operand, range(cout), range(shapes[operand][2])).astype(np.int64)
        for r, c, i, j in np.ndindex(rows, cols, *weights.shape[1:3]):
            row, col = (
                out * axis.stride + entry * axis.dilation - axis.pad[0]
                for out, entry, axis in zip((r, c), (i, j), layer.op.axes(layer, shapes[operand]), strict=True)
            )
            if 0 <= row < shapes[operand][0] and 0 <= col < shapes[operand][1]:
                products.append(((r, c), acts[:, row, col].astype(np.int64) @ weights[:, i, j].T))
                inside.append(weights[:, i, j].any(axis=1))
                macs += (acts[:, row, col] != 0).astype(np.int64) @ np.count_nonzero(weights[:, i, j], axis=0)
    acc = np.full((len(sources[0]), rows, cols, cout), -128 if layer.op.maximum else 0, np.int64)
    for (place, product), fed in zip(products, inside, strict=True):
        at = acc[:, place[0], place[1]]
        at[:] = np.where(fed, np.maximum(at, product), at) if layer.op.maximum else at + product
    return acc, macs


@each
def test_the_lowering_is_the_arithmetic(layer: Layer, shapes: tuple[MapShape, ...]) -> None:
    sources = sources_of(shapes)
    acc, macs = lowered(layer, shapes, sources)
    bias = 0 if layer.bias is None else layer.bias
    np.testing.assert_array_equal(layer.op.accumulate(layer, *sources), acc + bias)
    fans = [layer.op.fan_out(layer, shapes, operand) for operand in range(len(shapes))]
    counted = sum(((acts != 0) * fan).sum(axis=(1, 2, 3)) for acts, fan in zip(sources, fans, strict=True))
    np.testing.assert_array_equal(counted, macs)


@each
def test_parts_of_the_weights_are_parts_of_all(layer: Layer, shapes: tuple[MapShape, ...]) -> None:
    for operand, shape in enumerate(shapes):
        every = layer.op.weights(layer, shapes, operand, range(layer.cout), range(shape[2]))
        part = layer.op.weights(layer, shapes, operand, range(1, layer.cout), range(1, shape[2] - 1))
        np.testing.assert_array_equal(part, every[1:, :, :, 1 : shape[2] - 1])
        assert layer.op.largest_weight(layer, shapes, operand) >= np.abs(every).max()
        for out in range(layer.cout):
            connected = layer.op.connected(layer, shapes, operand, range(out, out + 1))
            unconnected = [chan for chan in range(shape[2]) if chan not in connected]
            assert not every[out][..., unconnected].any()
        if layer.op.channelwise(layer):
            first = layer.op.first_out(shapes, operand)
            weights = layer.op.channel_weights(layer, shapes, operand, range(first, first + shape[2]))
            for chan in range(shape[2]):
                np.testing.assert_array_equal(weights[chan], every[first + chan, :, :, chan])
            if layer.op.uniform:
                assert (weights == weights[0, 0, 0]).all()


@each
def test_sums_of_the_greatest_inputs_are_the_bounds(layer: Layer, shapes: tuple[MapShape, ...]) -> None:
    limits = [(-127, 127)] * len(shapes)
    low, high = layer.op.bounds(layer, limits)
    assert low <= 0 <= high
    sums = layer.op.accumulate(layer, *sources_of(shapes, density=1.0))
    assert low <= sums.min() <= sums.max() <= high
    if layer.op.weighted:
        reach = 127 * np.abs(layer.weight.reshape(layer.cout, -1).astype(np.int64)).sum(axis=1)
        assert high == (np.maximum(layer.bias, 0) + reach).max()


@each
def test_dense_work_is_that_of_dense_weights(layer: Layer, shapes: tuple[MapShape, ...]) -> None:
    dense = replace(layer, weight=np.ones_like(layer.weight)) if layer.op.weighted else layer
    fans = sum(int(layer.op.fan_out(dense, shapes, operand).sum()) for operand in range(len(shapes)))
    assert layer.op.dense_macs(layer, shapes) == fans


def test_an_operator_is_one_object() -> None:
    """In copies, too, by which other processes get layers."""
    for op in (ops.CONV, ops.LINEAR, ops.MAXPOOL, ops.AVGPOOL, ops.ADD, ops.CONCAT):
        assert ops.named(op.name) is op
        assert copy.copy(op) is op and copy.deepcopy([op])[0] is op
    for unknown in ("softmax", 3, ["conv"]):
        with pytest.raises(errors.GraphError, match="unknown kind"):
            ops.named(unknown)  # type: ignore[arg-type]
