"""The integer reference against loops written from the definitions."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.sw import reference
from quiesce.sw.format import errors
from quiesce.sw.format.network import Layer, MapSpec, Network
from quiesce.sw.format.ops import ADD, AVGPOOL, CONCAT, CONV, LINEAR, MAXPOOL
from quiesce.sw.reference import run


def naive(layer: Layer, acts: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Accumulators, effectual MACs and dense MACs of one image, one multiplication after the other."""
    height, width, chans = acts.shape
    rows, cols, cout = layer.output_shape(acts.shape)
    flat = acts.ravel().tolist()
    acc = np.zeros((rows, cols, cout), np.int64)
    effectual = dense = 0
    for row, col, o in product(range(rows), range(cols), range(cout)):
        terms: list[tuple[int, int]] = []
        if layer.op is LINEAR:
            terms = list(zip(flat, layer.weight[o].tolist(), strict=True))
        else:
            for i, j in product(range(layer.kernel[0]), range(layer.kernel[1])):
                r = row * layer.stride[0] + i * layer.dilation[0] - layer.pad[0]
                c = col * layer.stride[1] + j * layer.dilation[1] - layer.pad[2]
                if not (0 <= r < height and 0 <= c < width):
                    continue
                if layer.op is CONV:
                    cin = chans // layer.groups
                    first = o // (cout // layer.groups) * cin
                    terms += [(int(acts[r, c, first + k]), int(layer.weight[o, i, j, k])) for k in range(cin)]
                else:
                    terms.append((int(acts[r, c, o]), 1))
        dense += len(terms)
        effectual += sum(a != 0 and w != 0 for a, w in terms)
        if layer.op is MAXPOOL:
            acc[row, col, o] = max(a for a, _ in terms)
        else:
            acc[row, col, o] = sum(a * w for a, w in terms) + (0 if layer.bias is None else int(layer.bias[o]))
    return acc, effectual, dense


def naive_requantize(layer: Layer, acc: np.ndarray) -> np.ndarray:
    out = np.zeros(acc.shape, np.int64)
    for cell in product(*map(range, acc.shape)):
        shift = int(layer.shift[cell[-1]])
        q = (int(acc[cell]) * int(layer.multiplier[cell[-1]]) + (1 << shift >> 1)) >> shift
        q = max(layer.low, min(layer.high, q))
        out[cell] = q if q >= layer.threshold or not layer.threshold else 0
    return out


def sparse(rng: np.random.Generator, shape: tuple[int, ...], density: float, low: int = -127) -> np.ndarray:
    values = rng.integers(low, 128, shape).astype(np.int8)
    values[rng.random(shape) >= density] = 0
    return values


