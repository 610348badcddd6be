"""The operations that quantisation knows, in the forms in which they appear in a traced graph."""

import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from quiesce.sw.quant.errors import UnsupportedOperationError
from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.quant.plan import ChwShape
from quiesce.sw.quant.winners import WinnerReLU

__all__ = [
    "ARGUMENTS", "FUNCTIONS", "METHODS", "MODULES", "SHAPE_QUERIES", "Pool", "channel_pad", "conv_pad", "joined", "location",
    "module_kind", "pair", "pool_of", "spatial_step",
]  # fmt: skip

Pool = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
"""Kernel, stride, padding and dilation."""

MODULES: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv", nn.Linear: "linear", nn.BatchNorm1d: "batch_norm", nn.BatchNorm2d: "batch_norm",
    nn.ReLU: "relu", nn.ReLU6: "relu6", nn.MaxPool2d: "max_pool", nn.AvgPool2d: "avg_pool",
    nn.AdaptiveAvgPool2d: "global_pool", nn.AdaptiveMaxPool2d: "global_max_pool", nn.Flatten: "flatten", FatReLU: "fat_relu",
    WinnerReLU: "winner_relu",
    nn.Identity: "identity", nn.Dropout: "identity", nn.Dropout1d: "identity", nn.Dropout2d: "identity",
}  # fmt: skip

FUNCTIONS: dict[Callable[..., Any], str] = {
    F.relu: "relu", torch.relu: "relu", F.relu6: "relu6", F.max_pool2d: "max_pool", torch.max_pool2d: "max_pool",
    F.avg_pool2d: "avg_pool", F.adaptive_avg_pool2d: "global_pool", torch.flatten: "flatten", torch.reshape: "flatten",
    F.dropout: "identity", F.dropout2d: "identity", F.adaptive_max_pool2d: "global_max_pool",
    torch.mean: "mean", torch.amax: "amax", operator.add: "add", operator.iadd: "add", torch.add: "add",
    torch.cat: "concat", torch.concat: "concat", torch.concatenate: "concat", operator.getitem: "subsample", F.pad: "pad",
}  # fmt: skip

METHODS: dict[str, str] = {
    "relu": "relu", "add": "add", "add_": "add", "mean": "mean", "amax": "amax",
    "flatten": "flatten", "view": "flatten", "reshape": "flatten", "contiguous": "identity",
    "clone": "identity", "detach": "identity",
}  # fmt: skip

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "max_pool": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg_pool": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    "global_pool": ("input", "output_size"),
    "global_max_pool": ("input", "output_size", "return_indices"),
    "pad": ("input", "pad", "mode", "value"),
    "mean": ("input", "dim", "keepdim"),
    "amax": ("input", "dim", "keepdim"),
}
"""Settings of pooling and padding in the order of the functions' arguments."""

SHAPE_QUERIES = frozenset(("size", getattr, operator.getitem, operator.mul, operator.floordiv, operator.add, operator.sub))
"""Operations that may compute the arguments of a view, a pool or a padding."""


def module_kind(module: nn.Module) -> str | None:
    """The operation that a module is, also one with parametrised weights; None if it is none of ``MODULES``."""
    kind = type(module)
    return MODULES.get(kind.__bases__[0] if parametrize.is_parametrized(module) else kind)


_FRAME = re.compile(r'File "(.+)", line (\d+), in .+\n\s*(.*)')


def location(node: fx.Node) -> str:
    """`` (file:line: code)`` of the user's code that called the operation, or nothing if it is not known."""
    library = Path(torch.__file__).parent
    frames = [frame for frame in _FRAME.findall(node.stack_trace or "") if library not in Path(frame[0]).parents]
    return f" ({Path(frames[-1][0]).name}:{frames[-1][1]}: {frames[-1][2]})" if frames else ""


def pair(value: Any, default: tuple[int, int] | None = None) -> tuple[int, int]:
    """A setting that is one integer for both axes, or two; ``default`` if it is empty.

    Raises
    ------
    UnsupportedOperationError
        It is something else.
    """
    if value is None or value == ():
        value = default
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, (tuple, list)) and len(value) in (1, 2) and all(isinstance(item, int) for item in value):
        return value[0], value[-1]
    raise UnsupportedOperationError(f"{value!r} is not an integer or a pair of integers")


def conv_pad(module: nn.Conv2d) -> tuple[int, int, int, int]:
    """Zeros at top, bottom, left and right of a convolution's input.

    Raises
    ------
    UnsupportedOperationError
        The module does not pad with zeros.
    """
    if module.padding_mode != "zeros":
        raise UnsupportedOperationError(f"padding mode {module.padding_mode!r}: only zeros can be padded")
    if module.padding == "same":
        rows, cols = (dilation * (kernel - 1) for dilation, kernel in zip(module.dilation, module.kernel_size, strict=True))
        return rows // 2, rows - rows // 2, cols // 2, cols - cols // 2
    rows, cols = (0, 0) if module.padding == "valid" else pair(module.padding)
    return rows, rows, cols, cols


def pool_of(operation: str, settings: dict[str, Any], in_shape: ChwShape) -> Pool:
    """Window of a pooling module or function, from its attributes or arguments by name.

    Raises
    ------
    UnsupportedOperationError
        A setting that the integer arithmetic does not have.
    """
    if operation in ("global_pool", "global_max_pool"):
        if pair(settings["output_size"]) != (1, 1) or settings.get("return_indices"):
            raise UnsupportedOperationError(f"adaptive pooling to {settings['output_size']}: only to 1 x 1, without indices")
        return in_shape[1:], (1, 1), (0, 0), (1, 1)
    if operation in ("mean", "amax"):
        dim = settings.get("dim")
        if not isinstance(dim, (tuple, list)) or sorted(int(axis) % 4 for axis in dim) != [2, 3]:
            raise UnsupportedOperationError(f"over the axes {dim}: only over rows and columns, (2, 3)")
        return in_shape[1:], (1, 1), (0, 0), (1, 1)
    if settings.get("ceil_mode") or settings.get("return_indices") or settings.get("divisor_override"):
        raise UnsupportedOperationError("pooling with ceil_mode, return_indices or divisor_override")
    kernel = pair(settings["kernel_size"])
    pad = pair(settings.get("padding", 0))
    if any(pad) and not settings.get("count_include_pad", True):
        raise UnsupportedOperationError("average pooling with count_include_pad=False: padding counts as zeros")
    return kernel, pair(settings.get("stride"), kernel), pad, pair(settings.get("dilation", 1))


def joined(node: fx.Node, operation: str) -> list[fx.Node]:
    """Operands of an addition or a concatenation of maps along their channels.

    Raises
    ------
    UnsupportedOperationError
        An operand is no map, or the operation has another form.
    """
    if operation == "concat":
        operands = node.args[0] if node.args else node.kwargs.get("tensors")
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis", 0))
        n_axes = len(node.meta["shape"])
        if not isinstance(dim, int) or dim % n_axes != 1:
            raise UnsupportedOperationError(f"concatenation along axis {dim}: only along the channels, 1")
    else:
        operands = [*node.args, *(node.kwargs[name] for name in ("input", "other") if name in node.kwargs)]
        if node.kwargs.get("alpha", 1) != 1:
            raise UnsupportedOperationError("addition with alpha other than 1")
    if not isinstance(operands, (list, tuple)) or len(operands) < 2 or not all(isinstance(item, fx.Node) for item in operands):
        raise UnsupportedOperationError("no integer counterpart unless all operands are maps")
    return [item for item in operands if isinstance(item, fx.Node)]


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
