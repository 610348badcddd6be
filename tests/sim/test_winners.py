"""Winners-take-all on the RTL: losers cost nothing where their map is read; random networks are in soak/test_soak.py."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.bench.model import validate_model
from quiesce.bench.targets import BenchCase
from quiesce.rtl.backend.ranking import Ranking
from quiesce.sim import RunOptions, cosim
from quiesce.sim.cycles.decode import PassStep, decode
from quiesce.sw.compiler import compile_network
from tests import networks
from tests.sim.cores import WINNERS

RNG = np.random.default_rng(5)
LAYERS = (
    networks.conv(RNG, "a", "input", 8, 48, (3, 3), pad=(1, 1, 1, 1)),
    networks.conv(RNG, "b", "a", 48, 16, (3, 3), pad=(1, 1, 1, 1), density=0.5),
    networks.linear(RNG, "c", "b", 8 * 8 * 16, 100, low=0, density=0.2),
    networks.linear(RNG, "d", "c", 100, 30),
)
FULL = networks.network(LAYERS, (8, 8, 8))
FEW = networks.network([replace(LAYERS[0], winners=6), LAYERS[1], replace(LAYERS[2], winners=10), LAYERS[3]], (8, 8, 8))
INPUTS = networks.inputs(RNG, FULL, 2, 0.5)


def test_losers_cause_no_events():
    """Few channels win, so the layers that read them take a fraction of the events and cycles, ranking included."""
    whole, part = (
        cosim(network, INPUTS, config=WINNERS, options=RunOptions(energy=False, simulator="loop")) for network in (FULL, FEW)
    )
    assert whole.bit_exact, whole.mismatch
    assert part.bit_exact, part.mismatch
    before, after = ({layer.name: layer for layer in run.layers} for run in (whole, part))
    for name in ("b", "d"):
        assert after[name].events < before[name].events / 4
        assert after[name].cycles < before[name].cycles / 1.5
    assert sum(layer.counters["ranking"] for layer in whole.layers) == 0
    _, body = decode(compile_network(FEW, WINNERS))
    passes = [step.fields for step in body if isinstance(step, PassStep)]
    ranked = [Ranking.cycles(fields["rank_rows"]) for fields in passes if fields["n_winners"]]
    assert [after[name].counters["ranking"] for name in "abcd"] == [0, len(INPUTS) * ranked[0], 0, len(INPUTS) * ranked[1]]
    chunks = sum(f["chunks"] * f["n_out_rows"] * f["n_out_cols"] for f in passes if f["track_maxima"])
    assert sum(layer.counters["maxima_accesses"] for layer in part.layers) == len(INPUTS) * chunks


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_layer_with_winners_reads_a_map_with_winners(rows):
    """Its own ranking comes after its last row, so no row may wait for that; on one plane and on several."""
    rng = np.random.default_rng(rows)
    layers = [
        replace(networks.conv(rng, "a", "input", 2, 8, (1, 1)), winners=4),
        replace(networks.conv(rng, "b", "a", 8, 70, (3, 3), pad=(1, 1, 1, 1)), winners=9),
        replace(networks.conv(rng, "c", "b", 70, 12, (1, 1)), winners=3),
        networks.conv(rng, "d", "c", 12, 3, (1, 1)),
    ]
    network = networks.network(layers, (rows, 4, 2))
    run = cosim(
        network, networks.inputs(rng, network, 2, 0.7), config=WINNERS, options=RunOptions(energy=False, simulator="loop")
    )
    assert run.bit_exact, run.mismatch


@pytest.mark.parametrize("dense", [False, True])
def test_the_cycle_model_knows_rankings(dense):
    cases = [BenchCase(network=network, inputs=INPUTS, origin=name) for name, network in (("all", FULL), ("few", FEW))]
    result = validate_model(cases, WINNERS, dense=dense)
    assert all(abs(point.error) < 0.05 for point in result.points), result.points
