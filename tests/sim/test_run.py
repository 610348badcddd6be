"""Results and their JSON form."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from quiesce.sim.errors import SimError
from quiesce.sim.run import LayerRun, Run

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


def test_json_round_trip() -> None:
    data = json.loads(RUN.to_json())
    assert (data["schema"], data["cycles_per_item"], "outputs" in data) == (2, 200, False)
    assert data["layers"][0]["energy"] == asdict(LAYER.energy_summary(RUN.energy_basis))
    back = Run.from_json(RUN.to_json())
    assert back == RUN
    assert back.outputs is None
    assert Run.from_json(replace(RUN, accuracy=None).to_json()).accuracy is None


def change(**values: Any) -> str:
    return json.dumps(json.loads(RUN.to_json()) | values)


def change_layer(**values: Any) -> str:
    data = json.loads(RUN.to_json())
    data["layers"][1] |= values
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "schema version 2"),
        (change(schema=1), "schema version 2"),
        (change(items="2"), "field 'items' has the wrong type"),
        (change(items=True), "field 'items' has the wrong type"),
        (change(config={"n_pes": "16"}), "field 'config' has the wrong type"),
        (change(other=1), "unknown field 'other'"),
        (change(layers=[1]), r"layers\[0\]: not an object"),
        (change_layer(cycles=1.5), r"layers\[1\]: field 'cycles' has the wrong type"),
        (change_layer(speed=1), r"layers\[1\]: unknown field 'speed'"),
        (RUN.to_json().replace('"mismatch": "",', ""), "no field 'mismatch'"),
        (RUN.to_json().replace('"accuracy": 0.5', '"accuracy": NaN'), "field 'accuracy' has the wrong type"),
    ],
)
def test_damaged_json_is_rejected(text: str, message: str) -> None:
    with pytest.raises(SimError, match=message):
        Run.from_json(text)
