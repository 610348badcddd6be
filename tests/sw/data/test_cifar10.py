"""CIFAR-10 readers: the sample, the conversion of pixels, both kinds of files, and every kind of damage."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from quiesce.sw.data import cifar10
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.sets import SETS


def records(images):
    planes = images.images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([images.labels[:, np.newaxis], planes], axis=1).tobytes()


def write_sheet(path, images, across):
    down = len(images) // across
    pixels = images.reshape(down, across, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(down * 32, across * 32, 3)
    Image.fromarray(pixels).save(path, lossless=True)


@pytest.fixture
def binary(tmp_path):
    """The official layout: 10 test images, five batches of 4."""
    sample = cifar10.sample()
    (tmp_path / "test_batch.bin").write_bytes(records(sample[:10]))
    for index in range(5):
        (tmp_path / f"data_batch_{index + 1}.bin").write_bytes(records(sample[4 * index : 4 * index + 4]))
    return tmp_path


@pytest.fixture
def sheets(tmp_path):
    """Two sheets of 6 and 4 test images."""
    sample = cifar10.sample()
    write_sheet(tmp_path / "test_00000.webp", sample.images[:6], 3)
    write_sheet(tmp_path / "test_00006.webp", sample.images[6:10], 2)
    np.savez(tmp_path / "labels.npz", y_test=sample.labels[:10])
    return tmp_path


def test_sample_is_real_images():
    sample = cifar10.sample()
    assert sample.images.shape == (64, 32, 32, 3)
    assert sample.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert set(sample.labels.tolist()) == set(range(10))
    assert 100 < sample.images.mean() < 140


def test_pixels_round_half_up():
    images = np.zeros((1, 32, 32, 3), np.uint8)
    images[0, :8] = np.arange(256, dtype=np.uint8).reshape(8, 32, 1)
    acts = cifar10.quantize_images(images)
    assert (acts.dtype, acts.shape) == (np.int8, (1, 32, 32, 3))
    means, deviations = (Fraction(485, 1000), Fraction(456, 1000), Fraction(406, 1000)), (229, 224, 225)
    for chan, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
        real = [(Fraction(pixel, 255) - mean) / Fraction(deviation, 1000) for pixel in range(256)]
        expected = [(48 * value + Fraction(1, 2)) // 1 for value in real]
        assert acts[0, :8, :, chan].ravel().tolist() == expected
        assert -102 <= expected[0] < expected[255] <= 127


def test_quantize_images_refuses_other_arrays():
    for images in (np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32), np.uint8), np.zeros((32, 32, 3), np.uint8)):
        with pytest.raises(DatasetError, match="instead of uint8"):
            cifar10.quantize_images(images)


def test_binary_files(binary):
    sample = cifar10.sample()
    for split, count in (("test", 10), ("train", 20)):
        images = cifar10.load(split, binary)
        assert np.array_equal(images.images, sample.images[:count])
        assert np.array_equal(images.labels, sample.labels[:count])


def test_sheets(sheets):
    images = cifar10.load("test", sheets)
    assert np.array_equal(images.images, cifar10.sample().images[:10])
    assert np.array_equal(images.labels, cifar10.sample().labels[:10])
    with pytest.raises(DatasetError, match=r"there is no train_\*\.webp"):
        cifar10.load("train", sheets)


def test_nothing_there(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match=r"neither data_batch_\*\.bin"):
        cifar10.load("test", tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        cifar10.load("test", tmp_path / "nowhere")
    monkeypatch.delenv("QUIESCE_DATA", raising=False)
    with pytest.raises(DatasetError, match="QUIESCE_DATA.*cifar10/"):
        cifar10.load("test")
    with pytest.raises(DatasetError, match="'validation'"):
        cifar10.load("validation", tmp_path)


def test_damaged_binary_files(binary):
    path = binary / "test_batch.bin"
    content = path.read_bytes()
    for damaged, message in ((content[:-1], "no whole number"), (b"", "no whole number"), (b"\x0a" + content[1:], "label 10")):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match=f"test_batch.bin: .*{message}"):
            cifar10.load("test", binary)
    (binary / "data_batch_3.bin").unlink()
    with pytest.raises(DatasetError, match="data_batch_3.bin: no such file"):
        cifar10.load("train", binary)


def test_damaged_sheets(sheets):
    path = sheets / "test_00000.webp"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"plain text"):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match="test_00000.webp: cannot be read"):
            cifar10.load("test", sheets)
    Image.new("RGB", (33, 32)).save(path, lossless=True)
    with pytest.raises(DatasetError, match="33 x 32 pixels are no sheet"):
        cifar10.load("test", sheets)
    Image.new("RGB", (32, 32)).save(path, "PNG")
    with pytest.raises(DatasetError, match="cannot be read"):
        cifar10.load("test", sheets)


def test_damaged_labels(sheets):
    path = sheets / "labels.npz"
    np.savez(path, y_test=np.zeros(9, np.uint8))
    with pytest.raises(DatasetError, match="10 images but 9 labels"):
        cifar10.load("test", sheets)
    np.savez(path, y_test=np.full(10, 10, np.uint8))
    with pytest.raises(DatasetError, match=r"label 10 is not in 0\.\.9"):
        cifar10.load("test", sheets)
    np.savez(path, other=np.zeros(10, np.uint8))
    with pytest.raises(DatasetError, match="holds no y_test"):
        cifar10.load("test", sheets)
    with path.open("wb") as file:
        np.save(file, np.zeros(10, np.uint8))
    with pytest.raises(DatasetError, match="labels.npz: cannot be read"):
        cifar10.load("test", sheets)
    path.unlink()
    with pytest.raises(DatasetError, match="labels.npz: no such file"):
        cifar10.load("test", sheets)


def test_crops_are_centres():
    source, sample = SETS["cifar10"], cifar10.sample()
    assert np.array_equal(source.acts(sample, (24, 24, 3)), source.acts(sample, (32, 32, 3))[:, 4:28, 4:28])
    assert source.fits((24, 32, 3))
    assert not source.fits((24, 24, 1))
    assert not source.fits((33, 24, 3))
