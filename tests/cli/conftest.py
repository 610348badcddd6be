"""Running commands in the process of the tests, and a network to run them on."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from quiesce.cli.main import main
from quiesce.sim.result import LayerRun, Run
from quiesce.sw.data import mnist
from quiesce.sw.format.container import save_network
from quiesce.sw.format.network import Layer, MapSpec, Network
from quiesce.sw.format.ops import CONV, MAXPOOL


@pytest.fixture
def quiesce() -> Callable[..., Result]:
    """Runs a command line, given as separate words."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], prog_name="quiesce", catch_exceptions=False)

    return run


@pytest.fixture
def rejects(quiesce: Callable[..., Result]) -> Callable[..., str]:
    """Runs a command line that must be refused as bad input in one line; returns what that says."""

    def run(*words: object) -> str:
        result = quiesce(*words)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("quiesce: error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix("quiesce: error: ").rstrip("\n")

    return run


@pytest.fixture
def network() -> Network:
    """A convolution with three of eight weights pruned, and a maximum, on 4 x 3 x 1 maps."""
    weight = np.array([1, 0, -2, 3, 0, 0, 5, -6], np.int8).reshape(2, 2, 2, 1)
    return Network(
        name="small",
        input=MapSpec(height=4, width=3, chans=1, scale=0.5, low=0),
        layers=(
            Layer(
                name="conv", op=CONV, inputs=("input",), kernel=(2, 2), weight=weight, bias=np.zeros(2, np.int32),
                multiplier=np.full(2, 40000, np.int32), shift=np.full(2, 20, np.int32), out_scale=0.25, low=0,
            ),
            Layer(
                name="max", op=MAXPOOL, inputs=("conv",), kernel=(2, 2), stride=(1, 1), out_scale=0.25, low=0,
                multiplier=np.ones(2, np.int32), shift=np.zeros(2, np.int32),
            ),
        ),
        output="max",
        metadata={"origin": "made [bold]by hand[/bold]"},
    )  # fmt: skip


@pytest.fixture
def network_file(network: Network, tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_network(path, network)
    return path


@pytest.fixture
def run() -> Run:
    """Two images through two layers on 16 lanes."""

    def layer(name: str, kind: str, cycles: int, events: int, macs: int, dense_macs: int, bound: float) -> LayerRun:
        conv = name == "conv"
        energy = {"mac": 1500.0 if conv else 200.0, "accumulators": 0.0, "clock": 500.0 if conv else 50.0}
        return LayerRun(
            name=name, kind=kind, cycles=cycles, events=events, effectual_macs=macs, dense_macs=dense_macs,
            lane_utilisation=macs / (16 * cycles), core_utilisation=[macs / (16 * cycles)], lane_bound=bound, idle={},
            counters={}, energy_pj=energy, off_chip_pj=300.0, ungated_clock_pj=1000.0,
            energy_macs=macs / 2, energy_cycles=cycles / 2,
        )  # fmt: skip

    return Run(
        network="made-up", config={"n_cores": 1, "n_pes": 16, "n_lanes": 1, "data_width": 64}, dense=False, latency=32, items=2,
        layers=(layer("conv", "conv", 600, 1000, 8000, 40_000, 1.0), layer("fc", "linear", 100, 100, 800, 8000, 0.625)),
        cycles=1000, load_cycles=300, energy_items=1, energy_excluded="leakage",
        energy_basis={"clock_mhz": 100.0, "floor_pj": 0.5}, bit_exact=True, mismatch="", accuracy=0.5,
        simulated_cycles=3_000_000, simulation_seconds=2.0,
    )  # fmt: skip


@pytest.fixture
def dense_run(run: Run) -> Run:
    """One of the images in dense mode: ten and four times the cycles, four times the energy."""
    layers = tuple(
        replace(layer, cycles=layer.cycles * times // 2, energy_pj={name: 4 * pj for name, pj in layer.energy_pj.items()})
        for layer, times in zip(run.layers, (10, 4), strict=True)
    )
    return replace(run, dense=True, items=1, layers=layers, cycles=3500)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A test set of 40 digits."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    digits = mnist.sample()[:40]
    for kind, array in (("images-idx3", digits.images), ("labels-idx1", digits.labels)):
        header = bytes((0, 0, 8, array.ndim)) + b"".join(extent.to_bytes(4, "big") for extent in array.shape)
        (folder / f"t10k-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return tmp_path
