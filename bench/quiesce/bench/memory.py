"""How much memory a piece of work allocates."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_bytes"]


class _Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the tensors that operations make while it is active, as long as anything holds them.

    Buffers that an operation needs within itself are not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._live: set[int] = set()

    def __torch_dispatch__(
        self, operation: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        kwargs = kwargs or {}
        given = {storage._cdata for storage in _storages((args, kwargs))}
        out = operation(*args, **kwargs)
        for storage in _storages(out):
            if storage._cdata not in given and storage._cdata not in self._live:
                self._live.add(storage._cdata)
                self._now += storage.nbytes()
                self.peak = max(self.peak, self._now)
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        return out

    def _free(self, address: int, n_bytes: int) -> None:
        self._live.discard(address)
        self._now -= n_bytes


def _storages(tree: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Memory at most allocated during some work, beyond what was before it.

    On CUDA devices by their allocator; on processors, whose allocator keeps no account, the sum of the tensors that are alive.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = int(torch.cuda.memory_allocated(device))
        work()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device)) - before
    allocations = _Allocations()
    with allocations:
        work()
    return allocations.peak
