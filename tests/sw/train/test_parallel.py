"""Two processes train what one does: the same batches, the same decisions, up to the rounding of sums."""

import csv
import subprocess
import sys

import numpy as np
import pytest
import torch

from quiesce.sw.format.container import load_network
from quiesce.sw.sparsity import Metrics
from quiesce.sw.train import RecipeError, parallel, train

RECIPE = """
name = "shared"
model = "mlp3"
seed = 3
batch = 32
[data]
validation = 64
images = 192
[real]
epochs = 4
rate = 3e-3
[integer]
epochs = 1
rate = 5e-4
"""
METHODS = {
    "arts": """
[[methods]]
kind = "arts"
coefficient = 5.0
tolerance = 0.05
dense = 2
search = 2
[[methods]]
kind = "prune"
sparsity = 0.5
at = 1
""",
    "winners": """
[[methods]]
kind = "winners"
tolerance = 0.3
at = 1
theta = 0.9
step = 0.2
epochs = 1
images = 96
""",
}


def losses(folder):
    with (folder / "train.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("method", METHODS)
def test_two_processes(tmp_path, data, method):
    recipe = tmp_path / "shared.toml"
    recipe.write_text(RECIPE + METHODS[method])
    alone = train(recipe, tmp_path / "alone.safetensors", data, log=tmp_path / "alone")
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "quiesce.cli", "train"]
    options = ["--recipe", recipe, "--out", tmp_path / "two.safetensors", "--data", data, "--record", tmp_path / "two"]
    done = subprocess.run([sys.executable, "-m", *command, *map(str, options)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model card:") == 1  # one of them reports
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "alone"), rel=1e-3)
    one, two = load_network(alone.path), load_network(tmp_path / "two.safetensors")
    assert any(layer.winners for layer in one.layers) == (method == "winners")
    for layer, other in zip(one.layers, two.layers, strict=True):
        assert layer.winners == other.winners
        difference = np.abs(layer.weight.astype(int) - other.weight)
        assert difference.max() <= 8
        assert (difference > 1).mean() < 0.01


def test_alone_nothing_is_shared():
    module = torch.nn.Linear(2, 2)
    metrics = Metrics(epoch=1, loss=1.0, quality=0.5, work=2.0, events=3.0)
    with parallel.processes():
        assert (parallel.rank(), parallel.n_processes()) == (0, 1)
        assert parallel.shared(module) is module
        assert parallel.mean(1.5) == 1.5
        assert parallel.agree(metrics) is metrics


def test_batches_must_be_divisible(tmp_path, data, monkeypatch):
    recipe = tmp_path / "shared.toml"
    recipe.write_text(RECIPE + METHODS["arts"])
    monkeypatch.setattr("quiesce.sw.train.run.n_processes", lambda: 5)
    with pytest.raises(RecipeError, match="32 cannot be shared by 5"):
        train(recipe, tmp_path / "net.safetensors", data)
