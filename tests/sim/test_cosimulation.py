"""Whole networks on the smallest core: results, counts, energy, and what happens when they are wrong."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from quiesce.sim import Bus, RunOptions, cosim, flow
from quiesce.sim.energy.table import CLASSES
from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.result import Run
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from tests import networks
from tests.sim.cores import TINY

RNG = np.random.default_rng(21)
NETWORK = networks.network(
    [
        networks.conv(RNG, "conv", "input", 2, 6, (3, 3), pad=(1, 1, 1, 1), density=0.7),
        networks.pool(networks.MAXPOOL, "pool", "conv", 6, (2, 2)),
        networks.linear(RNG, "fc", "pool", 96, 10, density=0.4),
    ],
    (8, 8, 2),
)
INPUTS = networks.inputs(RNG, NETWORK, 6, 0.4)


@pytest.fixture(scope="module")
def plain() -> Run:
    labels = reference.run(NETWORK, INPUTS).outputs.reshape(len(INPUTS), -1).argmax(axis=1)
    labels[0] = (labels[0] + 1) % 10
    return cosim(NETWORK, INPUTS, config=TINY, labels=labels, options=RunOptions(energy_items=2))


def test_bit_exact_with_counts(plain: Run) -> None:
    expected = reference.run(NETWORK, INPUTS)
    assert plain.bit_exact, plain.mismatch
    np.testing.assert_array_equal(plain.outputs, expected.outputs)
    assert plain.accuracy == 5 / 6
    assert [layer.name for layer in plain.layers] == ["conv", "pool", "fc"]
    for layer in plain.layers:
        counts = expected.counts[layer.name]
        assert layer.effectual_macs == counts.effectual_macs.sum()
        assert layer.dense_macs == counts.dense_macs
        assert layer.lane_utilisation == layer.effectual_macs / (TINY.lanes * layer.cycles)
        assert 0 < layer.lane_utilisation <= layer.lane_bound <= 1
        # Every lane-cycle is an operation or has one cause of idleness.
        assert sum(layer.idle.values()) + layer.counters["macs"] == TINY.lanes * layer.cycles


def test_cycles_add_up(plain: Run) -> None:
    assert plain.load_cycles + sum(layer.cycles for layer in plain.layers) == plain.cycles
    # What is in no layer comes once.
    alone = cosim(NETWORK, INPUTS[:1], config=TINY, options=RunOptions(energy=False))
    assert alone.load_cycles == pytest.approx(plain.load_cycles, abs=8)
    program = compile_network(NETWORK, TINY)
    assert plain.load_cycles > program.prologue_beats > 0


def test_energy_is_of_every_class_that_worked(plain: Run) -> None:
    assert plain.energy_items == 2
    for layer in plain.layers:
        assert set(layer.energy_pj) == set(CLASSES)
    energy = plain.energy_by_class()
    assert all(picojoules > 0 for picojoules in energy.values())
    assert plain.energy_pj_per_item == pytest.approx(sum(energy.values()))
    # Maximum pooling drives the multipliers, too, but far less than the convolution.
    assert plain.layers[0].energy_pj["mac"] > 2 * plain.layers[1].energy_pj["mac"]


def test_energy_does_not_depend_on_how_many_images_follow(plain: Run) -> None:
    alone = cosim(NETWORK, INPUTS[:2], config=TINY, options=RunOptions(energy_items=2))
    for mine, other in zip(plain.layers, alone.layers, strict=True):
        assert mine.energy_pj == pytest.approx(other.energy_pj, rel=0.05)  # what was left in registers differs


def test_a_real_run_is_plain_values(plain: Run) -> None:
    values = json.loads(json.dumps(plain.to_dict(), allow_nan=False))
    assert [layer["effectual_macs"] for layer in values["layers"]] == [layer.effectual_macs for layer in plain.layers]


def test_dense_mode_is_slower_and_equal(plain: Run) -> None:
    dense = cosim(NETWORK, INPUTS, config=TINY, options=RunOptions(dense=True, energy=False))
    assert dense.bit_exact, dense.mismatch
    assert dense.cycles_per_item > plain.cycles_per_item
    assert dense.energy_pj_per_item is None and dense.energy_by_class() == {}


def test_random_stalls_change_nothing_but_time(plain: Run) -> None:
    stalled = cosim(NETWORK, INPUTS, config=TINY, options=RunOptions(bus=Bus(latency=90, stall=100, seed=5), energy=False))
    assert stalled.bit_exact, stalled.mismatch
    assert stalled.cycles > plain.cycles
    assert [layer.events for layer in stalled.layers] == [layer.events for layer in plain.layers]


def tampered(change: Callable[[reference.ReferenceResult], None]) -> Callable[..., reference.ReferenceResult]:
    def run(*args: object, **options: object) -> reference.ReferenceResult:
        result = original(*args, **options)
        change(result)
        return result

    original = reference.run
    return run


def test_wrong_outputs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(result: reference.ReferenceResult) -> None:
        result.outputs[3, 0, 0, 7] ^= 1

    monkeypatch.setattr(reference, "run", tampered(change))
    run = cosim(NETWORK, INPUTS, config=TINY, options=RunOptions(energy=False))
    assert not run.bit_exact
    assert run.mismatch.startswith("1 outputs differ, first (3, 0, 0, 7): ")


def test_wrong_counts_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(result: reference.ReferenceResult) -> None:
        result.counts["pool"].effectual_macs[0] += 1

    monkeypatch.setattr(reference, "run", tampered(change))
    run = cosim(NETWORK, INPUTS, config=TINY, options=RunOptions(energy=False))
    assert not run.bit_exact
    assert run.mismatch.startswith("layer 'pool': ")


def test_errors_of_the_core_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program = compile_network(NETWORK, TINY)
    monkeypatch.setattr(flow, "compile_network", lambda *_, **__: replace(program, image=bytes(len(program.image))))
    with pytest.raises(CoreError, match="stopped with error BAD_PACKET after 0 items"):
        cosim(NETWORK, INPUTS, config=TINY, options=RunOptions(energy=False))


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [(INPUTS[:0], None, "no images"), (INPUTS, np.zeros(5, int), r"shape \(5,\) does not fit 6 images")],
)
def test_bad_arguments(inputs: np.ndarray, labels: np.ndarray | None, message: str) -> None:
    with pytest.raises(SimError, match=message):
        cosim(NETWORK, inputs, config=TINY, labels=labels)
