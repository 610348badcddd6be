"""The operations that quantisation knows, in the forms in which they appear in a traced graph."""

import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from quiesce.sw.quant.errors import UnsupportedOperationError
from quiesce.sw.quant.plan import ChwShape

__all__ = [
    "FUNCTIONS", "METHODS", "MODULES", "POOL_ARGUMENTS", "SHAPE_QUERIES", "Pool", "conv_pad", "location", "pair", "pool_of",
]  # fmt: skip

Pool = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
"""Kernel, stride, padding and dilation."""

MODULES: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv", nn.Linear: "linear", nn.BatchNorm1d: "batch_norm", nn.BatchNorm2d: "batch_norm",
    nn.ReLU: "relu", nn.ReLU6: "relu6", nn.MaxPool2d: "max_pool", nn.AvgPool2d: "avg_pool",
    nn.AdaptiveAvgPool2d: "global_pool", nn.Flatten: "flatten",
    nn.Identity: "identity", nn.Dropout: "identity", nn.Dropout1d: "identity", nn.Dropout2d: "identity",
}  # fmt: skip

FUNCTIONS: dict[Callable[..., Any], str] = {
    F.relu: "relu", torch.relu: "relu", F.relu6: "relu6", F.max_pool2d: "max_pool", torch.max_pool2d: "max_pool",
    F.avg_pool2d: "avg_pool", F.adaptive_avg_pool2d: "global_pool", torch.flatten: "flatten", torch.reshape: "flatten",
    F.dropout: "identity", F.dropout2d: "identity",
}  # fmt: skip

METHODS: dict[str, str] = {
    "relu": "relu", "flatten": "flatten", "view": "flatten", "reshape": "flatten", "contiguous": "identity",
    "clone": "identity", "detach": "identity",
}  # fmt: skip

POOL_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "max_pool": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg_pool": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    "global_pool": ("input", "output_size"),
}
"""Settings of pooling in the order of the functions' arguments."""

SHAPE_QUERIES = frozenset(("size", getattr, operator.getitem, operator.mul, operator.floordiv))
"""Operations that may compute the arguments of a view."""


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
    if operation == "global_pool":
        if pair(settings["output_size"]) != (1, 1):
            raise UnsupportedOperationError(f"adaptive pooling to {settings['output_size']}: only to 1 x 1")
        return in_shape[1:], (1, 1), (0, 0), (1, 1)
    if settings.get("ceil_mode") or settings.get("return_indices") or settings.get("divisor_override"):
        raise UnsupportedOperationError("pooling with ceil_mode, return_indices or divisor_override")
    kernel = pair(settings["kernel_size"])
    pad = pair(settings.get("padding", 0))
    if any(pad) and not settings.get("count_include_pad", True):
        raise UnsupportedOperationError("average pooling with count_include_pad=False: padding counts as zeros")
    return kernel, pair(settings.get("stride"), kernel), pad, pair(settings.get("dilation", 1))
