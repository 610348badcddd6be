"""Result of a stream on the core, and its JSON form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sim.result import LayerRun, Run
from quiesce.spec.config import CoreConfig

__all__ = ["SCHEMA", "Frame", "StreamRun"]

SCHEMA = 1
"""Version of the JSON form."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame of a stream on the core.

    Parameters
    ----------
    index : int
        Since the simulator began.
    first : bool
        It began a stream.
    delta_threshold : int
        Least one that stood in the register.
    run : Run
        Of this item.
    """

    index: int
    first: bool
    delta_threshold: int
    run: Run

    def total(self, counter: str) -> int:
        """A counter, by its name in ``LayerRun.counters``, of all layers."""
        return sum(layer.counters[counter] for layer in self.run.layers)

    @property
    def cycles(self) -> int:
        """Of all layers; starting the core, which a host may do once for many frames, is not in it, nor loading weights."""
        return self.run.cycles - self.run.load_cycles

    @property
    def state_bytes(self) -> int:
        """Of sums and values sent last that were read and written on chip."""
        config = CoreConfig(**self.run.config)
        sums = self.total("sum_reads") + self.total("sum_writes")
        return config.post_units * (sums * config.acc_width + self.total("sent_accesses") * 2 * 8) // 8

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        energy = self.run.energy_pj_per_item
        return {
            "index": self.index,
            "first": self.first,
            "delta_threshold": self.delta_threshold,
            "cycles": self.cycles,
            "start_cycles": self.run.load_cycles,
            "events": self.total("events"),
            "effectual_macs": self.total("effectual_macs"),
            "clean_rows": self.total("clean_rows"),
            "state_bytes": self.state_bytes,
            "bus_beats": self.total("beats_read") + self.total("beats_written"),
            "energy_pj": energy,
            "bit_exact": self.run.bit_exact,
            "mismatch": self.run.mismatch,
            "layers": {layer.name: _layer_dict(layer) for layer in self.run.layers},
        }


def _layer_dict(layer: LayerRun) -> dict[str, Any]:
    return {
        "cycles": layer.cycles,
        "events": layer.events,
        "effectual_macs": layer.effectual_macs,
        "energy_pj": sum(layer.energy_pj.values()) if layer.energy_pj else None,
    }


@dataclass(frozen=True, kw_only=True)
class StreamRun:
    """A network on the frames of one or more streams.

    Parameters
    ----------
    changes : tuple of str
        Maps ("input" or a layer's name) that lay in memory as changes.
    state_rows : dict of str to int
        Of the state memories, by layer.
    frames : tuple of Frame
        At least one.
    accuracy : float or None
        Share of the frames, first ones left out, whose largest output is at the label's place; None without labels.
    """

    changes: tuple[str, ...]
    state_rows: dict[str, int]
    frames: tuple[Frame, ...]
    accuracy: float | None

    @property
    def bit_exact(self) -> bool:
        return all(frame.run.bit_exact for frame in self.frames)

    @property
    def later(self) -> tuple[Frame, ...]:
        """All frames but those that began a stream."""
        return tuple(frame for frame in self.frames if not frame.first)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the means are over ``later`` frames, and over all that began a stream."""
        run = self.frames[0].run
        return {
            "schema": SCHEMA,
            "network": run.network,
            "config": run.config,
            "latency": run.latency,
            "changes": list(self.changes),
            "state_rows": self.state_rows,
            "bit_exact": self.bit_exact,
            "accuracy": self.accuracy,
            "mean": mean_figures(self.later),
            "mean_first": mean_figures([frame for frame in self.frames if frame.first]),
            "energy_basis": run.energy_basis,
            "energy_excluded": run.energy_excluded,
            "frames": [frame.to_dict() for frame in self.frames],
        }


def mean_figures(frames: Sequence[Frame]) -> dict[str, float | None]:
    """Means over frames; energy over those of which it was measured. None where there are no frames."""

    def mean(values: npt.ArrayLike) -> float | None:
        array = np.asarray(values, np.float64)
        return float(array.mean()) if array.size else None

    energies = [frame.run.energy_pj_per_item for frame in frames]
    names = ("events", "effectual_macs", "clean_rows")
    return {
        "cycles": mean([frame.cycles for frame in frames]),
        **{name: mean([frame.total(name) for frame in frames]) for name in names},
        "state_bytes": mean([frame.state_bytes for frame in frames]),
        "energy_pj": mean([energy for energy in energies if energy is not None]),
    }
