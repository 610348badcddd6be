"""Numbers of a method as tensors of its state."""

from collections.abc import Mapping, Sequence

import torch

from quiesce.sw.sparsity.errors import MethodError

__all__ = ["pack", "unpack"]


def pack(method: object, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Attributes that are numbers, exactly, as tensors of float64."""
    return {name: torch.tensor(float(getattr(method, name)), dtype=torch.float64) for name in names}


def unpack(method: object, names: Sequence[str], state: Mapping[str, torch.Tensor]) -> None:
    """Set the attributes from what ``pack`` returned.

    Raises
    ------
    MethodError
        Names are missing, or there are others.
    """
    if wrong := sorted(set(names) ^ set(state)):
        raise MethodError(f"{type(method).__name__}: state {wrong[0]!r} is not in both")
    for name in names:
        setattr(method, name, state[name].item())
