"""Winners-take-all in torch: ReLU of which only some channels survive."""

from enum import Enum

import torch
from torch.nn.functional import adaptive_max_pool2d

from quiesce.sw.quant.fatrelu import BufferValue, FatReLU, keep

__all__ = ["Feature", "WinnerReLU", "winner_mask"]


class Feature(str, Enum):
    """What the channels of a map are compared by."""

    MAX = "max"
    """The largest activation; the only one that the integer arithmetic knows."""
    MEAN = "mean"
    """The mean over rows and columns."""


def winner_mask(acts: torch.Tensor, n_winners: int, feature: Feature = Feature.MAX) -> torch.Tensor:
    """Which channels win in each sample: those of the ``n_winners`` largest features, of equal ones the lower channel.

    Equals ``quiesce.sw.format.winners.winning_channels`` for MAX.

    Parameters
    ----------
    acts : Tensor, shape (N, C, rows, cols) or (N, C)
        Not negative. Without rows and columns each neuron is its own feature.
    n_winners : int
        1..C.

    Returns
    -------
    Tensor, shape (N, C, 1, ...)
        1 or 0 in the type of ``acts``, to be multiplied with them.
    """
    features = _features(acts, feature)
    least = features.topk(n_winners, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    above, equal = features > least, features == least
    room = n_winners - above.sum(dim=1, keepdim=True)
    wins = (above | (equal & (equal.cumsum(dim=1) <= room))).to(acts.dtype)
    return wins.reshape(*wins.shape, *(1 for _ in acts.shape[2:]))


def _features(acts: torch.Tensor, feature: Feature) -> torch.Tensor:
    """Of each channel (N, C)."""
    if acts.ndim == 2:
        return acts
    if feature is Feature.MEAN:
        return acts.mean(dim=tuple(range(2, acts.ndim)))
    if acts.is_floating_point():
        return adaptive_max_pool2d(acts, 1).flatten(1)  # ten times as fast as amax on a processor, but not for integers
    return acts.amax(dim=(2, 3))


class WinnerReLU(FatReLU):
    """``a = FatReLU(x)``, then zero in all channels but the ``n_winners`` ones with the largest feature (``winner_mask``).

    The mask of the forward pass also gates the gradient. Source: Yang et al., "DASNet: Dynamic Activation Sparsity for Neural
    Network Efficiency Improvement", ICTAI 2019, Algorithm 1. Quantisation turns it into ``Layer.winners``.

    Parameters
    ----------
    n_winners : int
        Channels that survive, or 0: all. A buffer, so that it is part of the state.
    feature : Feature
        What channels of maps (N, C, H, W) are compared by.
    threshold : float
        As of FatReLU.

    Raises
    ------
    ValueError
        ``n_winners`` is negative, or the threshold is no such thing.
    """

    n_winners: torch.Tensor

    def __init__(self, n_winners: int = 0, *, feature: Feature = Feature.MAX, threshold: float = 0.0) -> None:
        super().__init__(threshold)
        if n_winners < 0:
            raise ValueError(f"n_winners {n_winners!r} is negative")
        self.feature = feature
        self.register_buffer("n_winners", torch.tensor(n_winners))
        self._n_winners = BufferValue()

    def forward(self, acts: torch.Tensor) -> torch.Tensor:
        """Activations (N, C, ...)."""
        threshold, n_winners = self._threshold.of(self.threshold), int(self._n_winners.of(self.n_winners))
        if not 0 < n_winners < acts.shape[1]:
            return keep(acts, threshold)
        return keep(acts, threshold, lambda kept: winner_mask(kept, n_winners, self.feature))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, n_winners={self.n_winners.item()}, feature={self.feature.value}"
