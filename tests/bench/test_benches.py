"""Benches: their arithmetic on counters made by hand, and one small run of each on the RTL."""

import json
from dataclasses import replace

import numpy as np
import pytest

from quiesce.bench import density, peer, scaling, targets, traffic, utilisation
from quiesce.sim import CoreError, RunOptions
from quiesce.sim.result import LayerRun, Run
from quiesce.sim.synthetic import ConvSpec, draw_inputs
from quiesce.spec.performance import Counter
from quiesce.sw import reference
from quiesce.sw.format.network import INPUT
from tests import networks
from tests.sim.cores import TINY

SPEC = ConvSpec(cin=3, cout=4, kernel=3, size=4)
SEED = 3


def counted(name, kind, **counts):
    counters = {counter.name.lower(): 0 for counter in Counter} | counts
    lane_cycles = TINY.lanes * counters["cycles"]
    return LayerRun(
        name=name, kind=kind, cycles=counters["cycles"], events=counters["events"], effectual_macs=counters["effectual_macs"],
        dense_macs=1, lane_utilisation=counters["effectual_macs"] / lane_cycles, core_utilisation=[], lane_bound=1.0,
        idle={cause: counters[f"idle_{cause}"] for cause in utilisation.CAUSES}, counters=counters,
    )  # fmt: skip


