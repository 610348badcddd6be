"""Quantisation of a module for streams."""

import numpy as np
import pytest
import torch
from torch import nn

from quiesce.sw.quant import CalibrationError, DeltaSearch, quantize
from quiesce.sw.stream import run_sequences


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 5 * 6, 3))


def sequences() -> torch.Tensor:
    """Two streams of six frames that change a little."""
    generator = torch.Generator().manual_seed(1)
    still = torch.rand(2, 1, 2, 5, 6, generator=generator)
    return still + 0.05 * torch.rand(2, 6, 2, 5, 6, generator=generator)


def test_thresholds_are_found_on_what_the_network_reads() -> None:
    frames, seen = sequences(), []

    def quality(outputs: np.ndarray) -> float:
        seen.append(outputs)
        return 1.0

    plain = quantize(module(), frames.flatten(0, 1))
    found = quantize(module(), frames.flatten(0, 1), delta=DeltaSearch(sequences=frames, quality=quality, ladder=(1, 4, 16)))
    steps = np.floor(frames.numpy() / np.float32(plain.input.scale) + 0.5).astype(np.int8).transpose(0, 1, 3, 4, 2)
    np.testing.assert_array_equal(seen[0], run_sequences(plain, steps).outputs)
    assert found.input.delta_threshold == 16 and found.layers[0].delta_threshold == 0
    assert run_sequences(found, steps).delta_macs.sum() < run_sequences(plain, steps).delta_macs.sum()
    flat = DeltaSearch(sequences=frames.flatten(2), quality=quality, ladder=(1, 4, 16))
    assert quantize(module(), frames.flatten(0, 1), delta=flat).input.delta_threshold == 16


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(2, 6, 5, 6, 2), r"shape \(2, 6, 5, 6, 2\) are not \(B, T, 2, 5, 6\)"),
        (torch.zeros(12, 2, 5, 6), "are not"),
        (torch.zeros(2, 0, 2, 5, 6), "there are none"),
        (torch.full((1, 2, 2, 5, 6), float("nan")), "not finite"),
    ],
)
def test_rejected_sequences(bad: torch.Tensor, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        quantize(module(), sequences().flatten(0, 1), delta=DeltaSearch(sequences=bad, quality=lambda _: 1.0))
