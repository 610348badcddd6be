"""Whole training runs on a small data set: files, reports, and resuming bit for bit."""

import csv

import numpy as np
import pytest
import torch

from quiesce.sw import reference
from quiesce.sw.data import cifar10, mnist
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.format.container import load_network
from quiesce.sw.train import CheckpointError, RecipeError, train
from quiesce.sw.train.checkpoint import Checkpoint
from quiesce.sw.train.loop import accuracy

RECIPE = """
name = "small"
model = "{model}"
seed = 3
batch = 32
[data]
validation = 64
images = 192
rotate = 5.0
shift = 1.0
[real]
epochs = 2
rate = 3e-3
[integer]
epochs = 2
rate = 5e-4
[[methods]]
kind = "penalty"
regulariser = "hoyer"
coefficient = 0.1
warmup = 1.5
"""


COLOUR_RECIPE = """
name = "colour"
model = "convnet5"
seed = 3
batch = 16
sparsity = 0.5
bfloat16 = true
[data]
set = "cifar10"
validation = 16
flip = true
images = 48
[real]
epochs = 2
rate = 3e-3
warmup = 0.5
[integer]
epochs = 1
rate = 5e-4
images = 32
"""


@pytest.fixture(scope="module")
def colour_data(tmp_path_factory):
    """The embedded CIFAR-10 images, as training and as test set, in the official binary format."""
    folder = tmp_path_factory.mktemp("colour") / "cifar10"
    folder.mkdir()
    sample = cifar10.sample()
    records = np.concatenate([sample.labels[:, np.newaxis], sample.images.transpose(0, 3, 1, 2).reshape(64, -1)], axis=1)
    (folder / "test_batch.bin").write_bytes(records[:20].tobytes())
    for index, part in enumerate(np.split(records, [16, 32, 48, 56])):
        (folder / f"data_batch_{index + 1}.bin").write_bytes(part.tobytes())
    return folder.parent


def write_recipe(folder, model="mlp3", **changes):
    text = RECIPE.format(model=model)
    for old, new in changes.items():
        text = text.replace(f"{old} = ", f"{old} = {new}  # ")
    path = folder / "small.toml"
    path.write_text(text)
    return path


class Interruption(Exception):
    pass


def interrupt_after(monkeypatch, epochs):
    """Interrupt the training once, after this many checkpoints; returns the list of all that are saved."""
    save, saved = Checkpoint.save, []

    def interrupted_save(self, *args):
        save(self, *args)
        saved.append(args)
        if len(saved) == epochs:
            raise Interruption

    monkeypatch.setattr(Checkpoint, "save", interrupted_save)
    return saved


