"""An operator that is added from outside goes all the way: quantised, saved, compiled, computed by the reference and the RTL.

The code up to the tests is that of docs/how-to/add-an-operator.md, word for word.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from quiesce.sim import RunOptions, cosim
from quiesce.sim.cycles.predict import predict
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from quiesce.sw.format import ops
from quiesce.sw.format.container import dump_network, parse_network
from quiesce.sw.format.errors import ShapeError
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import Network
from quiesce.sw.format.ops.base import Acts, Limits, Sums
from quiesce.sw.quant import forms, quantize, quantized_forward
from quiesce.sw.quant.plan import FloatLayer
from quiesce.sw.sparsity.accounting import effectual_macs
from quiesce.sw.sparsity.sites import fan_out, working_layers
from tests.sim.cores import TINY

N_IMAGES = 6
Case = tuple[Network, np.ndarray]
TAPS = np.array([1, 2, 1], np.int8)


class BlurPool(ops.Operator):
    """``acc[r, c, o] = sum over i, j of k[i] k[j] x[r stride + i - pad, c stride + j - pad, o]`` with ``k = 1, 2, 1``.

    Padding counts as zeros. The division by 16 is part of multiplier and shift.
    """

    name = "blurpool"
    windowed = True

    def check(self, layer: Layer) -> None:
        super().check(layer)
        if (layer.kernel, layer.dilation) != ((3, 3), (1, 1)):
            raise ShapeError(f"{layer.where}: a blur has a kernel of 3 x 3 without dilation")

    def accumulate(self, layer: Layer, *sources: Acts) -> Sums:
        (acts,) = sources
        top, bottom, left, right = layer.pad
        padded = np.pad(acts.astype(np.int32), ((0, 0), (top, bottom), (left, right), (0, 0)))
        by_rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
        blurred = by_rows[:, :, :-2] + 2 * by_rows[:, :, 1:-1] + by_rows[:, :, 2:]
        return blurred[:, :: layer.stride[0], :: layer.stride[1]]

    def bounds(self, layer: Layer, limits: Sequence[Limits]) -> Limits:
        ((low, high),) = limits
        return 16 * low, 16 * high

    def channel_weights(self, layer: Layer, shapes: Sequence[MapShape], operand: int, outs: range) -> Acts:
        return np.broadcast_to(np.outer(TAPS, TAPS), (len(outs), 3, 3))


BLURPOOL = ops.register(BlurPool())


def blurred(acts: torch.Tensor, stride: tuple[int, int]) -> torch.Tensor:
    taps = torch.from_numpy(np.outer(TAPS, TAPS)).to(acts.dtype)
    chans = acts.shape[1]
    return F.conv2d(acts, taps.expand(chans, 1, 3, 3), None, stride, groups=chans)


class Blur(nn.Module):
    """Low-pass filter before subsampling (Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019)."""

    kernel_size, padding = 3, 1

    def __init__(self, stride: int = 2) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, acts: torch.Tensor) -> torch.Tensor:
        return blurred(F.pad(acts, (1, 1, 1, 1)), (self.stride, self.stride)) / 16


class BlurForm(forms.PoolForm):
    op = BLURPOOL
    calls = {Blur: "blur"}
    arguments = {"blur": ("kernel_size", "stride", "padding")}

    def accumulate(self, layer: forms.Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        (acts,) = maps
        top, bottom, left, right = layer.pad
        return blurred(F.pad(acts, (left, right, top, bottom)), layer.stride)

    def weight_sum(self, layer: FloatLayer) -> int:
        return 16


forms.register(BlurForm())


@pytest.fixture(scope="module")
def case() -> Case:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), Blur(), nn.Conv2d(5, 6, 3), Blur(1), nn.Flatten(), nn.Linear(24, 10)
    )
    images = torch.randn(40, 1, 8, 8)
    network = quantize(module, images)
    inputs = (images[:N_IMAGES] / network.input.scale + 0.5).floor().clamp(-127, 127).permute(0, 2, 3, 1)
    return network, inputs.numpy().astype(np.int8)


def test_quantisation_finds_it_and_files_keep_it(case: Case) -> None:
    network, inputs = case
    blurs = [layer for layer in network.layers if layer.op is BLURPOOL]
    assert [(layer.stride, layer.low) for layer in blurs] == [((2, 2), 0), ((1, 1), -127)]
    again = parse_network(dump_network(network))
    assert [layer.op for layer in again.layers] == [layer.op for layer in network.layers]
    np.testing.assert_array_equal(reference.run(again, inputs).outputs, reference.run(network, inputs).outputs)


def test_torch_equals_the_reference(case: Case) -> None:
    network, inputs = case
    expected = reference.run(network, inputs)
    np.testing.assert_array_equal(quantized_forward(network)(torch.from_numpy(inputs)).numpy(), expected.outputs)
    for name, macs in effectual_macs(network, inputs).items():
        np.testing.assert_array_equal(macs, expected.counts[name].effectual_macs)


def test_training_methods_see_it() -> None:
    working = working_layers(nn.Sequential(nn.Conv2d(1, 2, 3), Blur()))
    assert {name: fan_out(layer) for name, layer in working.items()} == {"0": 18.0, "1": 9 / 4}


def test_a_blur_of_another_size_is_refused(case: Case) -> None:
    blur = next(layer for layer in case[0].layers if layer.op is BLURPOOL)
    with pytest.raises(ShapeError, match="3 x 3"):
        replace(blur, kernel=(5, 5))


@pytest.mark.parametrize("dense", [False, True])
def test_the_core_computes_it(case: Case, dense: bool) -> None:
    network, inputs = case
    run = cosim(network, inputs, config=TINY, options=RunOptions(dense=dense, energy=False, simulator="loop"))
    assert run.bit_exact, run.mismatch
    expected = reference.run(network, inputs)
    np.testing.assert_array_equal(run.outputs, expected.outputs)
    for layer in run.layers:
        assert dense or layer.effectual_macs == expected.counts[layer.name].effectual_macs.sum()
    predicted = predict(compile_network(network, TINY), inputs, dense=dense)
    assert sum(layer.cycles for layer in predicted) == pytest.approx(run.cycles, rel=0.03)


def test_the_document_shows_this_code() -> None:
    root = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").exists())
    code = Path(__file__).read_text()
    blocks = (root / "docs" / "how-to" / "add-an-operator.md").read_text().split("```python\n")[1:]
    assert len(blocks) == 2
    for block in blocks:
        assert block.partition("```")[0] in code
