"""Cutting maps into parts that fit a processor's cache."""

from collections.abc import Iterator

import torch

__all__ = ["parts"]

_PART = 1 << 16
"""Elements that are worked on together."""


def parts(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Tensors (N, ...) cut alike along the first axis, on a processor into parts of which the first tensor's fit a cache.

    Several operations in turn on each part cost little more than one on the whole, and their intermediate results no memory.
    """
    first = tensors[0]
    n_images = max(1, _PART // max(1, first[:1].numel())) if first.device.type == "cpu" else max(1, len(first))
    return zip(*(torch.split(tensor, n_images) for tensor in tensors), strict=True)