@pytest.mark.parametrize(("model", "epochs"), [("lenet5", 1), ("lenet5", 3), ("mlp3", 2)])
def test_resuming_gives_the_same_bytes(tmp_path, data, monkeypatch, model, epochs):
    recipe = write_recipe(tmp_path, model)
    whole = train(recipe, tmp_path / "whole.safetensors", data)
    saved = interrupt_after(monkeypatch, epochs)
    with pytest.raises(Interruption):
        train(recipe, tmp_path / "parts.safetensors", data)
    assert not (tmp_path / "parts.safetensors").exists()
    torch.manual_seed(999)  # the global random state must not matter
    parts = train(recipe, tmp_path / "parts.safetensors", data, resume=True)
    assert len(saved) == 4
    assert (tmp_path / "parts.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert (parts.float_accuracy, parts.test) == (whole.float_accuracy, whole.test)
    assert sorted(file.suffix for file in tmp_path.glob("parts.*")) == [".md", ".safetensors"]


ARTS = """[[methods]]
kind = "arts"
regulariser = "l1"
coefficient = 30.0
tolerance = 0.02
dense = 2
search = 3
recovery = 1
failures = 1
"""
GRID = """[[methods]]
kind = "grid"
regulariser = "tl1"
b = 0.5
coefficients = [0.1, 20.0]
tolerance = 0.05
dense = 2
share = 2
"""
HOYER_FATRELU = """[[methods]]
kind = "penalty"
regulariser = "hoyer"
coefficient = 0.2
[[methods]]
kind = "fatrelu"
allowed = 0.05
at = 4
steps = 4
"""
DUAL = """[[methods]]
kind = "dual"
dense = 1
thinning = 2
weight_coefficient = 5.0
threshold = 0.02
coefficient = 0.1
b = 0.1
"""


def figures(folder):
    """Rows of a log, without the times."""
    with (folder / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert any(folder.glob("events.out.tfevents.*"))
    assert all(float(row.pop("seconds")) > 0 for row in rows)
    return rows


@pytest.mark.parametrize("methods", [ARTS, GRID, HOYER_FATRELU, DUAL], ids=["arts", "grid", "fatrelu", "dual"])
def test_methods_resume_from_any_epoch(tmp_path, data, monkeypatch, methods):
    recipe = write_recipe(tmp_path)
    text = recipe.read_text()
    text = text[: text.index("[[methods]]")] + methods
    recipe.write_text(text.replace("epochs = 2", "epochs = 6", 1).replace("rate = 3e-3", "rate = 3e-3\nrestarts = [2, 4]"))
    whole = train(recipe, tmp_path / "whole.safetensors", data, log=tmp_path / "whole")
    assert whole.epochs == 8
    assert "8 were trained in all" in " ".join(whole.card.read_text().split())
    whole_log = figures(tmp_path / "whole")
    assert [(row["phase"], row["epoch"]) for row in whole_log] == [("real" if i < 6 else "integer", str(i + 1)) for i in range(8)]
    for epochs in range(1, 9, 2):
        with monkeypatch.context() as patch:
            interrupt_after(patch, epochs)
            with pytest.raises(Interruption):
                train(recipe, tmp_path / "parts.safetensors", data, log=tmp_path / "parts")
        parts = train(recipe, tmp_path / "parts.safetensors", data, resume=True, log=tmp_path / "parts")
        assert figures(tmp_path / "parts") == whole_log
        assert parts.path.read_bytes() == whole.path.read_bytes()
        assert (parts.epochs, parts.test) == (8, whole.test)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_pruned_networks_of_colour_images(tmp_path, colour_data, monkeypatch, epochs):
    recipe = tmp_path / "colour.toml"
    recipe.write_text(COLOUR_RECIPE)
    whole = train(recipe, tmp_path / "whole.safetensors", colour_data)
    network = load_network(whole.path)
    assert network.input.shape == (24, 24, 3)
    assert network.metadata["data"] == "CIFAR-10"
    zeros = sum(np.count_nonzero(layer.weight == 0) for layer in network.layers if layer.weight is not None)
    assert 0.5 <= zeros / 1067584 < 0.6
    card = whole.card.read_text()
    assert all(text in card for text in ("CIFAR-10", "smallest 50%", "bfloat16", "1 epoch of the first 32", "24 x 24 pixels"))
    assert max(map(len, card.splitlines())) <= 130
    interrupt_after(monkeypatch, epochs)
    with pytest.raises(Interruption):
        train(recipe, tmp_path / "parts.safetensors", colour_data)
    train(recipe, tmp_path / "parts.safetensors", colour_data, resume=True)
    assert (tmp_path / "parts.safetensors").read_bytes() == whole.path.read_bytes()


def test_report_and_card(tmp_path, data):
    report = train(write_recipe(tmp_path), tmp_path / "net.safetensors", data)
    network = load_network(report.path)
    digits = mnist.load("test", data / "mnist")
    result = reference.run(network, mnist.quantize_images(digits.images))
    assert report.int8_accuracy == pytest.approx(np.mean(result.outputs.reshape(100, 10).argmax(axis=1) == digits.labels))
    assert report.test.events == pytest.approx(sum(counts.events.mean() for counts in result.counts.values()))
    assert report.test.dense_macs == 784 * 300 + 300 * 100 + 1000
    assert 0 < report.test.effectual_macs < report.test.dense_macs
    assert network.metadata["recipe"] == "small.toml"
    card = report.card.read_text()
    accuracies = f"{report.int8_accuracy:.2%}", f"{report.float_accuracy:.2%}"
    assert all(text in card for text in (*accuracies, "seed 3", "100 test images", "small.toml", "hoyer"))
    assert str(tmp_path) not in card
    assert str(report).startswith(str(report.path))
    assert torch.get_num_threads() >= 1


def test_calibration_of_the_recipe(tmp_path, data):
    found = {}
    for name in ("max", "mse"):
        (tmp_path / name).mkdir()
        path = write_recipe(tmp_path / name)
        path.write_text(f'calibration = "{name}"\n' + path.read_text())
        report = train(path, tmp_path / name / "net.safetensors", data)
        found[name] = load_network(report.path).layers[0].out_scale
        assert ("least squared error" in report.card.read_text()) == (name == "mse")
    assert found["mse"] < found["max"]


def test_training_learns(tmp_path, data):
    recipe = write_recipe(tmp_path, epochs=20)
    assert train(recipe, tmp_path / "net.safetensors", data).int8_accuracy > 0.6


def test_checkpoints_are_checked(tmp_path, data):
    recipe, out = write_recipe(tmp_path), tmp_path / "net.safetensors"
    path = tmp_path / "net.checkpoint"
    Checkpoint(path, "another").save("real", 1, {"module": {"weight": torch.zeros(3)}})
    with pytest.raises(CheckpointError, match="another recipe"):
        train(recipe, out, data, resume=True)
    for content in (b"", b"x" * 40, path.read_bytes()[:-2]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"net\.checkpoint: damaged"):
            train(recipe, out, data, resume=True)
    with pytest.raises(CheckpointError, match="damaged"):
        path.write_bytes(b"")
        Checkpoint(path, "any").load()
    assert Checkpoint(tmp_path / "none", "any").load() is None


def test_unusable_data(tmp_path, data):
    with pytest.raises(DatasetError, match="no such folder"):
        train(write_recipe(tmp_path), tmp_path / "net.safetensors", tmp_path)
    with pytest.raises(RecipeError, match="the set has 256"):
        train(write_recipe(tmp_path, images=193), tmp_path / "net.safetensors", data)


def test_accuracy_keeps_the_mode():
    module = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Flatten())
    images = torch.eye(10).reshape(10, 1, 1, 10)
    assert accuracy(module, images, torch.arange(10)) == 1.0
    assert module.training
    assert accuracy(module, images, torch.zeros(10, dtype=torch.int64)) == 0.1
