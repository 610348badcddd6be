"""A small data set."""

import gzip

import pytest

from quiesce.sw.data import mnist


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
