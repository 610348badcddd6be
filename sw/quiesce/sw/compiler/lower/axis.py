"""Window arithmetic along one axis of a convolution, in quotients and phases of the stride."""

from dataclasses import dataclass, replace

from quiesce.spec.arithmetic import ceil_div
from quiesce.sw.format.geometry import window_extent

__all__ = ["WindowAxis"]


@dataclass(frozen=True, kw_only=True)
class WindowAxis:
    """Window arithmetic along rows or columns.

    Kernel entry k adds input x to output ``(x + pad - k dilation) / stride`` where that is whole. With
    x + pad = quot stride + phase these are the outputs ``quot - d``, d being the *displacement*. Input x is number
    ``first + x step`` of the map.
    """

    size: int
    n_out: int
    kernel: int
    stride: int
    pad: int
    dilation: int
    first: int = 0
    step: int = 1

    def part(self, inputs: range, outs: range, taps: range) -> "WindowAxis":
        """The axis seen from some inputs, outputs and kernel entries, each counted from its first: ``pad`` may become negative.

        With a single output any stride is the same, and that of the window's extent sorts the entries by phase alone.
        """
        pad = self.pad + inputs.start - taps.start * self.dilation - outs.start * self.stride
        stride = window_extent(len(taps), self.dilation) if len(outs) == 1 else self.stride
        return WindowAxis(size=len(inputs), n_out=len(outs), kernel=len(taps), stride=stride, pad=pad, dilation=self.dilation)

    def without_gaps(self) -> "WindowAxis":
        """The axis with only the inputs that its one kernel entry meets, next to each other.

        Itself with more entries, or if it meets none: a pass reads at least one input.
        """
        first = -self.pad % self.stride
        if self.kernel > 1 or first >= self.size:
            return self
        return replace(
            self, size=ceil_div(self.size - first, self.stride), stride=1, pad=(first + self.pad) // self.stride, first=first,
            step=self.stride,
        )  # fmt: skip

    @property
    def extent(self) -> int:
        """Inputs that a window spans."""
        return window_extent(self.kernel, self.dilation)

    @property
    def span(self) -> int:
        """Largest displacement."""
        return (self.extent - 1) // self.stride

    @property
    def displacements(self) -> range:
        """Displacements that some kernel entry has (a few more if both stride and dilation exceed 1)."""
        return range(0, self.span + 1, self.dilation if self.stride == 1 else 1)

    @property
    def n_phases(self) -> int:
        """Phases that occur: a window may stride over more inputs than there are."""
        return min(self.stride, self.size + self.pad % self.stride)

    @property
    def split(self) -> int:
        """Phases below this one have displacements up to ``reach_hi``, the others up to one less."""
        return self.extent % self.stride

    @property
    def reach_hi(self) -> int:
        return self.extent // self.stride

    def tap(self, phase: int, displacement: int) -> int | None:
        """Kernel entry of a phase and a displacement, if there is one."""
        entry, rest = divmod(phase + self.stride * displacement, self.dilation)
        return entry if rest == 0 and entry < self.kernel else None

    def inputs_of(self, first: int, last: int) -> tuple[int, int]:
        """Inputs [low, high) that outputs first..last read, or one input that none of them needs if they see padding only."""
        low = min(max(0, first * self.stride - self.pad), self.size - 1)
        return low, max(low + 1, min(self.size, last * self.stride - self.pad + self.extent))
