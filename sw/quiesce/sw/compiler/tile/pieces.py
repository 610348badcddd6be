"""Cuts the convolutions of a layer into pieces that a pass can have: strips of columns, and parts of large kernels."""

from collections.abc import Iterator, Sequence
from itertools import product

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.lower.axis import WindowAxis
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.partition import parts

__all__ = ["MAX_PHASES", "MAX_SPAN", "pieces"]

MAX_PHASES = 255
"""Largest stride of a pass (8 bits)."""
MAX_SPAN = 126
"""Largest displacement of a pass: 127 (signed, 8 bits) stands for all beyond."""


def _met(axis: WindowAxis, inputs: range, outs: range, entries: range) -> range:
    """From the first to the last of the kernel entries through which some of the inputs reach some of the outputs."""

    def meets(entry: int) -> bool:
        # Output o meets input o stride + base.
        base = entry * axis.dilation - axis.pad
        first = max(outs.start, ceil_div(inputs.start - base, axis.stride))
        return first <= min(outs.stop - 1, (inputs.stop - 1 - base) // axis.stride)

    met = [entry for entry in entries if meets(entry)]
    return range(met[0], met[-1] + 1) if met else range(0)


def _most_taps(axis: WindowAxis, n_out: int, max_positions: int) -> int:
    """Most consecutive kernel entries of one pass, if their displacements are at most ``max_positions``; 0 if none."""
    if n_out == 1:
        return min(axis.kernel, (MAX_PHASES - 1) // axis.dilation + 1)
    if axis.n_phases > MAX_PHASES:
        return 0
    step = axis.dilation if axis.stride == 1 else 1
    span = min(MAX_SPAN, (max_positions - 1) * step)
    # (entries - 1) dilation // stride <= span
    return min(axis.kernel, ((span + 1) * axis.stride - 1) // axis.dilation + 1)


def pieces(
    config: CoreConfig, conv: Convolution, in_strips: Sequence[range], out_cols: range, *, most_taps: int
) -> Iterator[Convolution]:
    """Convolutions of single strips of the input, with parts of the kernel: their sum is the layer on columns ``out_cols``.

    Strips and kernel entries that meet padding only are left out, so there may be none.

    Parameters
    ----------
    conv : Convolution
        The layer on a whole input.
    in_strips : sequence of range
        Columns of the strips in which the input is stored.
    most_taps : int
        Most kernel entries of a piece, so that its weights fit.

    Raises
    ------
    CompileError
        A stride that no pass can have.
    """
    rows, cols = conv.whole_axes
    limits = [_most_taps(rows, rows.n_out, MAX_PHASES), _most_taps(cols, len(out_cols), config.mask_width)]
    for name, limit, axis in zip(("row", "column"), limits, (rows, cols), strict=True):
        if not limit:
            raise CompileError(f"layer {conv.layer.name!r}: {name} stride {axis.stride} exceeds {MAX_PHASES}")
    in_rows, out_rows = range(rows.size), range(rows.n_out)
    row_taps = _met(rows, in_rows, out_rows, range(rows.kernel))
    for strip, in_cols in enumerate(in_strips):
        col_taps = _met(cols, in_cols, out_cols, range(cols.kernel))
        n_cols = min(limits[1], most_taps)
        n_rows = min(limits[0], most_taps // min(n_cols, max(1, len(col_taps))))
        row_parts = [_met(rows, in_rows, out_rows, part) for part in _cut(row_taps, n_rows)]
        col_parts = [_met(cols, in_cols, out_cols, part) for part in _cut(col_taps, n_cols)]
        for taps in product(filter(None, row_parts), filter(None, col_parts)):
            yield Convolution(
                layer=conv.layer, shapes=conv.shapes, operand=conv.operand, strip=strip, in_cols=in_cols, out_cols=out_cols,
                taps=taps,
            )  # fmt: skip


def _cut(taps: range, most: int) -> list[range]:
    """Nearly equal parts of at most ``most``."""
    return [range(taps[part[0]], taps[part[-1]] + 1) for part in parts(len(taps), ceil_div(len(taps), most))] if taps else []
