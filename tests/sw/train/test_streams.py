"""Training on clips of streams: what a batch is, what is measured, and what the network file and its card say."""

import csv

import numpy as np
import pytest
import torch

from quiesce.sw.data.asl import load
from quiesce.sw.data.sets import SETS
from quiesce.sw.format.container import load_network
from quiesce.sw.sparsity.temporal import temporal_statistics
from quiesce.sw.train import RecipeError, train
from quiesce.sw.train.augment import random_affine, random_crop
from quiesce.sw.train.checkpoint import Checkpoint
from quiesce.sw.train.loop import Trainer, accuracy, measure
from quiesce.sw.train.methods import build_methods
from quiesce.sw.train.recipe import load_recipe
from tests.sw.data.moving import asl_arrays

RECIPE = """
name = "moving"
model = "asl-cnn"
seed = 3
batch = 16
[data]
set = "asl"
frames = 4
images = 144
validation = 16
shift = 1.0
[real]
epochs = 2
rate = 3e-3
draw = 64
[integer]
epochs = 1
rate = 5e-4
draw = 32
[[methods]]
kind = "delta"
rate = 1e-3
input_threshold = 5
[[methods]]
kind = "penalty"
coefficient = 0.1
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    np.savez(folder / "asl_video32.npz", **asl_arrays(n_train=40, letters=(0, 1, 2, 3)))
    return folder


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "moving.toml"
    path.write_text(RECIPE)
    return path


def test_a_network_for_streams(data, recipe, tmp_path):
    report = train(recipe, tmp_path / "moving.safetensors", data, log=tmp_path / "log")
    network = load_network(report.path)
    assert [network.delta_threshold(name) for name in ("input", "conv1", "conv4", "classes")] == [5, 0, 0, None]
    test = load("test", data)
    found = temporal_statistics(network, SETS["asl"].acts(test, (32, 32, 1)), test.labels, test.streams())
    assert report.changing == found
    assert len(test) == 24  # of all letters one stream, whose first frame is left out
    assert (found.n_images, report.test.n_images) == (23, 23)
    assert report.int8_accuracy == found.accuracy
    assert found.effectual_macs < report.test.effectual_macs
    card = report.card.read_text()
    assert "Changes of the input by up to 5 steps are held back" in card.replace("\n  ", " ")
    assert "| layer | changing | events |" in card
    with (tmp_path / "log" / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows] == ["real", "real", "integer"]
    assert float(rows[0]["step_relu1"]) > 0


@pytest.mark.parametrize("stop", [1, 3])
def test_resuming_is_exact(data, recipe, tmp_path, monkeypatch, stop):
    whole = train(recipe, tmp_path / "whole.safetensors", data)
    save, saved = Checkpoint.save, []

    def stopping(self, *args):
        save(self, *args)
        saved.append(args[:2])
        if len(saved) == stop:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "parts.safetensors", data)
    parts = train(recipe, tmp_path / "parts.safetensors", data, resume=True)
    assert parts.path.read_bytes() == whole.path.read_bytes()


class _Recorder(torch.nn.Module):
    """Keeps what it gets; class 1 wherever the first pixel is 1."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 32)
        self.seen = []

    def forward(self, inputs):
        self.seen.append(inputs.detach().clone())
        first = inputs[:, 0, 0, 0]
        return torch.stack([1 - first, first], dim=1) + 0 * self.conv(inputs).flatten(1)


def test_a_batch_has_whole_clips(recipe):
    settings = load_recipe(recipe, ["data.shift=0.0", "methods=[]"])
    module, method = _Recorder(), build_methods((), lambda module: 0.0)
    with method.attached(module):
        trainer = Trainer(module, settings, settings.real, 0, method, 0)
        images = torch.arange(64.0).reshape(64, 1, 1, 1).expand(64, 1, 32, 32).clone()
        firsts = torch.tensor([0, 1, 10, 30, 40, 50, 60])
        trainer.run_epoch(images, torch.zeros(64, dtype=torch.int64), firsts, lambda n: None)
    clips = module.seen[0][:, 0, 0, 0].reshape(4, 4)
    assert len(module.seen) == 1  # seven clips make one batch of four, and the rest is left out
    assert bool((clips.diff(dim=1) == 1).all())
    assert set(clips[:, 0].tolist()) < set(firsts.tolist())


def test_first_frames_count_in_no_metric():
    module, labels = _Recorder(), torch.tensor([0, 1, 1, 0, 1, 0])
    images = torch.tensor([1.0, 1, 1, 1, 1, 1]).reshape(6, 1, 1, 1).expand(6, 1, 32, 32)
    assert accuracy(module, images, labels) == 0.5
    assert accuracy(module, images, labels, 3) == 0.75
    still = measure(module, images, labels, 1, frames=3, changes=True)
    assert (still.quality, still.events) == (0.75, 0.0)
    images = images.clone()
    images[2] = 0.0
    assert measure(module, images, labels, 1, frames=3, changes=True).events == 32 * 32 / 4
    assert measure(module, images, labels, 1, frames=3).events == 5 * 32 * 32 / 6


def test_frames_of_a_clip_are_augmented_alike():
    images = torch.rand(1, 1, 8, 8).expand(6, 1, 8, 8)
    generator = torch.Generator().manual_seed(1)
    turned = random_affine(images, rotate=20.0, shift=2.0, zoom=0.1, generator=generator, frames=3)
    cut = random_crop(images, shape=(8, 8), pad=3, flip=True, generator=generator, frames=3)
    for found in (turned, cut):
        clips = found.reshape(2, 3, 8, 8)
        assert torch.allclose(clips, clips[:, :1].expand_as(clips))
        assert not torch.allclose(clips[0], clips[1])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.frames=1", "data.frames: 1: at least 2 for sets of streams"),
        ('data={set = "mnist", frames = 4}', "data.frames: 4"),
        ("batch=18", "batch: 18 is no whole number of clips of 4 frames"),
        ("methods.0.levels=0", "delta: frames >= 2, levels > 0"),
        ("methods.0.frames=9", r"methods\[0\]\.frames: follows from the data"),
    ],
)
def test_bad_recipes(recipe, override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe, [override])
