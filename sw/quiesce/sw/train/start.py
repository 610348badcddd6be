"""Published weights that a training run begins with."""

import hashlib
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from quiesce.sw.train.errors import CheckpointError

__all__ = ["load_start"]


def load_start(module: nn.Module, path: Path, digest: str) -> None:
    """Load a state dictionary into a module.

    The file is a safetensors file, or a legacy torch file (any other suffix) that holds tensors only: nothing else is ever
    unpickled from it, and nothing at all before its hash has been checked. A prefix ``module.`` of all names is dropped.

    Parameters
    ----------
    module : nn.Module
        Receives the weights; its parameters that are not trained keep their values where the file has none.
    path : Path
        The file.
    digest : str
        SHA-256 of the file, hexadecimal.

    Raises
    ------
    CheckpointError
        The file is missing, has another hash, cannot be read, or does not fit the module.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        raise CheckpointError(f"{path}: SHA-256 {found} instead of {digest}")
    try:
        state = load(content) if path.suffix == ".safetensors" else _load_legacy(path)
    except (SafetensorError, UnpicklingError, RuntimeError, ValueError, EOFError, LookupError) as error:
        raise CheckpointError(f"{path}: not a file of weights ({error})") from None
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    fixed = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    fixed |= {name for name in module.state_dict() if name.endswith("num_batches_tracked")}
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:  # shapes
        raise CheckpointError(f"{path}: {' '.join(str(error).split())}") from None
    if wrong := sorted((set(missing) - fixed) | set(unexpected)):
        raise CheckpointError(f"{path}: does not fit {type(module).__name__}: {wrong[0]} is not in both")


def _load_legacy(path: Path) -> dict[str, torch.Tensor]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise ValueError("no dictionary of tensors")
    return state
