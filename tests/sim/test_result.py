"""Results and their JSON form."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from quiesce.sim.result import LayerRun, Run

LAYER = LayerRun(
    name="conv", kind="conv", cycles=200, events=40, effectual_macs=1600, dense_macs=1000, lane_utilisation=0.5,
    core_utilisation=[0.5], lane_bound=0.9,
    idle={"starved": 10}, counters={"cycles": 200}, energy_pj={"mac": 2.0, "clock": 3.0},
    off_chip_pj=7.0, ungated_clock_pj=9.0, energy_macs=1.5, energy_cycles=100.0,
)  # fmt: skip
RUN = Run(
    network="n", config={"n_cores": 1, "n_pes": 16, "n_lanes": 1}, dense=False, latency=32, items=2,
    layers=(LAYER, replace(LAYER, name="fc")), cycles=450, load_cycles=50, energy_items=1, energy_excluded="leakage",
    energy_basis={"clock_mhz": 250.0, "floor_pj": 0.5, "error": 0.1},
    bit_exact=True, mismatch="", accuracy=0.5, simulated_cycles=500, simulation_seconds=0.25,
    outputs=np.zeros((2, 1, 1, 10), np.int8),
)  # fmt: skip


def test_totals() -> None:
    assert RUN.cycles_per_item == 200
    assert RUN.energy_by_class() == {"mac": 4.0, "clock": 6.0}
    assert RUN.energy_pj_per_item == 10
    assert RUN.cycles_per_second == 2000
    assert replace(RUN, energy_items=0).energy_pj_per_item is None
    assert RUN.totals == {
        "dense_macs": 2000, "effectual_macs": 1600, "events": 40, "cycles": 200, "lane_utilisation": 0.5,
        "energy_pj": {"mac": 4.0, "clock": 6.0}, "accuracy": 0.5, "simulated_cycles_per_second": 2000,
        "energy": asdict(RUN.energy_summary),
    }  # fmt: skip
    assert replace(RUN, energy_items=0).totals["energy"] is None


def test_energy_in_figures() -> None:
    """Two layers of 5 pJ, 1.5 effectual MACs and 100 cycles each."""
    summary = RUN.energy_summary
    assert (summary.on_chip_pj, summary.off_chip_pj, summary.ungated_pj) == (10, 14, 22)
    assert (summary.low_pj, summary.high_pj) == pytest.approx((9, 11))
    assert summary.pj_per_mac == pytest.approx(10 / 3)
    assert summary.floor_ratio == pytest.approx(20 / 3)
    assert summary.power_mw == pytest.approx(10e-12 / (200 / 250e6) * 1e3)
    assert summary.tops_per_watt == pytest.approx(2 * 3 / 10)
    assert summary.dense_tops_per_watt == pytest.approx(2 * 2000 / 10)
    one = LAYER.energy_summary({"clock_mhz": 250.0, "floor_pj": 0.5})
    assert one.on_chip_pj == 5 and one.low_pj is None
    idle = replace(LAYER, energy_macs=0.0, energy_cycles=0.0).energy_summary(RUN.energy_basis)
    assert (idle.pj_per_mac, idle.floor_ratio, idle.power_mw) == (None, None, None)
    assert replace(LAYER, energy_pj={}).energy_summary(RUN.energy_basis) is None


def test_json() -> None:
    data = json.loads(json.dumps(RUN.to_dict(), allow_nan=False))
    assert (data["schema"], data["cycles_per_item"], "outputs" in data) == (2, 200, False)
    assert data["layers"][0]["energy"] == asdict(LAYER.energy_summary(RUN.energy_basis))
    assert data["totals"] == RUN.totals
    assert data["layers"][1]["name"] == "fc"
