"""Result of a co-simulation, and its JSON form."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sim.energy.summary import EnergySummary, summarize

__all__ = ["SCHEMA", "LayerRun", "Run"]

SCHEMA = 2
"""Version of the JSON form."""


@dataclass(frozen=True, kw_only=True)
class LayerRun:
    """What one layer took, summed over all items unless noted.

    Parameters
    ----------
    name, kind : str
    cycles : int
        From the end of the previous layer's last pass, so loading of weights between passes is in it.
    events : int
        Activations that the detector emitted.
    effectual_macs : int
        Lane operations with both operands nonzero, counted by the core.
    dense_macs : int
        Of one item: multiplications of a dense engine.
    lane_utilisation : float
        effectual MACs / (lanes of all cores x cycles), 0..1.
    core_utilisation : list of float
        The same of each core.
    lane_bound : float
        The best that the mapping on this core allows, 0..1.
    idle : dict of str to int
        Idle lane-cycles by cause.
    counters : dict of str to int
        All counters, by their names in ``spec.performance.Counter``, in lower case.
    energy_pj : dict of str to float
        On chip, of one item, by class of module; empty if energy was not measured.
    off_chip_pj : float
        Of the bytes that cross the bus, one item's.
    ungated_clock_pj : float
        What the class ``clock`` would be without clock gates.
    energy_macs, energy_cycles : float
        Effectual MACs and cycles of one item, averaged over the items of which energy was measured.
    """

    name: str
    kind: str
    cycles: int
    events: int
    effectual_macs: int
    dense_macs: int
    lane_utilisation: float
    core_utilisation: list[float]
    lane_bound: float
    idle: dict[str, int]
    counters: dict[str, int]
    energy_pj: dict[str, float] = field(default_factory=dict)
    off_chip_pj: float = 0.0
    ungated_clock_pj: float = 0.0
    energy_macs: float = 0.0
    energy_cycles: float = 0.0

    def energy_summary(self, basis: Mapping[str, float]) -> EnergySummary | None:
        """Its energy in figures, on the basis that the run states; None if energy was not measured."""
        return _summary([self], basis) if self.energy_pj else None


def _summary(layers: Sequence[LayerRun], basis: Mapping[str, float]) -> EnergySummary:
    def total(name: str) -> float:
        return float(sum(getattr(layer, name) for layer in layers))

    on_chip = sum(sum(layer.energy_pj.values()) for layer in layers)
    clock = sum(layer.energy_pj.get("clock", 0.0) for layer in layers)
    return summarize(
        on_chip_pj=on_chip, off_chip_pj=total("off_chip_pj"), ungated_pj=on_chip - clock + total("ungated_clock_pj"),
        effectual_macs=total("energy_macs"), dense_macs=total("dense_macs"), cycles=total("energy_cycles"), basis=basis,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Run:
    """A network on a core.

    Parameters
    ----------
    network : str
        Its name.
    config : dict of str to int
        The core.
    dense : bool
        Zero-skipping was turned off.
    latency : int
        Of the memory, cycles.
    items : int
        That ran.
    layers : tuple of LayerRun
    cycles : int
        From the start of the core to its interrupt.
    load_cycles : int
        Of these, in no layer: clearing the counters and loading weights that stay on chip, once before the first item.
    energy_items : int
        Items over which energy was averaged; 0 if it was not measured.
    energy_excluded : str
        What the energy figures leave out.
    energy_basis : dict of str to float
        Clock, floor and error of the coefficients: see ``EnergyTable.basis``.
    bit_exact : bool
        All outputs and every layer's effectual MACs equal the integer reference's.
    mismatch : str
        The first difference, or nothing.
    accuracy : float or None
        Share of items whose largest output is at the label's place, or mean IoU where pixels have labels; None without labels.
    simulated_cycles, simulation_seconds : int, float
        Of the run of all items, register accesses included.
    outputs : ndarray or None
        int8, (items, rows, cols, chans); not part of the JSON form. None if they were not well-formed.
    """

    network: str
    config: dict[str, int]
    dense: bool
    latency: int
    items: int
    layers: tuple[LayerRun, ...]
    cycles: int
    load_cycles: int
    energy_items: int
    energy_excluded: str
    energy_basis: dict[str, float]
    bit_exact: bool
    mismatch: str
    accuracy: float | None
    simulated_cycles: int
    simulation_seconds: float
    outputs: npt.NDArray[np.int8] | None = field(default=None, compare=False, repr=False)

    @property
    def cycles_per_item(self) -> float:
        """Cycles of one item, without the load before the first."""
        return (self.cycles - self.load_cycles) / self.items

    @property
    def energy_pj_per_item(self) -> float | None:
        """Energy of one item, without the load before the first; None if it was not measured."""
        return sum(self.energy_by_class().values()) if self.energy_items else None

    @property
    def energy_summary(self) -> EnergySummary | None:
        """Energy of one item in figures; None if it was not measured."""
        return _summary(self.layers, self.energy_basis) if self.energy_items else None

    @property
    def cycles_per_second(self) -> float:
        """Speed of the simulation."""
        return self.simulated_cycles / self.simulation_seconds if self.simulation_seconds else 0.0

    def energy_by_class(self) -> dict[str, float]:
        """pJ of one item by class of module, all layers."""
        total: dict[str, float] = {}
        for layer in self.layers:
            for class_, picojoules in layer.energy_pj.items():
                total[class_] = total.get(class_, 0.0) + picojoules
        return total

    @property
    def totals(self) -> dict[str, Any]:
        """Of one item, all layers together: work, cycles, lane utilisation and energy; and accuracy and speed of the run.

        The load before the first item is left out.
        """
        effectual = sum(layer.effectual_macs for layer in self.layers)
        lanes = self.config["n_cores"] * self.config["n_pes"] * self.config["n_lanes"]
        lane_cycles = lanes * (self.cycles - self.load_cycles)
        return {
            "dense_macs": sum(layer.dense_macs for layer in self.layers),
            "effectual_macs": effectual / self.items,
            "events": sum(layer.events for layer in self.layers) / self.items,
            "cycles": self.cycles_per_item,
            "lane_utilisation": effectual / lane_cycles if lane_cycles else 0.0,
            "energy_pj": self.energy_by_class(),
            "energy": None if self.energy_summary is None else asdict(self.energy_summary),
            "accuracy": self.accuracy,
            "simulated_cycles_per_second": self.cycles_per_second,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the derived totals for readers."""
        values = {name: value for name, value in asdict(self).items() if name != "outputs"}
        derived = {name: getattr(self, name) for name in _DERIVED}
        return {"schema": SCHEMA, **values, "layers": [self._layer_dict(layer) for layer in self.layers], **derived}

    def _layer_dict(self, layer: LayerRun) -> dict[str, Any]:
        summary = layer.energy_summary(self.energy_basis)
        return asdict(layer) | {"energy": None if summary is None else asdict(summary)}


_DERIVED = ("totals", "cycles_per_item", "energy_pj_per_item", "cycles_per_second")
