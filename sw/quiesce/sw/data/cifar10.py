"""CIFAR-10: official binary files or lossless sheets, a small embedded sample, and the conversion of pixels to activations."""

from importlib import resources
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.images import LabelledImages, Split, find_folder
from quiesce.sw.data.sheets import read_sheets

__all__ = ["INPUT_SCALE", "Cifar10", "load", "quantize_images", "sample"]

INPUT_SCALE = 1 / 48
"""Real value of one step of the activations of ``quantize_images``, in standard deviations."""

_SIDE = 32
_CHANS = 3
_RECORD = 1 + _CHANS * _SIDE * _SIDE
_MEAN = np.array([485, 456, 406])
_DEVIATION = np.array([229, 224, 225])
"""In thousandths of white: the usual ones of ImageNet, which published CIFAR-10 networks are trained with."""


class Cifar10(LabelledImages):
    """Images (N, 32, 32, 3) in red, green, blue, and their classes 0..9: airplane, automobile, bird, cat, deer, dog, frog,
    horse, ship, truck."""

    TITLE: ClassVar[str] = "CIFAR-10"
    SHAPE: ClassVar[tuple[int, ...]] = (_SIDE, _SIDE, _CHANS)


def load(split: Split, folder: Path | None = None) -> Cifar10:
    """The 50,000 training or the 10,000 test images.

    The folder holds either the official binary version (``data_batch_1.bin`` to ``data_batch_5.bin``, ``test_batch.bin``) or
    lossless sheets of the same images (``train_*.webp``, ``test_*.webp``, ``labels.npz``, see ``quiesce.sw.data.sheets``; these
    need Pillow). The binary version is preferred.

    Parameters
    ----------
    split : "train" or "test"
        Which images.
    folder : Path or None
        Folder of the files; by default ``$QUIESCE_DATA/cifar10``.

    Raises
    ------
    DatasetError
        No folder given, or a file that is missing, truncated or not what it should be.
    """
    wanted = "data_batch_*.bin and test_batch.bin, or *.webp and labels.npz"
    folder = find_folder("CIFAR-10", "cifar10", split, folder, wanted)
    if any(folder.glob("*_batch*.bin")):
        names = ["test_batch.bin"] if split == "test" else [f"data_batch_{index}.bin" for index in range(1, 6)]
        parts = [_read_binary(folder / name) for name in names]
        return Cifar10(np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts]))
    if any(folder.glob("*.webp")):
        return Cifar10(*read_sheets(folder, split, _SIDE))
    raise DatasetError(f"{folder}: neither {wanted.replace(', or', ' nor')}")


def _read_binary(path: Path) -> Cifar10:
    """Records of a label byte and the red, green and blue planes, row by row."""
    try:
        content = np.fromfile(path, np.uint8)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    if not len(content) or len(content) % _RECORD:
        raise DatasetError(f"{path}: {len(content)} bytes are no whole number of records of {_RECORD} bytes")
    records = content.reshape(-1, _RECORD)
    if records[:, 0].max() >= Cifar10.N_CLASSES:
        raise DatasetError(f"{path}: label {records[:, 0].max()} is not in 0..9")
    planes = records[:, 1:].reshape(-1, _CHANS, _SIDE, _SIDE)
    return Cifar10(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].copy())


def sample() -> Cifar10:
    """The first 64 images of the CIFAR-10 test set, shipped with the package."""
    with resources.as_file(resources.files("quiesce.sw.data") / "cifar10_sample.npz") as path:
        with np.load(path, allow_pickle=False) as arrays:
            return Cifar10(arrays["images"], arrays["labels"])


def quantize_images(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Pixels as activations: ``floor(48 (pixel / 255 - mean) / deviation + 1/2)`` with mean and deviation of each channel,
    (.485, .456, .406) and (.229, .224, .225); the real value is ``INPUT_SCALE`` x integer.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, 32, 32, 3)
        Red, green, blue.

    Returns
    -------
    ndarray of int8, shape (N, 32, 32, 3)
        -102..127.

    Raises
    ------
    DatasetError
        The array is not uint8 of that shape.
    """
    if images.dtype != np.uint8 or images.shape[1:] != Cifar10.SHAPE:
        raise DatasetError(f"CIFAR-10 images: {images.dtype} of shape {images.shape} instead of uint8 (N, 32, 32, 3)")
    # In integers, both sides of the fraction doubled: 48 (1000 pixel - 255 mean) / (255 deviation) + 1/2.
    steps = 48 * (1000 * np.arange(256)[:, np.newaxis] - 255 * _MEAN)
    levels = ((2 * steps + 255 * _DEVIATION) // (2 * 255 * _DEVIATION)).astype(np.int8)
    return np.stack([levels[images[..., chan], chan] for chan in range(_CHANS)], axis=-1)
