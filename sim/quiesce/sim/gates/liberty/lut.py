"""Look-up tables over slew and load, with bilinear interpolation."""

from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["Lut"]


def _place(axis: tuple[float, ...], x: float) -> tuple[int, float]:
    """Interval of the axis that is used at ``x``, and the position on it: 0..1 inside, the edge's line beyond."""
    index = min(max(bisect_right(axis, x) - 1, 0), len(axis) - 2)
    return index, (x - axis[index]) / (axis[index + 1] - axis[index])


@dataclass(frozen=True, slots=True)
class Lut:
    """A quantity over the slew of an input, ns, and a second axis: the load, fF, or the slew of the clock, ns.

    Parameters
    ----------
    slews, loads : tuple of float
        Increasing; one entry if the quantity does not depend on it.
    rows : tuple of tuple of float
        A row for each slew, a column for each load.
    """

    slews: tuple[float, ...]
    loads: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]

    def at(self, slew: float, load: float) -> float:
        """The value, extrapolated along the last interval beyond the axes."""
        if len(self.loads) == 1:
            column, u = 0, 0.0
        else:
            column, u = _place(self.loads, load)
        if len(self.slews) == 1:
            return self._along(0, column, u)
        row, v = _place(self.slews, slew)
        low, high = self._along(row, column, u), self._along(row + 1, column, u)
        return low + v * (high - low)

    def _along(self, row: int, column: int, u: float) -> float:
        values = self.rows[row]
        return values[column] + u * (values[column + 1] - values[column]) if u else values[column]

    @property
    def middle_slew(self) -> float:
        return self.slews[len(self.slews) // 2]
