"""Settings of modules and functions of torch, as far as the integer arithmetic has them."""

from typing import Any

from torch import nn

from quiesce.sw.quant.errors import UnsupportedOperationError

__all__ = ["conv_pad", "pair"]


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
