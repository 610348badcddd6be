"""A small data set, and one thread: networks this small are no faster with more, and sums are always taken in the same order."""

import gzip

import pytest
import torch

from quiesce.sw.data import mnist


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The embedded digits, as training and as test set."""
    root = tmp_path_factory.mktemp("data")
    (root / "mnist").mkdir()
    digits = mnist.sample()
    for prefix, part in (("train", digits), ("t10k", digits[:100])):
        for kind, array in (("images-idx3", part.images), ("labels-idx1", part.labels)):
            header = bytes((0, 0, 8, array.ndim)) + b"".join(extent.to_bytes(4, "big") for extent in array.shape)
            (root / "mnist" / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return root
