"""Cases for corners of a core that random networks hardly ever reach."""

from typing import Any

import numpy as np

from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.soak.case import WATCHDOG, SoakCase
from quiesce.sim.soak.layers import Acts
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.ops import CONV

__all__ = ["directed_cases"]

_ROWS_AHEAD = 16
"""Input rows that end in quick succession: more than the sums of a PE may be behind."""


def _case(weight: Acts, inputs: Acts, **options: Any) -> SoakCase:
    """A convolution behind a fast memory."""
    cout = len(weight)
    layer = Layer(
        name="conv", op=CONV, inputs=(INPUT,), weight=weight, bias=np.zeros(cout, np.int32), low=-127, kernel=weight.shape[1:3],
        multiplier=np.full(cout, 1 << 14, np.int32), shift=np.full(cout, 16, np.int32), out_scale=1.0, **options,
    )  # fmt: skip
    _, rows, cols, chans = inputs.shape
    spec = MapSpec(height=rows, width=cols, chans=chans, scale=1.0)
    network = Network(name="directed", input=spec, layers=(layer,), output=layer.name)
    return SoakCase(
        network=network, inputs=inputs, options=RunOptions(bus=Bus(latency=2), watchdog=WATCHDOG, energy=False, simulator="loop")
    )


def _all_positions(config: CoreConfig) -> SoakCase:
    """Depthwise, with as many weights a channel as a mask word has bits, none of them zero: events with all positions."""
    kernel, chans = (4, config.mask_width // 4), config.lanes
    rng = np.random.default_rng(1)
    weight = rng.choice([-1, 1], (chans, *kernel, 1)).astype(np.int8)
    return _case(weight, np.full((1, 2 * kernel[0], 2 * kernel[1], chans), 3, np.int8), groups=chans)


def _sums_behind(config: CoreConfig) -> SoakCase:
    """A row whose sums fill all registers of a PE, and then many of a single operation, with the same accumulators: these rows
    have been walked before the sums of the first one are gone.
    """
    cout, last = config.lanes * config.psum_depth, 8
    weight = np.ones((cout, _ROWS_AHEAD, 1, last + 1), np.int8)
    weight[config.lanes :, :, :, last] = 0
    inputs = np.zeros((1, _ROWS_AHEAD, 1, last + 1), np.int8)
    inputs[0, 0, 0, :last] = 5
    inputs[0, 1:, 0, last] = 3
    return _case(weight, inputs, stride=(_ROWS_AHEAD, 1))


def directed_cases(config: CoreConfig) -> tuple[SoakCase, ...]:
    """One for each corner; a core may refuse some."""
    return _all_positions(config), _sums_behind(config)
