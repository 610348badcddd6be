"""How the cores of a cluster share a layer: each its own rows, or its own planes, of the output."""

from collections.abc import Iterator
from dataclasses import dataclass

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.lower.convolution import Convolution

__all__ = ["ONE_CORE", "Split", "parts", "splits"]


def parts(count: int, n_parts: int) -> list[range]:
    """0 .. ``count`` in ``n_parts`` consecutive ranges of nearly equal length, the longer ones first, none empty."""
    n_parts = min(count, n_parts)
    base, longer = divmod(count, n_parts)
    starts = [i * base + min(i, longer) for i in range(n_parts + 1)]
    return [range(first, last) for first, last in zip(starts, starts[1:], strict=False)]


@dataclass(frozen=True, kw_only=True)
class Split:
    """``rows`` strips of output rows times ``planes`` groups of output planes, each for one core.

    Cores that share a group share its weights: these cross the bus once.
    """

    rows: int = 1
    planes: int = 1

    def plane_limit(self, config: CoreConfig, couts: int) -> int:
        """Most channels of an output plane that leave a plane for each group: whole groups of lanes, if there are several."""
        return couts if self.planes == 1 else ceil_div(ceil_div(couts, self.planes), config.lanes) * config.lanes


ONE_CORE = Split()


def splits(config: CoreConfig, conv: Convolution) -> Iterator[Split]:
    """Splits of a layer worth comparing, those by rows first: they read each input once, planes read it once each."""
    n_rows, _, couts = conv.out_shape
    for planes in range(1, config.n_cores + 1):
        if config.n_cores % planes == 0 and planes <= max(1, ceil_div(couts, config.lanes)):
            yield Split(rows=min(n_rows, config.n_cores // planes), planes=planes)
