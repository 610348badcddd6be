"""MNIST reader: the sample, the conversion of pixels, and every kind of damaged file."""

import gzip
from fractions import Fraction

import numpy as np
import pytest

from quiesce.sw.data import mnist
from quiesce.sw.data.errors import DatasetError


def write_idx(path, array, *, magic=None, pack=gzip.compress):
    header = bytes((0, 0, 8, array.ndim)) if magic is None else magic
    extents = b"".join(extent.to_bytes(4, "big") for extent in array.shape)
    path.write_bytes(pack(header + extents + array.tobytes()))


@pytest.fixture
def folder(tmp_path):
    """A small test split, written as in the original distribution."""
    digits = mnist.sample()
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", digits.images[:20])
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", digits.labels[:20])
    return tmp_path


def test_sample_is_real_digits():
    digits = mnist.sample()
    assert digits.images.shape == (256, 28, 28)
    assert digits.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert 0.15 < (digits.images > 0).mean() < 0.25
    assert set(digits.labels.tolist()) == set(range(10))


def test_pixels_round_half_up():
    images = np.zeros((1, 28, 28), np.uint8)
    images.reshape(-1)[:256] = np.arange(256)
    acts = mnist.quantize_images(images)
    assert (acts.dtype, acts.shape) == (np.int8, (1, 28, 28, 1))
    expected = [int(Fraction(pixel * 127, 255) + Fraction(1, 2)) for pixel in range(256)]
    assert acts.reshape(-1)[:256].tolist() == expected
    assert (expected[0], expected[1], expected[255]) == (0, 0, 127)


def test_quantize_images_refuses_other_arrays():
    for images in (np.zeros((1, 28, 28)), np.zeros((1, 28, 27), np.uint8), np.zeros((28, 28), np.uint8)):
        with pytest.raises(DatasetError, match="instead of uint8"):
            mnist.quantize_images(images)


def test_load_reads_gz_and_plain(folder):
    digits = mnist.load("test", folder)
    assert len(digits) == 20
    assert np.array_equal(digits.images, mnist.sample().images[:20])
    packed = folder / "t10k-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert np.array_equal(mnist.load("test", folder).images, digits.images)


def test_missing_folder_and_variable(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match="no such folder"):
        mnist.load("test", tmp_path / "nowhere")
    monkeypatch.delenv(mnist.DATA_VARIABLE, raising=False)
    with pytest.raises(DatasetError, match=mnist.DATA_VARIABLE):
        mnist.load("test")


def test_missing_file_and_unknown_split(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match="t10k-labels-idx1-ubyte.gz: no such file"):
        mnist.load("test", folder)
    with pytest.raises(DatasetError, match="'validation'"):
        mnist.load("validation", folder)


@pytest.mark.parametrize("keep", [0, 5, 200, -4])
def test_truncated_gz(folder, keep):
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"images-idx3-ubyte\.gz: .*(truncated|damaged|bad magic)"):
        mnist.load("test", folder)


def test_not_gzip_at_all(folder):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"plain text, nothing packed")
    with pytest.raises(DatasetError, match="cannot be read"):
        mnist.load("test", folder)


@pytest.mark.parametrize(
    ("magic", "message"),
    [(b"\0\0\x0d\3", "bad magic 00000d03"), (b"\1\0\x08\3", "bad magic"), (b"\0\0\x08\1", "1 axes instead of 3")],
)
def test_bad_magic(folder, magic, message):
    write_idx(folder / "t10k-images-idx3-ubyte.gz", mnist.sample().images[:20], magic=magic)
    with pytest.raises(DatasetError, match=message):
        mnist.load("test", folder)


def test_sizes_disagree(folder):
    images = mnist.sample().images[:20]
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images, pack=lambda content: gzip.compress(content[:-1]))
    with pytest.raises(DatasetError, match="bytes of elements"):
        mnist.load("test", folder)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images[:19])
    with pytest.raises(DatasetError, match="19 images but 20 labels"):
        mnist.load("test", folder)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images[:, :27])
    with pytest.raises(DatasetError, match="shape"):
        mnist.load("test", folder)


def test_label_out_of_range(folder):
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.full(20, 10, np.uint8))
    with pytest.raises(DatasetError, match="label 10"):
        mnist.load("test", folder)
