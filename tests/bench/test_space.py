"""Design space: pruning in blocks, points on the RTL, and a cluster."""

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster

from quiesce.bench import space
from quiesce.bench.targets import BenchCase
from quiesce.sim.errors import SimError
from quiesce.spec.config import ConfigError, preset
from tests import networks

RNG = np.random.default_rng(9)
NETWORK = networks.network(
    [networks.conv(RNG, "conv", "input", 2, 6, (3, 3)), networks.linear(RNG, "fc", "conv", 96, 4, low=0)], (6, 6, 2)
)
CASE = BenchCase(network=NETWORK, inputs=networks.inputs(RNG, NETWORK, 1, 0.4), origin="random")
AXES = space.Axes(n_pes=(4,), n_lanes=(1,), event_fifo_depth=(16,), block=(1, 2))


def test_pruning_takes_the_smallest_blocks() -> None:
    pruned = space.prune_blocks(NETWORK, 0.5, 1)
    for before, after in zip(NETWORK.layers, pruned.layers, strict=True):
        gone = (after.weight == 0) & (before.weight != 0)
        assert np.count_nonzero(after.weight) <= before.weight.size / 2
        assert np.abs(before.weight[gone]).max() <= np.abs(after.weight[after.weight != 0]).min()
    blocks = space.prune_blocks(NETWORK, 0.5, 2).layers[0].weight
    pairs = blocks.reshape(3, 2, -1) != 0
    whole = NETWORK.layers[0].weight.reshape(3, 2, -1) != 0
    # Of a block that stays, every weight stays that was there.
    np.testing.assert_array_equal(pairs, whole & pairs.any(axis=1, keepdims=True))
    assert 0.3 < pairs.mean() < 0.6


def test_no_pruning_and_bad_pruning() -> None:
    for before, after in zip(NETWORK.layers, space.prune_blocks(NETWORK, 0.0, 4).layers, strict=True):
        np.testing.assert_array_equal(before.weight, after.weight)
    for sparsity, block in ((1.0, 1), (-0.1, 1), (0.5, 0)):
        with pytest.raises(SimError, match="pruning: sparsity"):
            space.prune_blocks(NETWORK, sparsity, block)


def test_cores_are_checked_before_any_runs() -> None:
    axes = space.Axes(n_pes=(4, 65), n_lanes=(1,), event_fifo_depth=(16,), block=(1,))
    with pytest.raises(ConfigError, match="n_pes: 65"):
        space.measure_space(CASE, preset("tiny"), axes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_cluster_finds_what_one_process_finds() -> None:
    alone = space.measure_space(CASE, preset("tiny"), AXES, sparsity=0.5)
    assert [point.block for point in alone.points] == [1, 2]
    for point in alone.points:
        assert point.cycles > 0 and point.energy.on_chip_pj > 0 and point.weight_density <= 0.6 and point.gates is None
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        assert space.measure_space(CASE, preset("tiny"), AXES, sparsity=0.5) == alone
