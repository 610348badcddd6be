"""The bench of energy: its arithmetic on made-up runs, and a small one on the RTL."""

import numpy as np
import pytest

from quiesce.bench import energy
from quiesce.bench.targets import BenchCase
from quiesce.sim.energy.table import CLASSES
from quiesce.sim.result import LayerRun, Run
from quiesce.sim.synthetic import ConvSpec
from quiesce.sw import reference
from quiesce.sw.format.network import INPUT
from tests import networks
from tests.sim.cores import TINY

BASIS = {"clock_mhz": 100.0, "floor_pj": 0.5}


@pytest.fixture(scope="module")
def case() -> BenchCase:
    """Three convolutions, of which the second is a depthwise one, and a linear layer."""
    rng = np.random.default_rng(4)
    layers = [
        networks.conv(rng, "c1", INPUT, 2, 4, (3, 3), pad=(1, 1, 1, 1)),
        networks.conv(rng, "dw", "c1", 4, 4, (3, 3), groups=4),
        networks.conv(rng, "c2", "dw", 4, 6, (1, 1)),
        networks.linear(rng, "fc", "c2", 96, 5, low=0),
    ]
    network = networks.network(layers, (6, 6, 2))
    return BenchCase(network=network, inputs=networks.inputs(rng, network, 1, 0.5), origin="random")


def test_layers_alone_see_what_reaches_them(case: BenchCase) -> None:
    alone = energy.single_layers(case)
    assert [one.network.name for one in alone] == [f"{case.network.name}:c1", f"{case.network.name}:c2"]
    whole = reference.run(case.network, case.inputs).activations
    for one in alone:
        name = one.network.output
        np.testing.assert_array_equal(reference.run(one.network, one.inputs).outputs, whole[name])


def made_up(cycles: int, picojoules: float) -> Run:
    layer = LayerRun(
        name="conv", kind="conv", cycles=cycles, events=0, effectual_macs=10, dense_macs=100, lane_utilisation=0.0,
        core_utilisation=[], lane_bound=1.0, idle={}, counters={}, energy_pj={"mac": picojoules}, energy_macs=10.0,
        energy_cycles=cycles,
    )  # fmt: skip
    return Run(
        network="n", config={}, dense=False, latency=32, items=1, layers=(layer,), cycles=cycles, load_cycles=0, energy_items=1,
        energy_excluded="", energy_basis=BASIS, bit_exact=True, mismatch="", accuracy=None, simulated_cycles=cycles,
        simulation_seconds=1.0,
    )  # fmt: skip


def test_power_by_activity() -> None:
    """Dense mode takes 1000 cycles of 10 ns; waiting takes 0.1 mW, or 1 pJ a cycle."""
    runs = {0.0: made_up(100, 300.0), 0.5: made_up(500, 2500.0), 1.0: made_up(1000, 4000.0)}
    none, half, full = energy._points(runs, 1000, 0.1, BASIS)
    assert (none.energy_ratio, none.power_ratio) == (None, None)
    assert (half.energy_ratio, full.energy_ratio) == (1.25, 1.0)
    assert none.power_mw == pytest.approx((300 + 900) / 10_000)
    assert half.power_mw == pytest.approx((2500 + 500) / 10_000)
    assert half.power_ratio == pytest.approx(1.5)


def test_three_engines_on_the_rtl(case: BenchCase) -> None:
    spec = ConvSpec(cin=3, cout=4, kernel=3, size=4)
    result = energy.measure_energy([case], [], TINY, layer=spec, activities=(0.0, 1.0))
    assert [row.engine for row in result.networks] == ["event-driven", "dense mode", "plain"]
    event, dense, plain = result.networks
    assert event.ratio == 1 and dense.ratio > 1 and plain.ratio > 0
    assert event.cycles < dense.cycles
    for row in result.networks:
        assert set(row.energy_pj) == set(CLASSES)
        assert row.summary.on_chip_pj == pytest.approx(sum(row.energy_pj.values()))
        assert row.summary.off_chip_pj > 0
    none, full = result.points
    assert (none.activity, full.activity) == (0, 1)
    assert 0 < none.energy_pj < full.energy_pj <= result.dense_pj * 1.2
    assert 0 < result.idle.total_mw < none.power_mw < full.power_mw
