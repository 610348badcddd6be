"""The shipped networks: they load without torch, classify real images, and are the same in torch and in the reference."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from quiesce import models
from quiesce.sw import reference
from quiesce.sw.data import mnist
from quiesce.sw.data.images import grey_acts
from quiesce.sw.data.quality import classes_of, quality
from quiesce.sw.data.sets import SETS
from quiesce.sw.quant import quantized_forward
from tests.sw.data.moving import moving_square

LEAST_RIGHT = {
    "lenet4": 256, "lenet4-winners": 254, "lenet5-balance": 254, "lenet5-balance-mean": 254,
    "lenet5": 253, "lenet5-arts": 252, "lenet5-arts-tl1": 251, "lenet5-dual": 251, "lenet5-sparse": 252, "lenet5-winners": 250,
    "mlp3": 251, "mlp3-arts": 252, "mlp3-dual": 252, "mlp3-winners": 250,
    "convnet5": 53, "convnet5-arts": 53, "convnet5-winners": 51, "mobilenet-025": 42, "mobilenet-025-arts": 45,
    "resnet20": 59, "resnet20-arts": 58, "resnet20-dual": 57, "resnet20-sparse50": 55, "resnet20-sparse80": 55,
    "vgg6": 51,
}  # fmt: skip
"""Of the 256 embedded digits or the 64 embedded images of CIFAR-10."""
LEAST_IOU = {"segmenter": 0.87, "segmenter-arts": 0.86}
"""Mean IoU of the 64 embedded scenes."""
LEAST_SPOKEN = {"fsdd-delta": 275, "fsdd-delta-l1": 275, "fsdd-l1": 275, "fsdd-relu": 280, "fsdd-thresholds": 280}
"""Of the 292 embedded windows of spoken digits."""
UNLABELLED = {"asl-delta", "asl-delta-l1", "asl-l1", "asl-relu", "asl-thresholds"}
"""Trained for data of which no sample is shipped."""
NAMES = sorted(LEAST_RIGHT.keys() | LEAST_IOU.keys() | LEAST_SPOKEN.keys() | UNLABELLED)


def sample(network, count=None):
    """Activations and labels of the embedded images of the data set that the network was trained on."""
    (source,) = (source for source in SETS.values() if source.title == network.metadata["data"])
    if source.sample is None:  # hands may not be passed on: something that moves, without labels
        frames = moving_square(count or 16)
        return grey_acts(source.title, frames, frames.shape[1:]), None
    images = source.sample()[:count]
    return source.acts(images, network.input.shape), images.labels


def test_names_and_paths():
    assert models.names() == tuple(NAMES)
    for name in models.names():
        assert models.path(name).with_suffix(".md").is_file()
    with pytest.raises(models.UnknownModelError, match=r"'nothing' is no shipped network; there are asl-delta, "):
        models.load("nothing")


@pytest.mark.parametrize("name", sorted(set(NAMES) - UNLABELLED))
def test_shipped_networks_classify_real_images(name):
    network = models.load(name)
    assert network.name == name
    acts, labels = sample(network)
    result = reference.run(network, acts, keep_activations=False)
    found = quality(classes_of(result.outputs, labels), labels)
    assert found >= (LEAST_IOU[name] if labels.ndim > 1 else (LEAST_RIGHT | LEAST_SPOKEN)[name] / len(labels))


@pytest.mark.parametrize("name", NAMES)
def test_torch_and_reference_agree_bit_for_bit(name):
    network = models.load(name)
    acts, _ = sample(network, 4)
    with torch.no_grad():
        outputs = quantized_forward(network)(torch.from_numpy(acts.copy())).numpy()
    assert np.array_equal(outputs, reference.run(network, acts).outputs)


def test_the_sparse_network_works_less():
    acts = mnist.quantize_images(mnist.sample().images)
    events = {
        name: sum(int(counts.events.sum()) for counts in reference.run(models.load(name), acts).counts.values())
        for name in ("lenet5", "lenet5-sparse")
    }
    assert 2 * events["lenet5-sparse"] < events["lenet5"]


def test_no_torch():
    code = "import sys; from quiesce import models; models.load('lenet5'); import quiesce.sw.data.mnist as m; m.sample(); " \
        "sys.exit('torch' in sys.modules)"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)
