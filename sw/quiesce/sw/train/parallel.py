"""Training by several processes, as ``torchrun`` starts them, each with a part of every batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from quiesce.sw.sparsity.method import Metrics

__all__ = ["agree", "device", "mean", "n_processes", "one_thread", "processes", "rank", "share_buffers", "shared"]


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread: sums are then always taken in the same order, and networks this small are no faster with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def processes() -> Iterator[None]:
    """Join the other processes that ``torchrun`` started, if there are any, while the context lasts."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def device() -> torch.device:
    """Where this process trains: on the CUDA device of its rank on this machine if there are any, else on the processor."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def rank() -> int:
    """Which process this is; 0 writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def n_processes() -> int:
    """How many there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def shared(module: nn.Module) -> nn.Module:
    """A module whose gradients are means over the processes; the module itself if there is one process only."""
    return DistributedDataParallel(module) if n_processes() > 1 else module


def mean(value: float) -> float:
    """Mean of the values of all processes."""
    if n_processes() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64)
    distributed.all_reduce(total)
    return float(total) / n_processes()


def share_buffers(module: nn.Module) -> None:
    """Give all processes the buffers of the first one: statistics of normalisation are of its part of the batches."""
    if n_processes() > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)


def agree(metrics: Metrics) -> Metrics:
    """The metrics of the first process, so that all decide alike however their processors round."""
    if n_processes() == 1:
        return metrics
    names = [field.name for field in fields(Metrics) if field.name != "epoch"]
    values = torch.tensor([getattr(metrics, name) for name in names], dtype=torch.float64)
    distributed.broadcast(values, 0)
    return Metrics(epoch=metrics.epoch, **dict(zip(names, values.tolist(), strict=True)))
