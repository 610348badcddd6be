"""Checkpoints of a training run as safetensors files: tensors and a JSON header, no code."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from quiesce.sw.train.errors import CheckpointError

__all__ = ["Checkpoint", "optimiser_state", "restore_optimiser"]

Tensors = dict[str, torch.Tensor]


class Checkpoint:
    """The file that a training run continues from.

    Parameters
    ----------
    path : Path
        The file; replaced as a whole by each ``save``.
    digest : str
        Hash of the recipe.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self.path, self.digest = path, digest

    def save(self, phase: str, epochs: int, groups: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
        """Store named groups of tensors as the state after so many epochs of a phase."""
        tensors = {f"{group}/{name}": tensor.contiguous() for group, state in groups.items() for name, tensor in state.items()}
        header = {"digest": self.digest, "phase": phase, "epochs": epochs}
        partial = self.path.with_suffix(".partial")
        save_file(tensors, partial, {"quiesce-checkpoint": json.dumps(header)})
        os.replace(partial, self.path)

    def load(self) -> tuple[str, int, dict[str, Tensors]] | None:
        """Phase, finished epochs and groups of tensors; None if there is no file.

        Raises
        ------
        CheckpointError
            The file is damaged, or of another recipe.
        """
        if not self.path.exists():
            return None
        groups: dict[str, Tensors] = {}
        try:
            with safe_open(self.path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["quiesce-checkpoint"])
                digest, phase, epochs = header["digest"], str(header["phase"]), int(header["epochs"])
                for key in file.keys():  # noqa: SIM118  # the file is no mapping
                    group, _, name = key.partition("/")
                    groups.setdefault(group, {})[name] = file.get_tensor(key)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.path}: damaged checkpoint ({error})") from None
        if digest != self.digest:
            raise CheckpointError(f"{self.path}: the checkpoint belongs to another recipe; remove it to start afresh")
        return phase, epochs, groups

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)


def optimiser_state(optimiser: torch.optim.Optimizer) -> Tensors:
    """Tensors of an optimiser whose per-parameter state is all tensors (as AdamW's), in order of the parameters."""
    state = optimiser.state_dict()["state"]
    return {f"{index}/{name}": tensor.clone() for index, entry in state.items() for name, tensor in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Inverse of ``optimiser_state`` for an optimiser over the same parameters."""
    content = optimiser.state_dict()
    content["state"] = {}
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for key, tensor in tensors.items():
        index, _, name = key.partition("/")
        if tensor.shape == parameters[int(index)].shape:
            # A fused optimiser goes through memory, so that the layout must be that of the parameter; files do not keep it.
            tensor = torch.empty_like(parameters[int(index)]).copy_(tensor)
        content["state"].setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict(content)