@st.composite
def cases(draw: st.DrawFn) -> tuple[Network, np.ndarray]:
    """A network of one layer of any kind and odd geometry, with two images."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    op = draw(st.sampled_from([CONV, LINEAR, MAXPOOL, AVGPOOL]))
    height, width = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    groups = draw(st.sampled_from([1, 1, 2, 3])) if op is CONV else 1
    chans = groups * draw(st.integers(1, 3))
    kernel = stride = dilation = (1, 1)
    pad = (0, 0, 0, 0)
    if op is not LINEAR:
        kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        pad = draw(st.tuples(*(st.integers(0, 2) for _ in range(4))))
    low = draw(st.sampled_from([-127, -20, 0]))
    density = draw(st.sampled_from([0.2, 0.6, 1.0]))
    cout = chans
    arrays = {}
    if op.weighted:
        cout = groups * draw(st.integers(1, 3))
        shape = (cout, height * width * chans) if op is LINEAR else (cout, *kernel, chans // groups)
        arrays = {"weight": sparse(rng, shape, density), "bias": rng.integers(-9999, 9999, cout, np.int32)}
    plain = op is MAXPOOL
    layer = Layer(
        name="layer", op=op, inputs=("input",), kernel=kernel, stride=stride, dilation=dilation, pad=pad, groups=groups,
        multiplier=np.ones(cout, np.int32) if plain else rng.integers(1, 65536, cout, np.int32),
        shift=np.zeros(cout, np.int32) if plain else rng.integers(8, 25, cout, np.int32),
        out_scale=1.0, low=low, threshold=draw(st.sampled_from([0, 5])) if low == 0 else 0, **arrays,
    )  # fmt: skip
    spec = MapSpec(height=height, width=width, chans=chans, scale=1.0, low=draw(st.sampled_from([-127, 0])))
    try:
        network = Network(name="net", input=spec, layers=(layer,), output="layer")
    except errors.ShapeError:
        # No window fits, or one lies in the padding only.
        remedy = {"kernel": (1, 1), "pad": (0, 0, 0, 0)} if op is MAXPOOL else {"pad": (2, 2, 2, 2)}
        layer = replace(layer, **remedy)
        network = Network(name="net", input=spec, layers=(layer,), output="layer")
    return network, sparse(rng, (2, *spec.shape), density, spec.low)


@settings(max_examples=150)
@given(cases())
def test_matches_naive_loops(case: tuple[Network, np.ndarray]) -> None:
    network, images = case
    layer = network.layers[0]
    result = run(network, images)
    counts = result.counts["layer"]
    acc = layer.op.accumulate(layer, images)
    for index, image in enumerate(images):
        expected, effectual, dense = naive(layer, image)
        assert np.array_equal(acc[index], expected)
        assert np.array_equal(result.outputs[index], naive_requantize(layer, expected))
        assert counts.effectual_macs[index] == effectual
        assert counts.events[index] == np.count_nonzero(image)
        assert counts.dense_macs == dense


@st.composite
def joins(draw: st.DrawFn) -> tuple[Network, np.ndarray]:
    """Convolutions of one input whose maps are added or concatenated, some of them twice, and two images."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    add = draw(st.booleans())
    height, width, chans = draw(st.tuples(*[st.integers(1, 4)] * 3))
    couts = [chans if add else draw(st.integers(1, 4)) for _ in range(draw(st.integers(1, 4)))]
    maps = [
        Layer(name=f"map{i}", op=CONV, inputs=("input",), weight=sparse(rng, (cout, 1, 1, chans), 0.5), out_scale=1.0,
              bias=rng.integers(-99, 99, cout, np.int32), multiplier=np.full(cout, 9, np.int32), shift=np.full(cout, 8, np.int32),
              low=draw(st.sampled_from([-127, 0])))
        for i, cout in enumerate(couts)
    ]  # fmt: skip
    names = [layer.name for layer in maps] + ["input"] * draw(st.integers(1, 2)) + ["map0"] * draw(st.integers(0, 2))
    cout = chans if add else sum(couts[int(name[3:])] if name != "input" else chans for name in names)
    low = draw(st.sampled_from([-127, 0]))
    weight = (rng.integers(1, 128, len(names)) * rng.choice([-1, 1], len(names))).astype(np.int8)
    joint = Layer(
        name="joint", op=ADD if add else CONCAT, inputs=tuple(names), low=low, out_scale=1.0,
        weight=weight if add else None,
        multiplier=rng.integers(1, 65536, cout, np.int32), shift=rng.integers(10, 25, cout, np.int32),
        threshold=draw(st.sampled_from([0, 5])) if low == 0 else 0,
    )  # fmt: skip
    spec = MapSpec(height=height, width=width, chans=chans, scale=1.0)
    network = Network(name="net", input=spec, layers=(*maps, joint), output="joint")
    return network, sparse(rng, (2, *spec.shape), draw(st.sampled_from([0.0, 0.5, 1.0])))


@settings(max_examples=80)
@given(joins())
def test_joined_maps_match_their_definition(case: tuple[Network, np.ndarray]) -> None:
    network, images = case
    joint = network.layer("joint")
    result = run(network, images)
    counts = result.counts["joint"]
    bounds = network.accumulator_bounds(joint)
    for index, image in enumerate(images):
        sources = [image if name == "input" else result.activations[name][index] for name in joint.inputs]
        if joint.op is ADD:
            acc = sum(int(w) * source.astype(np.int64) for w, source in zip(joint.weight, sources, strict=True))
            dense = sum(source.size for source in sources)
        else:
            acc = np.concatenate(sources, axis=2).astype(np.int64)
            dense = acc.size
        assert bounds[0] <= acc.min() <= acc.max() <= bounds[1]
        assert np.array_equal(result.outputs[index], naive_requantize(joint, acc))
        events = sum(np.count_nonzero(source) for source in sources)
        assert counts.events[index] == counts.effectual_macs[index] == events
        assert counts.dense_macs == dense
        assert counts.input_size == sum(source.size for source in sources)


