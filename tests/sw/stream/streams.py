"""Random networks with delta thresholds, and frames of which more or less changes."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import Network
from tests.graphs import graphs


@dataclass
class StreamCase:
    """A network, frames (B, T, rows, cols, chans) for it, and the floor of the thresholds for each of the T items."""

    network: Network
    frames: np.ndarray
    floors: list[int]


def random_frames(rng: np.random.Generator, spec: MapSpec, shape: tuple[int, int], share: float) -> np.ndarray:
    """Streams of which a ``share`` of the values changes from frame to frame, half of them by little."""
    shape = *shape, *spec.shape
    frames = rng.integers(spec.low, spec.high + 1, shape)
    for now in range(1, shape[1]):
        before = frames[:, now - 1]
        near = np.clip(before + rng.integers(-4, 5, before.shape), spec.low, spec.high)
        changed = np.where(rng.random(before.shape) < 0.5, near, frames[:, now])
        frames[:, now] = np.where(rng.random(before.shape) < share, changed, before)
    return frames.astype(np.int8)


@st.composite
def stream_cases(draw: st.DrawFn, held: bool = True, streams: int = 1, winners: bool = True) -> StreamCase:
    """With ``held``, maps have thresholds, or else none that holds anything back."""
    case = draw(graphs(winners=winners))

    def threshold(source: MapSpec | Layer) -> int | None:
        if isinstance(source, Layer) and source.winners:
            return None
        most = min(source.high - source.low, 40) if held else 0
        return draw(st.one_of(st.none(), st.integers(0, most)))

    network = replace(
        case.network,
        input=replace(case.network.input, delta_threshold=threshold(case.network.input)),
        layers=tuple(replace(layer, delta_threshold=threshold(layer)) for layer in case.network.layers),
    )
    n_items, share = draw(st.integers(1, 8)), draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    floors = [draw(st.sampled_from([0, 0, 1, 9, 255])) if held else 0 for _ in range(n_items)]
    return StreamCase(network, random_frames(rng, network.input, (streams, n_items), share), floors)
