"""The operations that quantisation knows, in the forms in which they appear in a traced graph."""

import operator
import re
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from quiesce.sw.quant.delta import DeltaActivation
from quiesce.sw.quant.errors import UnsupportedOperationError
from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.quant.forms import form_of_call
from quiesce.sw.quant.winners import WinnerReLU

__all__ = ["PAD_ARGUMENTS", "SHAPE_QUERIES", "channel_pad", "location", "module_kind", "operation_of", "spatial_step"]

_CALLS: dict[Any, str] = {
    nn.BatchNorm1d: "batch_norm", nn.BatchNorm2d: "batch_norm", nn.ReLU: "relu", nn.ReLU6: "relu6", FatReLU: "fat_relu",
    WinnerReLU: "winner_relu", DeltaActivation: "delta", nn.Flatten: "flatten", nn.Identity: "identity", nn.Dropout: "identity",
    nn.Dropout1d: "identity", nn.Dropout2d: "identity",
    F.relu: "relu", torch.relu: "relu", F.relu6: "relu6", torch.flatten: "flatten", torch.reshape: "flatten",
    F.dropout: "identity", F.dropout2d: "identity", operator.getitem: "subsample", F.pad: "pad",
    "relu": "relu", "flatten": "flatten", "view": "flatten", "reshape": "flatten", "contiguous": "identity",
    "clone": "identity", "detach": "identity",
}  # fmt: skip
"""Modules, functions and methods that belong to other layers or rearrange maps; those of operators are in their forms."""

PAD_ARGUMENTS = ("input", "pad", "mode", "value")
"""Of ``F.pad``, in their order."""

SHAPE_QUERIES = frozenset(("size", getattr, operator.getitem, operator.mul, operator.floordiv, operator.add, operator.sub))
"""Operations that may compute the arguments of a view, a pool or a padding."""


def operation_of(target: Any) -> str | None:
    """What a type of modules, a function or a method (its name) computes; None if that has no integer counterpart."""
    form = form_of_call(target)
    return form.calls[target] if form else _CALLS.get(target)


def module_kind(module: nn.Module) -> type[nn.Module]:
    """The type of a module, also of one with parametrised weights."""
    kind = type(module)
    return kind.__bases__[0] if parametrize.is_parametrized(module) else kind


_FRAME = re.compile(r'File "(.+)", line (\d+), in .+\n\s*(.*)')


def location(node: fx.Node) -> str:
    """`` (file:line: code)`` of the user's code that called the operation, or nothing if it is not known."""
    library = Path(torch.__file__).parent
    frames = [frame for frame in _FRAME.findall(node.stack_trace or "") if library not in Path(frame[0]).parents]
    return f" ({Path(frames[-1][0]).name}:{frames[-1][1]}: {frames[-1][2]})" if frames else ""


def spatial_step(index: object) -> tuple[int, int]:
    """Steps along rows and columns of an index such as ``[:, :, ::2, ::2]``.

    Raises
    ------
    UnsupportedOperationError
        It takes something else than every n-th row and column from the first on.
    """
    slices = index if isinstance(index, tuple) else (index,)
    steps = [1, 1, 1, 1]
    for axis, item in enumerate(slices):
        if not isinstance(item, slice) or item.start not in (None, 0) or item.stop is not None or axis > 3:
            raise UnsupportedOperationError(f"index {index!r}: only every n-th row and column of a map")
        steps[axis] = 1 if item.step is None else int(item.step)
    if steps[:2] != [1, 1]:
        raise UnsupportedOperationError(f"index {index!r}: only every n-th row and column of a map")
    return steps[2], steps[3]


def channel_pad(settings: dict[str, Any]) -> tuple[int, int]:
    """Zero channels before and after those of a map, of a padding that does nothing else.

    Raises
    ------
    UnsupportedOperationError
        Other axes, values or modes, or less than no padding.
    """
    pad = [*settings["pad"], 0, 0, 0, 0, 0, 0, 0, 0][:8]
    if any(pad[:4]) or any(pad[6:]) or min(pad) < 0 or settings.get("mode", "constant") != "constant" or settings.get("value"):
        raise UnsupportedOperationError(f"padding by {settings['pad']}: only zeros, only of channels")
    return pad[4], pad[5]