@pytest.mark.parametrize("groups", [1, 4])
def test_largest_sums_are_exact(groups: int) -> None:
    """Sums beyond the 24 bits that single precision represents, odd so that a lost bit shows."""
    weight = np.full((4, 9, 9, 64 // groups), 127, np.int8)
    weight[:, 0, 0, 0] = 126
    layer = Layer(
        name="conv", op=CONV, inputs=("input",), weight=weight, bias=np.array([1, 2, 3, 4], np.int32), kernel=(9, 9),
        groups=groups, multiplier=np.ones(4, np.int32), shift=np.full(4, 20, np.int32), out_scale=1.0,
    )  # fmt: skip
    acc = layer.op.accumulate(layer, np.full((1, 9, 9, 64), 127, np.int8))
    total = 127 * 127 * 81 * (64 // groups) - 127
    assert acc.ravel().tolist() == [total + bias for bias in (1, 2, 3, 4)]


def two_layers() -> Network:
    rng = np.random.default_rng(3)
    arrays = {"multiplier": np.full(3, 40000, np.int32), "shift": np.full(3, 23, np.int32), "bias": np.zeros(3, np.int32)}
    return Network(
        name="net",
        input=MapSpec(height=5, width=4, chans=2, scale=1.0, low=0),
        layers=(
            Layer(name="conv", op=CONV, inputs=("input",), weight=sparse(rng, (3, 3, 3, 2), 0.5), kernel=(3, 3),
                  low=0, out_scale=1.0, **arrays),
            Layer(name="fc", op=LINEAR, inputs=("conv",), weight=sparse(rng, (3, 18), 0.5), out_scale=1.0, **arrays),
        ),
        output="fc",
    )  # fmt: skip


def test_layers_are_chained_and_batches_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    network = two_layers()
    images = sparse(np.random.default_rng(4), (11, 5, 4, 2), 0.6, low=0)
    whole = run(network, images)
    monkeypatch.setattr(reference, "_BATCH_CELLS", 3 * 3 * 2 * 18)  # a few images at a time
    parts = run(network, images, keep_activations=False)
    assert np.array_equal(whole.outputs, parts.outputs)
    assert np.array_equal(whole.effectual_macs, parts.effectual_macs)
    assert set(whole.activations) == {"conv", "fc"}
    assert set(parts.activations) == {"fc"}
    for index, image in enumerate(images):
        conv, fc = network.layers
        hidden = naive_requantize(conv, naive(conv, image)[0]).astype(np.int8)
        assert np.array_equal(whole.activations["conv"][index], hidden)
        assert np.array_equal(whole.outputs[index], naive_requantize(fc, naive(fc, hidden)[0]))
        assert whole.counts["fc"].events[index] == np.count_nonzero(hidden)
    assert whole.counts["conv"].density == pytest.approx(np.count_nonzero(images) / images.size)
    assert whole.dense_macs == 3 * 2 * 54 + 54


def test_no_images() -> None:
    result = run(two_layers(), np.zeros((0, 5, 4, 2), np.int8))
    assert result.outputs.shape == (0, 1, 1, 3)
    assert result.counts["conv"].density == 0.0


@given(cases())
def test_fan_out_of_dense_weights_is_the_dense_work(case: tuple[Network, np.ndarray]) -> None:
    layer = case[0].layers[0]
    if layer.weight is not None:
        layer = replace(layer, weight=np.ones_like(layer.weight))
    assert layer.op.fan_out(layer, [case[0].input.shape], 0).sum() == case[0].dense_macs(layer)


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        (np.zeros((1, 5, 4, 2), np.int32), errors.DtypeError),
        (np.zeros((5, 4, 2), np.int8), errors.ShapeError),
        (np.zeros((1, 4, 5, 2), np.int8), errors.ShapeError),
        (np.full((1, 5, 4, 2), -1, np.int8), errors.RangeError),
    ],
)
def test_rejected_inputs(inputs: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error, match="^inputs: "):
        run(two_layers(), inputs)
