"""How many winners a layer needs to keep a share of its energy."""

from typing import Protocol

import torch
from torch import distributed

__all__ = ["EnergyShare", "SpectrumShare", "WinnerRate", "over_processes"]

_ROUNDING = 1e-12
"""Of cumulative sums in double precision."""


class WinnerRate(Protocol):
    """Collects activations of a layer, batch by batch."""

    def add(self, acts: torch.Tensor) -> None:
        """Activations (N, C, ...) of some samples."""

    def winners(self, theta: float) -> int:
        """The fewest winners, 1..C, that keep the share ``theta``, 0..1, of what all processes have added."""


def over_processes(total: torch.Tensor) -> torch.Tensor:
    """Sum over all processes that train together, if there are several."""
    if distributed.is_available() and distributed.is_initialized():
        total = total.clone()
        distributed.all_reduce(total)
    return total


def _fewest(shares: torch.Tensor, theta: float) -> int:
    """The fewest of the largest that reach ``theta``, from the cumulative shares (C,)."""
    return min(len(shares), int((shares < theta - _ROUNDING).sum()) + 1)


class EnergyShare:
    """Of a fully connected layer with activations ``a`` (N, C), neurons sorted by magnitude in each sample::

        share(k) = mean over samples of  sum over the k largest of a^2 / sum over all of a^2
        winners  = least k with share(k) >= theta

    A sample without any activation has a share of 1. Source: DASNet, the winner rate from cumulative energy; whether energies are
    squares is not known, and that samples share one k by the mean of their shares is this project's reconstruction.

    Parameters
    ----------
    squared : bool
        ``a^2``, or else ``|a|``.
    """

    def __init__(self, *, squared: bool = True) -> None:
        self.squared = squared
        self._shares = torch.zeros((), dtype=torch.float64)  # of each k, summed over the samples

    def add(self, acts: torch.Tensor) -> None:
        energies = acts.detach().double().abs()
        energies = energies.square() if self.squared else energies
        sums = energies.sort(dim=1, descending=True).values.cumsum(dim=1)
        total = sums[:, -1:]
        self._shares = self._shares + torch.where(total > 0, sums / total, 1.0).sum(dim=0)

    def winners(self, theta: float) -> int:
        shares = over_processes(self._shares)
        return _fewest(shares / shares[-1], theta)  # all neurons keep everything of each sample


class SpectrumShare:
    """Of a convolution with maps (N, C, H, W), as a matrix M of N H W rows and C columns with singular values s::

        share(k) = sum of the k largest s^2 / sum of all s^2
        winners  = least k with share(k) >= theta

    The singular values are the roots of the eigenvalues of ``M^T M``, so that M need not be held. Source: DASNet, as above.

    Parameters
    ----------
    squared : bool
        ``s^2``, or else ``s``.
    """

    def __init__(self, *, squared: bool = True) -> None:
        self.squared = squared
        self._gram = torch.zeros((), dtype=torch.float64)

    def add(self, acts: torch.Tensor) -> None:
        matrix = acts.detach().double().movedim(1, -1).reshape(-1, acts.shape[1])
        self._gram = self._gram + matrix.T @ matrix

    def winners(self, theta: float) -> int:
        energies = torch.linalg.eigvalsh(over_processes(self._gram)).clamp(min=0).flip(0)
        energies = energies if self.squared else energies.sqrt()
        total = float(energies.sum())
        return _fewest(energies.cumsum(dim=0) / total, theta) if total else 1
