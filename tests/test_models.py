"""The shipped networks: they load without torch, and classify real digits."""

import subprocess
import sys

import numpy as np
import pytest

from quiesce import models
from quiesce.sw import reference
from quiesce.sw.data import mnist

LEAST_RIGHT = {"lenet5": 253, "lenet5-sparse": 252, "mlp3": 251}
"""Of the 256 embedded digits."""


def test_names_and_paths():
    assert models.names() == tuple(sorted(LEAST_RIGHT))
    for name in models.names():
        assert models.path(name).with_suffix(".md").is_file()
    with pytest.raises(models.UnknownModelError, match=r"'nothing' is no shipped network; there are lenet5, "):
        models.load("nothing")


@pytest.mark.parametrize("name", sorted(LEAST_RIGHT))
def test_shipped_networks_classify_real_digits(name):
    network = models.load(name)
    assert network.name == name
    digits = mnist.sample()
    result = reference.run(network, mnist.quantize_images(digits.images))
    right = np.sum(result.outputs.reshape(-1, 10).argmax(axis=1) == digits.labels)
    assert right >= LEAST_RIGHT[name]


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
