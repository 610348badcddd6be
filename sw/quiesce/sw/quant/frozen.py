"""A copy of a user's module to trace and to run, so that the module itself stays as it is."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from quiesce.sw.quant.errors import QuantizeError

__all__ = ["frozen_copy"]


@contextmanager
def frozen_copy(module: nn.Module) -> Iterator[nn.Module]:
    """A copy in evaluation mode, without gradients while the context lasts.

    What the copy shares with the module nevertheless, through closures in hooks and in methods that were replaced, is in
    evaluation mode as well meanwhile. At the end the modes and buffers of the module and the random state are as they were.

    Parameters
    ----------
    module : nn.Module
        Tensors that it keeps and that are part of a graph of gradients, such as a kept activation or the weight that
        ``torch.nn.utils.prune`` derives from its mask, are copied without that graph.

    Raises
    ------
    QuantizeError
        It cannot be copied.
    """
    memo = {id(tensor): tensor.detach().clone() for part in module.modules() for tensor in _derived(vars(part))}
    try:
        frozen = copy.deepcopy(module, memo).eval()
    except Exception as error:
        raise QuantizeError(
            f"{type(module).__name__} cannot be copied ({type(error).__name__}: {error}): detach the tensors that it keeps, "
            "remove what is no part of the network, or load its weights into a newly made module"
        ) from error
    modes = {part: part.training for part in module.modules()}
    buffers = {buffer: buffer.clone() for buffer in module.buffers()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            module.eval()
            yield frozen
    finally:
        for part, mode in modes.items():
            part.training = mode
        with torch.no_grad():
            for buffer, value in buffers.items():
                buffer.copy_(value)


def _derived(value: Any) -> Iterator[torch.Tensor]:
    """Tensors in attributes, and in containers of them, that are results of a graph of gradients; none of other modules."""
    if isinstance(value, torch.Tensor):
        if not value.is_leaf:
            yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _derived(item)
