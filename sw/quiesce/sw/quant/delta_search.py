"""Delta thresholds of a module that was never trained for streams."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from quiesce.sw.format.layer import MapSpec
from quiesce.sw.format.network import Network
from quiesce.sw.quant.errors import CalibrationError
from quiesce.sw.stream import LADDER, Quality, choose_delta_thresholds

__all__ = ["DeltaSearch"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DeltaSearch:
    """How ``quantize`` finds delta thresholds; see ``quiesce.sw.stream.choose_delta_thresholds``.

    Parameters
    ----------
    sequences : Tensor of float, shape (B, T, C, H, W) or (B, T, F)
        B streams of T items, such as the calibration inputs have; not those that the result is judged by.
    allowed_loss : float
        By which the quality may be less than without thresholds: with the default of both, outputs differ by a fifth of their
        standard deviation.
    quality : callable, optional
        Of outputs, int8 (B, T, rows, cols, chans), such as ``quiesce.sw.stream.accuracy(labels)``; more is better. By default
        ``quiesce.sw.stream.closeness`` to those without thresholds.
    ladder : tuple of int
        Thresholds that are tried, in steps of the map, ascending.
    dilation : int or None
        Noise gate of the input, in rows and columns.
    """

    sequences: torch.Tensor
    allowed_loss: float = 0.2
    quality: Quality | None = None
    ladder: tuple[int, ...] = LADDER
    dilation: int | None = None

    def apply(self, network: Network) -> Network:
        """The network with the thresholds that were found.

        Raises
        ------
        CalibrationError
            The sequences do not fit the network or are not finite.
        RangeError
            A parameter is out of range.
        """
        return choose_delta_thresholds(
            network, self._integers(network.input), allowed_loss=self.allowed_loss, quality=self.quality, ladder=self.ladder,
            dilation=self.dilation,
        )  # fmt: skip

    def _integers(self, spec: MapSpec) -> npt.NDArray[np.int8]:
        """The sequences as the network reads them, (B, T, rows, cols, chans)."""
        sequences, (height, width, chans) = self.sequences.detach().float(), spec.shape
        fits = sequences.shape[2:] in ((chans, height, width), (height * width * chans,))
        if not fits or not sequences.numel():
            raise CalibrationError(
                f"sequences of shape {tuple(sequences.shape)} are not (B, T, {chans}, {height}, {width}), or there are none"
            )
        if not sequences.isfinite().all():
            raise CalibrationError("sequences are not finite")
        steps = (sequences / spec.scale + 0.5).floor().clamp(spec.low, spec.high).to(torch.int8)
        maps: npt.NDArray[np.int8] = steps.reshape(*steps.shape[:2], chans, height, width).permute(0, 1, 3, 4, 2).numpy()
        return np.ascontiguousarray(maps)
