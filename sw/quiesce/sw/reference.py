"""Integer reference: what a network computes, bit for bit, and the work it takes.

Convolutions run as matrix products in floating point, which is exact: every partial sum is an integer below the product of
the largest activation and the sum of weight magnitudes, and the type is chosen so that all those integers are representable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.checks import ACT_MAX
from quiesce.sw.format.errors import DtypeError, RangeError, ShapeError
from quiesce.sw.format.layer import Kind, Layer, MapShape
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.requantize import requantize
from quiesce.sw.format.winners import suppress_losers

__all__ = ["LayerCounts", "ReferenceResult", "accumulate", "channel_events", "fan_out", "outputs", "run"]

_BATCH_CELLS = 1 << 23
"""Operands of matrix products held at a time, for bounded memory."""

Acts = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerCounts:
    """Work of one layer.

    Parameters
    ----------
    events : ndarray of int64, shape (N,)
        Nonzero input activations of each image, all inputs.
    effectual_macs : ndarray of int64, shape (N,)
        Multiplications with both operands nonzero and an output inside the map. Pools: nonzero activation x windows that
        contain it. ADD and CONCAT: nonzero activations.
    dense_macs : int
        Multiplications of a dense engine for one image, those on padding left out.
    input_size : int
        Input activations of one image, all inputs.
    """

    events: Counts
    effectual_macs: Counts
    dense_macs: int
    input_size: int

    @property
    def density(self) -> float:
        """Nonzero share of the input activations, over all images; 0 without images."""
        return float(self.events.mean()) / self.input_size if len(self.events) else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceResult:
    """Outcome of ``run`` for N images.

    Parameters
    ----------
    outputs : ndarray of int8, shape (N, rows, cols, chans)
        Activations of the network's output layer.
    activations : dict of str to ndarray of int8
        Layer name -> (N, rows, cols, chans), for all layers, or for the output alone if the others were not kept.
    counts : dict of str to LayerCounts
        Layer name -> work, in topological order.
    """

    outputs: Acts
    activations: dict[str, Acts]
    counts: dict[str, LayerCounts]

    @property
    def effectual_macs(self) -> Counts:
        """Effectual MACs of each image, all layers, shape (N,)."""
        total = np.zeros(len(self.outputs), np.int64)
        for count in self.counts.values():
            total += count.effectual_macs
        return total

    @property
    def dense_macs(self) -> int:
        """Dense MACs of one image, all layers."""
        return sum(count.dense_macs for count in self.counts.values())


def run(network: Network, inputs: Acts, *, keep_activations: bool = True) -> ReferenceResult:
    """Compute a network on images in integers, and count its work.

    Parameters
    ----------
    network : Network
    inputs : ndarray of int8, shape (N, rows, cols, chans)
        Within the range of ``network.input``.
    keep_activations : bool
        Return the activations of every layer rather than those of the output alone.

    Raises
    ------
    DtypeError, ShapeError, RangeError
        The inputs are not what the network takes.
    """
    _check_inputs(network, inputs)
    shapes = network.shapes()
    fans = {
        layer.name: fan_out(layer, shapes[layer.inputs[0]]).astype(np.float64).ravel()
        for layer in network.layers
        if not layer.kind.joins
    }
    kept = {layer.name for layer in network.layers} if keep_activations else {network.output}
    n_images = len(inputs)
    activations = {name: np.empty((n_images, *shapes[name]), np.int8) for name in shapes if name in kept}
    counts = {
        layer.name: LayerCounts(
            events=np.zeros(n_images, np.int64),
            effectual_macs=np.zeros(n_images, np.int64),
            dense_macs=network.dense_macs(layer),
            input_size=sum(prod(shapes[name]) for name in layer.inputs),
        )
        for layer in network.layers
    }
    batch = max(1, _BATCH_CELLS // max(_operand_cells(layer, shapes) for layer in network.layers))
    for first in range(0, n_images, batch):
        rows = slice(first, first + batch)
        maps: dict[str, Acts] = {INPUT: inputs[rows]}
        for layer in network.layers:
            sources = [maps[name] for name in layer.inputs]
            for source in sources:
                nonzero = (source != 0).reshape(len(source), -1)
                n_nonzero = np.count_nonzero(nonzero, axis=1)
                counts[layer.name].events[rows] += n_nonzero
                # Exact: integers below 2^53.
                counts[layer.name].effectual_macs[rows] += (
                    n_nonzero if layer.kind.joins else (nonzero @ fans[layer.name]).astype(np.int64)
                )
            maps[layer.name] = outputs(layer, *sources)
            if layer.name in kept:
                activations[layer.name][rows] = maps[layer.name]
    return ReferenceResult(outputs=activations[network.output], activations=activations, counts=counts)


def _check_inputs(network: Network, inputs: Acts) -> None:
    if inputs.dtype != np.int8:
        raise DtypeError(f"inputs: {inputs.dtype} is not int8")
    if inputs.ndim != 4 or inputs.shape[1:] != network.input.shape:
        raise ShapeError(f"inputs: shape {inputs.shape} is not (N, {', '.join(map(str, network.input.shape))})")
    low, high = network.input.low, network.input.high
    if inputs.size and not low <= inputs.min() <= inputs.max() <= high:
        raise RangeError(f"inputs: values reach {inputs.min()}..{inputs.max()}, beyond {low}..{high}")


def _operand_cells(layer: Layer, shapes: dict[str, MapShape]) -> int:
    """Cells of the largest array that ``accumulate`` makes for one image."""
    rows, cols, chans = shapes[layer.name]
    in_size = prod(shapes[layer.inputs[0]])
    if layer.kind is not Kind.CONV:
        return max(in_size, rows * cols * chans)
    return max(in_size, rows * cols * max(chans, layer.kernel[0] * layer.kernel[1] * shapes[layer.inputs[0]][2]))


def _window_slices(layer: Layer, out_shape: tuple[int, int]) -> Iterator[tuple[int, int, slice, slice]]:
    """For each kernel position (i, j): the padded rows and columns that it meets, one for each window."""
    for i in range(layer.kernel[0]):
        for j in range(layer.kernel[1]):
            row, col = i * layer.dilation[0], j * layer.dilation[1]
            yield (
                i, j,
                slice(row, row + (out_shape[0] - 1) * layer.stride[0] + 1, layer.stride[0]),
                slice(col, col + (out_shape[1] - 1) * layer.stride[1] + 1, layer.stride[1]),
            )  # fmt: skip


def fan_out(layer: Layer, shape: MapShape) -> Counts:
    """Multiplications that each input activation causes if it is not zero, shape (rows, cols, chans); one for ADD and CONCAT.

    The sum over nonzero activations is the number of effectual MACs; a pool counts the windows that hold the activation.
    """
    if layer.kind.joins:
        return np.ones(shape, np.int64)
    if layer.kind is Kind.LINEAR:
        assert layer.weight is not None
        kept: Counts = np.count_nonzero(layer.weight, axis=0).reshape(shape)
        return kept
    if layer.weight is None:
        weights = np.ones((*layer.kernel, shape[2]), np.int64)
    else:
        # (groups, kh, kw, cin / groups): output channels of the group with a weight there.
        kept = np.count_nonzero(layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:]), axis=1)
        weights = np.moveaxis(kept, 0, 2).reshape(*layer.kernel, shape[2])
    top, bottom, left, right = layer.pad
    fans = np.zeros((top + shape[0] + bottom, left + shape[1] + right, shape[2]), np.int64)
    for i, j, rows, cols in _window_slices(layer, layer.output_shape(shape)[:2]):
        fans[rows, cols] += weights[i, j]
    return fans[top : top + shape[0], left : left + shape[1]]


def accumulate(layer: Layer, *sources: Acts) -> npt.NDArray[np.int32]:
    """Sums of a layer before requantisation, bias included: (N, rows, cols, chans) each -> (N, out_rows, out_cols, cout)."""
    if layer.kind is Kind.CONCAT:
        return np.concatenate(sources, axis=3, dtype=np.int32)
    if layer.kind is Kind.ADD:
        assert layer.weight is not None
        total = np.zeros(sources[0].shape, np.int32)
        for weight, source in zip(layer.weight.astype(np.int32), sources, strict=True):
            total += weight * source
        return total
    (acts,) = sources
    shape = layer.output_shape((acts.shape[1], acts.shape[2], acts.shape[3]))
    if layer.kind is Kind.LINEAR:
        assert layer.weight is not None
        acc = _product(acts.reshape(len(acts), -1), layer.weight).reshape(len(acts), *shape)
    elif layer.kind is Kind.CONV:
        acc = _convolve(layer, acts, shape)
    else:
        return _pool(layer, acts, shape)
    assert layer.bias is not None
    acc += layer.bias
    return acc


def outputs(layer: Layer, *sources: Acts) -> Acts:
    """Activations of a layer: (N, rows, cols, chans) of each input -> (N, out_rows, out_cols, cout)."""
    acc = accumulate(layer, *sources)
    acts = requantize(acc, layer.multiplier, layer.shift, layer.low, layer.high, layer.threshold)
    return suppress_losers(acts, layer.winners)


def _product(acts: npt.NDArray[Any], weight: Acts) -> npt.NDArray[np.int32]:
    """Exact ``acts @ weight.T`` for (rows, n) x (cout, n)."""
    bound = ACT_MAX * int(np.abs(weight.astype(np.int64)).sum(axis=1).max())
    # A network's accumulators fit 32 bits, far below the 2^53 of double precision.
    dtype = np.float32 if bound < 1 << 24 else np.float64
    product: npt.NDArray[np.int32] = (acts.astype(dtype, copy=False) @ weight.T.astype(dtype)).astype(np.int32)
    return product


def _pad(layer: Layer, acts: Acts, value: int) -> Acts:
    top, bottom, left, right = layer.pad
    if not any(layer.pad):
        return acts
    return np.pad(acts, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def _convolve(layer: Layer, acts: Acts, shape: MapShape) -> npt.NDArray[np.int32]:
    assert layer.weight is not None
    rows, cols, cout = shape
    cin = layer.weight.shape[3]
    padded = _pad(layer, acts, 0)
    patches = np.empty((layer.groups, len(acts), rows, cols, *layer.kernel, cin), np.float32)
    for i, j, row_slice, col_slice in _window_slices(layer, (rows, cols)):
        cells = padded[:, row_slice, col_slice].reshape(len(acts), rows, cols, layer.groups, cin)
        patches[:, :, :, :, i, j] = np.moveaxis(cells, 3, 0)
    flat = patches.reshape(layer.groups, len(acts) * rows * cols, -1)
    weight = layer.weight.reshape(layer.groups, cout // layer.groups, -1)
    products = [_product(flat[group], weight[group]) for group in range(layer.groups)]
    return np.concatenate(products, axis=1).reshape(len(acts), *shape)


def _pool(layer: Layer, acts: Acts, shape: MapShape) -> npt.NDArray[np.int32]:
    largest = layer.kind is Kind.MAXPOOL
    # Below every activation, so that padding never is the maximum.
    padded = _pad(layer, acts, -ACT_MAX - 1 if largest else 0)
    acc = np.full((len(acts), *shape), -ACT_MAX - 1 if largest else 0, np.int32)
    for _, _, rows, cols in _window_slices(layer, shape[:2]):
        if largest:
            np.maximum(acc, padded[:, rows, cols], out=acc)
        else:
            acc += padded[:, rows, cols]
    return acc


def channel_events(network: Network, inputs: Acts) -> dict[str, npt.NDArray[np.float64]]:
    """Nonzero activations per image of each channel of "input" and of every map, (chans,), as means over ``inputs``."""
    maps = {INPUT: inputs, **run(network, inputs).activations}
    return {name: (acts != 0).sum(axis=(1, 2)).mean(axis=0) for name, acts in maps.items()}
