"""What a real-valued or integer torch module does on inputs: nonzeros, and the work they cause."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from quiesce.sw.sparsity.sites import LayerInput, tap, working_layers

__all__ = ["Activity", "activity", "changes", "clips_of"]


@dataclass
class Activity:
    """Totals over all forward passes, by name of the layer.

    Parameters
    ----------
    events : dict of str to int
        Nonzero inputs.
    sizes : dict of str to int
        All inputs.
    work : float
        ``sum_l fan_out_l events_l``, weights that are zero counted as any other.
    frames : int
        Above 1, batches are clips of so many frames, and what counts are changes from frame to frame in place of nonzeros.
    """

    events: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    work: float = 0.0
    frames: int = 1

    def take(self, one: LayerInput) -> None:
        """Count one input."""
        acts = one.steps if self.frames == 1 else changes(one.steps, self.frames)
        nonzero = int(torch.count_nonzero(acts))
        self.events[one.name] = self.events.get(one.name, 0) + nonzero
        self.sizes[one.name] = self.sizes.get(one.name, 0) + acts.numel()
        self.work += one.fan_out * nonzero

    def density(self, name: str) -> float:
        """Nonzero share of a layer's inputs, 0..1."""
        return self.events[name] / self.sizes[name] if self.sizes[name] else 0.0


def clips_of(acts: torch.Tensor, frames: int) -> torch.Tensor:
    """Clips (N, frames, ...) of frames (N x frames, ...)."""
    return acts.reshape(-1, frames, *acts.shape[1:])


def changes(acts: torch.Tensor, frames: int) -> torch.Tensor:
    """``a[t] - a[t - 1]`` of clips (N x frames, ...), first frames left out: (N, frames - 1, ...)."""
    return torch.diff(clips_of(acts, frames), dim=1)


@contextmanager
def activity(module: nn.Module, frames: int = 1) -> Iterator[Activity]:
    """Count the inputs of all ``working_layers`` while the context lasts; see ``Activity`` for ``frames``."""
    counted = Activity(frames=frames)
    handles = [tap(name, layer, counted.take) for name, layer in working_layers(module).items()]
    try:
        yield counted
    finally:
        for handle in handles:
            handle.remove()
