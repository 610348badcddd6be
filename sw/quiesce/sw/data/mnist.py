"""MNIST: the original IDX files, a small embedded sample, and the conversion of pixels to activations."""

from importlib import resources
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.idx import read_idx
from quiesce.sw.data.images import DATA_VARIABLE, LabelledImages, Split, find_folder, grey_acts

__all__ = ["DATA_VARIABLE", "INPUT_SCALE", "Mnist", "load", "quantize_images", "sample"]

INPUT_SCALE = 1 / 127
"""Real value of one step of the activations of ``quantize_images``: black is 0.0 and white is 1.0."""

_SIDE = 28
_PREFIX = {"train": "train", "test": "t10k"}


class Mnist(LabelledImages):
    """Digits (N, 28, 28), 0 background and 255 ink, and their classes 0..9."""

    TITLE: ClassVar[str] = "MNIST"
    SHAPE: ClassVar[tuple[int, ...]] = (_SIDE, _SIDE)


def load(split: Split, folder: Path | None = None) -> Mnist:
    """The 60,000 training or the 10,000 test digits from the four original ``*-ubyte.gz`` (or unpacked) files.

    Parameters
    ----------
    split : "train" or "test"
        Which digits.
    folder : Path or None
        Folder of the files; by default ``$QUIESCE_DATA/mnist``.

    Raises
    ------
    DatasetError
        No folder given, or a file that is missing, truncated or not what it should be.
    """
    folder = find_folder("MNIST", "mnist", split, folder, "the four MNIST files (*-ubyte.gz)")
    images = read_idx(_file(folder, f"{_PREFIX[split]}-images-idx3-ubyte"), 3)
    labels = read_idx(_file(folder, f"{_PREFIX[split]}-labels-idx1-ubyte"), 1)
    return Mnist(images, labels)


def _file(folder: Path, stem: str) -> Path:
    plain = folder / stem
    return plain if plain.is_file() else folder / f"{stem}.gz"


def sample() -> Mnist:
    """The first 256 digits of the MNIST test set, shipped with the package."""
    with resources.as_file(resources.files("quiesce.sw.data") / "mnist_sample.npz") as path:
        with np.load(path, allow_pickle=False) as arrays:
            return Mnist(arrays["images"], arrays["labels"])


def quantize_images(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Grey values as activations: ``floor(pixel * 127 / 255 + 1/2)``, with real value ``INPUT_SCALE`` x integer.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, 28, 28)
        Grey values.

    Returns
    -------
    ndarray of int8, shape (N, 28, 28, 1)
        0..127; pixels of value 1 and less become zero.

    Raises
    ------
    DatasetError
        The array is not uint8 of that shape.
    """
    return grey_acts(Mnist.TITLE, images, Mnist.SHAPE)
