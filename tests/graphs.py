"""Random networks of the soak's generator as a Hypothesis strategy, which shrinks towards one small dense convolution."""

from hypothesis import strategies as st

from quiesce.sim.flow import RunOptions
from quiesce.sim.soak.case import SoakCase
from quiesce.sim.soak.draws import Draws
from quiesce.sim.soak.networks import Limits, random_network
from quiesce.spec.config import preset

__all__ = ["graphs"]

_ANY = preset("tiny", acc_width=32)
_SMALL = Limits(layers=5, rows=11, cols=11, chans=24, cells=2000, cycles=30000, images=2)


@st.composite
def graphs(draw: st.DrawFn, winners: bool = False) -> SoakCase:
    """A network and inputs for it, with sums of any size; with ``winners``, some layers have them, but not the output."""
    draws = Draws(lambda n: draw(st.integers(0, n - 1)))
    network, inputs = random_network(draws, _ANY, _SMALL, winners=winners)
    return SoakCase(network=network, inputs=inputs, options=RunOptions())
