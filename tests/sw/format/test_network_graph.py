"""Networks in memory: shapes, bounds, and every rejected field and graph."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.sw.format import errors
from quiesce.sw.format.geometry import output_size, positions_inside
from quiesce.sw.format.network import Layer, MapSpec, Network
from quiesce.sw.format.ops import ADD, AVGPOOL, CONCAT, CONV, LINEAR, MAXPOOL, Operator

SPEC = MapSpec(height=4, width=4, chans=1, scale=1.0)


def pool(name: str, source: str, **changes: object) -> Layer:
    arguments = {
        "name": name, "op": AVGPOOL, "inputs": (source,), "multiplier": np.ones(1, np.int32),
        "shift": np.zeros(1, np.int32), "out_scale": 1.0,
    } | changes  # fmt: skip
    return Layer(**arguments)


def conv(**changes: object) -> Layer:
    arguments = {
        "name": "conv", "op": CONV, "weight": np.ones((2, 3, 3, 1), np.int8), "bias": np.zeros(2, np.int32),
        "kernel": (3, 3), "multiplier": np.ones(2, np.int32), "shift": np.zeros(2, np.int32),
    } | changes  # fmt: skip
    return pool(source="input", **arguments)


def join(op: Operator, *sources: str, cout: int = 1, **changes: object) -> Layer:
    arguments = {
        "op": op, "inputs": sources, "multiplier": np.ones(cout, np.int32), "shift": np.zeros(cout, np.int32),
        "weight": np.ones(len(sources), np.int8) if op is ADD else None,
    } | changes  # fmt: skip
    return pool("joint", "", **arguments)


def build(*layers: Layer, output: str | None = None, spec: MapSpec = SPEC) -> Network:
    return Network(name="net", input=spec, layers=layers, output=output or layers[-1].name)


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.tuples(*[st.integers(0, 4)] * 2), st.integers(1, 3))
def test_positions_inside_is_their_number(size: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int) -> None:
    padded = size + sum(pad)
    starts = range(0, padded - (kernel - 1) * dilation, stride)
    expected = [sum(0 <= start + k * dilation - pad[0] < size for k in range(kernel)) for start in starts]
    assert max(0, output_size(size, kernel, stride, pad, dilation)) == len(expected)
    if expected:
        assert positions_inside(size, kernel, stride, pad, dilation).tolist() == expected


def test_shapes_and_dense_macs(network: Network) -> None:
    assert network.shapes() == {
        "input": (9, 8, 2), "conv": (9, 8, 4), "max": (4, 4, 4), "avg": (4, 4, 4), "add": (4, 4, 4), "cat": (4, 4, 8),
        "fc": (1, 1, 10),
    }  # fmt: skip
    dense = {layer.name: network.dense_macs(layer) for layer in network.layers}
    # conv: 25 row positions (27 less one at each edge) x 15 column positions x 1 channel a group x 4.
    assert dense == {"conv": 25 * 15 * 4, "max": 8 * 8 * 4, "avg": 10 * 10 * 4, "add": 3 * 64, "cat": 128, "fc": 1280}


def test_layers_are_sorted_and_order_kept() -> None:
    network = build(pool("c", "b"), pool("a", "input"), pool("b", "a"), output="c")
    assert [layer.name for layer in network.layers] == ["a", "b", "c"]


def test_arrays_are_private_copies() -> None:
    bias = np.zeros(2, np.int32)
    layer = conv(bias=bias)
    bias[0] = 5
    assert layer.bias.tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        layer.bias[0] = 1


@given(st.integers(-127, 0), st.integers(0, 127), st.integers(0, 2**32 - 1))
def test_accumulator_bounds_hold_and_are_reached(low: int, high: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-127, 128, (1, 16)).astype(np.int8)
    layer = pool("fc", "input", op=LINEAR, weight=weight, bias=np.array([-7], np.int32))
    network = build(layer, spec=replace(SPEC, low=low, high=high))
    lowest, highest = network.accumulator_bounds(layer)
    worst = np.where(weight > 0, high, low).astype(np.int64)
    assert highest == int((worst * weight).sum())
    worst = np.where(weight > 0, low, high).astype(np.int64)
    assert lowest == int((worst * weight).sum()) - 7


@pytest.mark.parametrize(
    ("layers", "output", "message"),
    [
        ((pool("a", "b"), pool("b", "a")), "b", "cycle .* a, b"),
        ((pool("a", "a"),), "a", "cycle"),
        ((pool("a", "input"), pool("a", "input")), "a", "duplicate name"),
        ((pool("a", "nowhere"),), "a", "'nowhere' is no layer"),
        ((pool("a", "input"), pool("b", "input")), "b", "'a': does not contribute"),
        ((pool("a", "input"),), "input", "output 'input' is no layer"),
        ((), "a", "output 'a' is no layer"),
    ],
)
def test_rejected_graphs(layers: tuple[Layer, ...], output: str, message: str) -> None:
    with pytest.raises(errors.GraphError, match=message):
        build(*layers, output=output)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "input"}, errors.GraphError),
        ({"name": "a/b"}, errors.GraphError),
        ({"name": ""}, errors.GraphError),
        ({"inputs": ("a", "b")}, errors.GraphError),
        ({"inputs": "a"}, errors.GraphError),
        ({"op": "conv"}, errors.DtypeError),
        ({"weight": None}, errors.ShapeError),
        ({"weight": np.full((2, 3, 3, 1), -8, np.int8), "weight_bits": 4}, errors.RangeError),
        ({"weight": np.full((2, 3, 3, 1), -2, np.int8), "weight_bits": 2}, errors.RangeError),
        ({"weight_bits": 3}, errors.RangeError),
        ({"weight_bits": True}, errors.RangeError),
        ({"bits": 2}, errors.RangeError),
        ({"bits": 4, "low": 0, "high": 8}, errors.RangeError),
        ({"weight": np.ones((2, 3, 3, 1), np.int32)}, errors.DtypeError),
        ({"weight": np.ones((2, 9), np.int8)}, errors.ShapeError),
        ({"weight": np.ones((3, 3, 3, 1), np.int8)}, errors.ShapeError),
        ({"weight": np.ones((2, 3, 3, 0), np.int8)}, errors.ShapeError),
        ({"weight": np.full((2, 3, 3, 1), -128, np.int8)}, errors.RangeError),
        ({"kernel": (3, 2)}, errors.ShapeError),
        ({"kernel": [3, 3]}, errors.ShapeError),
        ({"stride": (0, 1)}, errors.RangeError),
        ({"stride": (True, 1)}, errors.DtypeError),
        ({"pad": (0, 0)}, errors.ShapeError),
        ({"pad": (-1, 0, 0, 0)}, errors.RangeError),
        ({"dilation": (1, 70000)}, errors.RangeError),
        ({"groups": 3}, errors.ShapeError),
        ({"bias": np.zeros(2)}, errors.DtypeError),
        ({"bias": np.zeros(3, np.int32)}, errors.ShapeError),
        ({"multiplier": np.array([1, 0], np.int32)}, errors.RangeError),
        ({"multiplier": np.array([1, 65536], np.int32)}, errors.RangeError),
        ({"shift": np.array([0, 48], np.int32)}, errors.RangeError),
        ({"shift": np.zeros(1, np.int32)}, errors.ShapeError),
        ({"weight_scale": np.array([1, np.nan], np.float32)}, errors.ScaleError),
        ({"weight_scale": np.array([1, 0], np.float32)}, errors.ScaleError),
        ({"weight_scale": np.ones(2)}, errors.DtypeError),
        ({"out_scale": float("nan")}, errors.ScaleError),
        ({"out_scale": float("inf")}, errors.ScaleError),
        ({"out_scale": 0.0}, errors.ScaleError),
        ({"out_scale": 10**400}, errors.ScaleError),
        ({"out_scale": "1"}, errors.ScaleError),
        ({"low": -128}, errors.RangeError),
        ({"low": 3, "high": 2}, errors.RangeError),
        ({"low": 0, "threshold": 128}, errors.RangeError),
        ({"threshold": 1}, errors.RangeError),
        ({"winners": 1}, errors.RangeError),
        ({"low": 0, "winners": 5}, errors.RangeError),
        ({"low": 0, "winners": 2.0}, errors.DtypeError),
        ({"delta_threshold": -1}, errors.RangeError),
        ({"delta_threshold": 255}, errors.RangeError),
        ({"low": 0, "delta_threshold": 128}, errors.RangeError),
        ({"delta_threshold": True}, errors.DtypeError),
        ({"low": 0, "winners": 1, "delta_threshold": 0}, errors.RangeError),
    ],
)
def test_rejected_layers(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match="^layer") as caught:
        conv(**changes)
    # The message names the field, or the value that does not go with it.
    assert any(name in str(caught.value) for name in [*changes, "groups", "one input"])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"op": MAXPOOL, "shift": np.ones(1, np.int32)}, errors.RangeError),
        ({"op": MAXPOOL, "bias": np.zeros(1, np.int32)}, errors.ShapeError),
        ({"groups": 1, "op": LINEAR, "kernel": (2, 2)}, errors.ShapeError),
        ({"groups": 2}, errors.ShapeError),
    ],
)
def test_rejected_pools_and_linears(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match="layer 'pool'"):
        pool("pool", "input", **changes)


@pytest.mark.parametrize(
    ("op", "changes", "error"),
    [
        (ADD, {"inputs": ("input",)}, errors.GraphError),
        (ADD, {"inputs": ("input",) * 9}, errors.GraphError),
        (ADD, {"inputs": ("input", 3)}, errors.GraphError),
        (ADD, {"weight": None}, errors.DtypeError),
        (ADD, {"weight": np.ones(3, np.int8)}, errors.ShapeError),
        (ADD, {"weight": np.ones((2, 1), np.int8)}, errors.ShapeError),
        (ADD, {"weight": np.ones(2, np.int16)}, errors.DtypeError),
        (ADD, {"weight": np.array([1, 0], np.int8)}, errors.RangeError),
        (ADD, {"weight": np.array([1, -128], np.int8)}, errors.RangeError),
        (ADD, {"bias": np.zeros(1, np.int32)}, errors.ShapeError),
        (ADD, {"weight_scale": np.ones(1, np.float32)}, errors.ShapeError),
        (ADD, {"kernel": (2, 2)}, errors.ShapeError),
        (ADD, {"groups": 2}, errors.ShapeError),
        (CONCAT, {"weight": np.ones(2, np.int8)}, errors.ShapeError),
        (CONCAT, {"inputs": ("input",) * 65}, errors.GraphError),
        (MAXPOOL, {}, errors.GraphError),
    ],
)
def test_rejected_joins(op: Operator, changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match="layer"):
        join(op, "input", "input", **changes)


@pytest.mark.parametrize(
    "layers",
    [
        (join(ADD, "input", "input", cout=2),),
        (join(CONCAT, "input", "input", cout=3),),
        (pool("a", "input", kernel=(2, 2)), join(CONCAT, "a", "input", cout=2)),
        (conv(pad=(1, 1, 1, 1)), join(ADD, "input", "conv")),
    ],
)
def test_joined_maps_that_do_not_fit(layers: tuple[Layer, ...]) -> None:
    with pytest.raises(errors.ShapeError, match="layer 'joint': "):
        build(*layers)


@pytest.mark.parametrize(
    ("layer", "error"),
    [
        (conv(weight=np.ones((2, 3, 3, 2), np.int8)), errors.ShapeError),  # channels
        (conv(dilation=(2, 1)), errors.ShapeError),  # no window fits
        (pool("p", "input", multiplier=np.ones(2, np.int32), shift=np.zeros(2, np.int32)), errors.ShapeError),
        (pool("p", "input", op=MAXPOOL, pad=(1, 0, 0, 0)), errors.ShapeError),  # a window of padding only
        (pool("p", "input", op=MAXPOOL, out_scale=2.0), errors.ScaleError),
        (conv(bias=np.array([0, 2**31 - 1], np.int32)), errors.AccumulatorError),
        (pool("p", "input", pad=(65535, 65535, 65535, 65535)), errors.ShapeError),  # output too large
    ],
)
def test_layers_that_do_not_fit(layer: Layer, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"layer '{layer.name}'"):
        build(layer)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"height": 0}, errors.RangeError),
        ({"bits": 2}, errors.RangeError),
        ({"bits": 4, "low": 0}, errors.RangeError),
        ({"width": 1.0}, errors.DtypeError),
        ({"height": 65535, "width": 65535}, errors.RangeError),
        ({"scale": float("nan")}, errors.ScaleError),
        ({"low": -128}, errors.RangeError),
        ({"low": -3, "high": 3, "delta_threshold": 7}, errors.RangeError),
        ({"delta_threshold": 1.0}, errors.DtypeError),
    ],
)
def test_rejected_inputs(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match="^input: "):
        MapSpec(**{field.name: getattr(SPEC, field.name) for field in fields(SPEC)} | changes)


@pytest.mark.parametrize(
    ("low", "high", "bits", "delta_bits"),
    [(0, 127, 8, 8), (5, 127, 8, 8), (-127, 0, 8, 8), (-1, 127, 8, 16), (0, 7, 4, 4), (-7, 7, 4, 8)],
)
def test_changes_of_both_signs_take_twice_the_bits(low: int, high: int, bits: int, delta_bits: int) -> None:
    network = build(pool("p", "input", low=low, high=high, bits=bits, delta_threshold=high - low))
    assert (network.delta_bits("p"), network.delta_threshold("p")) == (delta_bits, high - low)
    assert (network.delta_bits("input"), network.delta_threshold("input")) == (16, None)


def test_rejected_metadata_and_names() -> None:
    layer = pool("a", "input")
    with pytest.raises(errors.DtypeError, match="metadata"):
        Network(name="net", input=SPEC, layers=(layer,), output="a", metadata={"accuracy": 0.9})
    with pytest.raises(errors.GraphError, match="network: ''"):
        Network(name="", input=SPEC, layers=(layer,), output="a")
    with pytest.raises(errors.GraphError, match="no layer 'b'"):
        build(layer).layer("b")
