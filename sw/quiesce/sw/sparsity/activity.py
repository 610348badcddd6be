"""What a real-valued or integer torch module does on inputs: nonzeros, and the work they cause."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from quiesce.sw.sparsity.sites import LayerInput, tap, working_layers

__all__ = ["Activity", "activity"]


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
    """

    events: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    work: float = 0.0

    def take(self, one: LayerInput) -> None:
        """Count one input."""
        nonzero = int(torch.count_nonzero(one.steps))
        self.events[one.name] = self.events.get(one.name, 0) + nonzero
        self.sizes[one.name] = self.sizes.get(one.name, 0) + one.steps.numel()
        self.work += one.fan_out * nonzero

    def density(self, name: str) -> float:
        """Nonzero share of a layer's inputs, 0..1."""
        return self.events[name] / self.sizes[name] if self.sizes[name] else 0.0


@contextmanager
def activity(module: nn.Module) -> Iterator[Activity]:
    """Count the inputs of all ``working_layers`` while the context lasts."""
    counted = Activity()
    handles = [tap(name, layer, counted.take) for name, layer in working_layers(module).items()]
    try:
        yield counted
    finally:
        for handle in handles:
            handle.remove()