def run_of(*layers, items):
    return Run(
        network="random", config=TINY.to_dict(), dense=False, latency=32, items=items, layers=layers, cycles=1, load_cycles=0,
        energy_items=0, energy_excluded="", energy_basis={}, bit_exact=True, mismatch="", accuracy=None, simulated_cycles=1,
        simulation_seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def case():
    """Two convolutions, one with half of its weights pruned, and a linear layer."""
    rng = np.random.default_rng(SEED)
    layers = [
        networks.conv(rng, "c1", INPUT, 2, 4, (1, 1)),
        networks.conv(rng, "c2", "c1", 4, 8, (1, 1), density=0.5),
        networks.linear(rng, "fc", "c2", 40, 3, low=0),
    ]
    network = networks.network(layers, (5, 1, 2))
    return targets.BenchCase(network=network, inputs=networks.inputs(rng, network, 2, 0.5), origin="random")


RUN = run_of(
    counted("c1", "conv", cycles=200, events=100, effectual_macs=600, idle_starved=120, idle_drain=80, acc_accesses=60,
            weight_reads=30, mask_reads=15, beats_read=4, beats_written=6),
    counted("c2", "conv", cycles=100, events=20, effectual_macs=300, idle_imbalance=100, acc_accesses=150),
    counted("fc", "linear", cycles=110, events=10, effectual_macs=40, beats_read=10, beats_written=2),
    items=2,
)  # fmt: skip


def test_utilisation_arithmetic(case):
    first, second, linear = uses = utilisation.uses_of(case, RUN, [0, 0, 45], TINY)
    assert [use.group for use in uses] == ["dense", "pruned", "linear"]
    assert (first.cycles, first.effectual_macs, first.utilisation) == (100, 300, 0.75)
    assert first.idle == {"starved": 0.15, "imbalance": 0, "memory": 0, "post": 0, "drain": 0.1}
    assert second.weight_density == pytest.approx(0.5, abs=0.3)
    assert first.bound_cycles == 600 / 4 / 2
    assert linear.bound_cycles == (90 + 10) / 2
    dense, pruned, over_bound = utilisation.targets_of(uses, TINY.lanes)
    assert (dense.value, dense.met) == (0.75, False)
    assert (pruned.value, pruned.met) == (0.75, False)
    assert over_bound.value == pytest.approx(1.1)
    assert over_bound.met


def test_utilisation_groups_leave_out_what_the_targets_do_not_mean():
    rng = np.random.default_rng(SEED)
    narrow = networks.conv(rng, "narrow", INPUT, 4, 3, (1, 1))
    depthwise = networks.conv(rng, "depthwise", INPUT, 4, 4, (1, 1), groups=4)
    shortcut = replace(narrow, weight=np.eye(4, dtype=np.int8).reshape(4, 1, 1, 4), **{
        name: np.resize(getattr(narrow, name), 4) for name in ("bias", "multiplier", "shift")})  # fmt: skip
    for layer in (narrow, depthwise, shortcut):
        assert utilisation._group(layer, 1.0, TINY.lanes) == ""
    nothing = utilisation.targets_of([], TINY.lanes)
    assert [(target.value, target.met) for target in nothing] == [(None, None)] * 3


def test_traffic_arithmetic(case):
    layers, total = traffic.traffic_of(case, RUN, [0, 0, 45])
    first, *_ = layers
    assert first.events_per_pixel == np.count_nonzero(case.inputs) / 2 / 5
    assert (first.acc_per_mac, first.rows_per_mac, first.masks_per_mac) == (0.1, 0.05, 0.025)
    assert (first.act_bytes_read, first.act_bytes_written) == (4 * 8 / 2, 6 * 8 / 2)
    assert first.target is None  # at most two events per pixel
    assert total.acc_per_mac == pytest.approx(210 / 940)
    assert total.program_bytes == 45 * 8


def test_accumulator_target_is_for_many_events_and_reused_activations(case):
    (first, *_), _ = traffic.traffic_of(case, RUN, [0, 0, 45])
    for layer, events, wanted in ((case.network.layers[0], 10.0, True), (case.network.layers[0], 9.0, False),
                                  (case.network.layers[2], 10.0, False)):  # fmt: skip
        target = traffic._with_target(first, layer, events).target
        assert (target is not None and target.met) == wanted


def test_density_arithmetic():
    point = density._point(0.1, 1000.0, 9000.0)
    assert (point.speedup, point.share_of_ideal) == (9.0, pytest.approx(0.9))
    assert (point.target.limit, point.target.met) == (0.95, False)
    assert density._point(0.01, 100.0, 9000.0).target.limit == 0.85


def test_scaling_arithmetic(monkeypatch):
    cycles = {2: 420, 4: 240}

    def fake(network, inputs, config, options):
        layer = counted("conv", "conv", cycles=cycles[config.n_cores], events=9, effectual_macs=960, beats_read=48)
        changed = {"config": config.to_dict(), "layers": (layer,), "cycles": cycles[config.n_cores] + 20, "load_cycles": 20}
        return replace(run_of(items=2), **changed)

    monkeypatch.setattr(scaling, "exact_run", fake)
    result = scaling.measure_scaling(TINY, layer=SPEC, cores=(2, 4), items=2)
    two, four = result.points
    assert (two.cycles, two.speedup, two.efficiency) == (210, 2, 1)
    assert (four.cycles, four.speedup, four.efficiency) == (120, 3.5, 0.875)
    assert (four.beats_per_cycle, four.lane_utilisation) == (0.2, 960 / (4 * TINY.lanes * 240))
    assert targets.report("scaling", result)["points"][1]["n_cores"] == 4


def test_random_layer_and_activations():
    network = ConvSpec(cin=5, cout=6, kernel=3, size=7, pad=1, weight_density=0.25).network(SEED)
    assert network.shapes() == {INPUT: (7, 7, 5), "conv": (7, 7, 6)}
    assert np.count_nonzero(network.layers[0].weight) == round(0.25 * 6 * 9 * 5)
    acts = draw_inputs(network, 0.3, SEED, 2)
    assert [np.count_nonzero(item) for item in acts] == [round(0.3 * 245)] * 2
    outputs = reference.run(network, acts).outputs
    assert 0.2 < np.mean(outputs > 0) < 0.8
    assert np.mean(outputs == 127) < 0.3


def test_small_runs_have_a_json_form(case):
    few = density.measure_density(TINY, layer=SPEC, densities=(1.0, 0.5), seed=SEED)
    full, half = few.points
    assert full.speedup == pytest.approx(1.0, rel=0.05)
    assert full.cycles > half.cycles and half.density == 0.5
    cold = peer.measure_peer(TINY, layers=(peer.PeerLayer(layer=SPEC, cycles=1000),), densities=(1.0,), seed=SEED)
    (point,) = cold.points
    assert point.cycles > full.cycles  # the load of the weights is in it
    assert point.speedup == 1000 / point.cycles
    use = utilisation.measure_utilisation([case], TINY)
    moved = traffic.measure_traffic([case], TINY)
    for layer in use.layers:
        assert layer.utilisation + sum(layer.idle.values()) == pytest.approx(1.0, abs=0.01)
    for name, result in (("density", few), ("peer", cold), ("utilisation", use), ("traffic", moved)):
        data = json.loads(json.dumps(targets.report(name, result), allow_nan=False))
        assert (data["schema"], data["bench"], data["config"]) == (targets.SCHEMA, name, TINY.to_dict())
    assert data["items"] == {"random": 2}


def test_targets_in_the_json_form_tell_whether_they_are_met():
    layer = peer.PeerPoint(
        layer="", density=1.0, cycles=1, peer_cycles=2, speedup=2.0, lane_utilisation=1.0,
        target=targets.Target(name="t", value=2.0, limit=1.0, at_least=True),
    )  # fmt: skip
    assert targets.report("peer", layer)["target"] == {"name": "t", "value": 2.0, "limit": 1.0, "at_least": True, "met": True}


def test_a_wrong_core_has_no_figures(case, monkeypatch):
    wrong = Run(**{name: getattr(RUN, name) for name in RUN.__dataclass_fields__} | {"bit_exact": False, "mismatch": "2 outputs"})
    monkeypatch.setattr(targets, "cosim", lambda *_, **__: wrong)
    with pytest.raises(CoreError, match="'random': differs from the integer reference: 2 outputs"):
        targets.exact_run(case.network, case.inputs, TINY, RunOptions(energy=False))
