"""Random small networks for tests: any shapes, strides, paddings and densities."""

import numpy as np

from quiesce.sw.format.checks import largest
from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import Network
from quiesce.sw.format.ops import ADD, CONCAT, CONV, LINEAR, MAXPOOL


def _scaling(rng, couts, fan_in, weight_bits, bits):
    """Multiplier and shift that keep most outputs of weights and activations of eight bits within ``bits``."""
    shift = int(np.ceil(np.log2(max(2, np.sqrt(fan_in) * 40)))) + 13 + weight_bits - bits
    return rng.integers(1 << 14, 1 << 15, couts).astype(np.int32), np.full(couts, shift, np.int32)


def _weight(rng, shape, density, bits):
    weight = rng.integers(-largest(bits), largest(bits) + 1, shape).astype(np.int8)
    weight[rng.random(shape) >= density] = 0
    return weight


def _bias(rng, couts, weight_bits):
    return rng.integers(-3000, 3000, couts).astype(np.int32) >> (8 - weight_bits)


def conv(
    rng, name, source, cin, couts, kernel, *, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), groups=1, density=1.0, low=0,
    weight_bits=8, bits=8,
):  # fmt: skip
    weight = _weight(rng, (couts, *kernel, cin // groups), density, weight_bits)
    multiplier, shift = _scaling(rng, couts, weight[0].size, weight_bits, bits)
    return Layer(
        name=name, op=CONV, inputs=(source,), weight=weight, bias=_bias(rng, couts, weight_bits),
        multiplier=multiplier, shift=shift, out_scale=1.0, kernel=kernel, stride=stride, pad=pad, dilation=dilation,
        groups=groups, low=max(low, -largest(bits)), high=largest(bits), weight_bits=weight_bits, bits=bits,
    )  # fmt: skip


def linear(rng, name, source, cin, couts, *, density=1.0, low=-127, threshold=0, weight_bits=8, bits=8):
    weight = _weight(rng, (couts, cin), density, weight_bits)
    multiplier, shift = _scaling(rng, couts, cin, weight_bits, bits)
    return Layer(
        name=name, op=LINEAR, inputs=(source,), weight=weight, bias=_bias(rng, couts, weight_bits),
        multiplier=multiplier, shift=shift, out_scale=1.0, low=max(low, -largest(bits)), high=largest(bits), threshold=threshold,
        weight_bits=weight_bits, bits=bits,
    )  # fmt: skip


def pool(op, name, source, chans, kernel, *, stride=None, pad=(0, 0, 0, 0), dilation=(1, 1), low=0, bits=8):
    scale = (1, 0) if op is MAXPOOL else (65536 // (2 * kernel[0] * kernel[1]), 15)
    return Layer(
        name=name, op=op, inputs=(source,), multiplier=np.full(chans, scale[0], np.int32),
        shift=np.full(chans, scale[1], np.int32), out_scale=1.0, kernel=kernel, stride=stride or kernel, pad=pad,
        dilation=dilation, low=max(low, -largest(bits)), high=largest(bits), bits=bits,
    )  # fmt: skip


def add(rng, name, sources, chans, *, low=-127, threshold=0, bits=8):
    weight = rng.integers(1, 128, len(sources)) * rng.choice([-1, 1], len(sources))
    return Layer(
        name=name, op=ADD, inputs=tuple(sources), weight=weight.astype(np.int8), out_scale=1.0,
        multiplier=rng.integers(1 << 14, 1 << 15, chans).astype(np.int32), shift=np.full(chans, 29 - bits, np.int32),
        low=max(low, -largest(bits)), high=largest(bits), threshold=threshold, bits=bits,
    )  # fmt: skip


def concat(rng, name, sources, chans, *, low=-127, threshold=0, bits=8):
    return Layer(
        name=name, op=CONCAT, inputs=tuple(sources), out_scale=1.0, threshold=threshold,
        multiplier=rng.integers(1 << 14, 1 << 16, chans).astype(np.int32), shift=np.full(chans, 23 - bits, np.int32),
        low=max(low, -largest(bits)), high=largest(bits), bits=bits,
    )  # fmt: skip


def network(layers, shape, low=0, bits=8):
    spec = MapSpec(
        height=shape[0], width=shape[1], chans=shape[2], scale=1.0, low=max(low, -largest(bits)), high=largest(bits), bits=bits
    )
    return Network(name="random", input=spec, layers=tuple(layers), output=layers[-1].name)


def inputs(rng, net, n, density):
    shape = net.input.shape
    values = rng.integers(net.input.low, net.input.high + 1, (n, *shape)).astype(np.int8)
    values[rng.random(values.shape) >= density] = 0
    return values
