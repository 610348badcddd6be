"""Digits in front of pictures, and which pixels are the digits': dense prediction made of two data sets."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from quiesce.sw.data import cifar10, mnist
from quiesce.sw.data.images import LabelledImages, Split

__all__ = ["Scenes", "compose", "load", "sample"]

_INK = 128
"""Least grey value of a digit's own pixels."""
_SEED = 20


class Scenes(LabelledImages):
    """Images (N, 32, 32, 3), and of each pixel (N, 32, 32) whether it is a digit's: 1, or the background: 0."""

    TITLE: ClassVar[str] = "MNIST on CIFAR-10"
    SHAPE: ClassVar[tuple[int, ...]] = cifar10.Cifar10.SHAPE
    LABEL_SHAPE: ClassVar[tuple[int, ...]] = SHAPE[:2]
    N_CLASSES: ClassVar[int] = 2


def compose(pictures: cifar10.Cifar10, digits: mnist.Mnist) -> Scenes:
    """The i-th digit on the i-th picture, as many as there are of both, at random places and in random colours::

        pixel = picture + (colour - picture) x grey / 255        label = 1 where grey >= 128

    Colours and places follow from a fixed seed, so that the set is always the same; colours have no relation to the picture's.
    """
    count = min(len(pictures), len(digits))
    random = np.random.default_rng(_SEED)
    rows, cols, _ = Scenes.SHAPE
    height, width = mnist.Mnist.SHAPE
    colours = random.integers(0, 256, (count, 1, 1, 3))
    tops, lefts = random.integers(0, rows - height + 1, count), random.integers(0, cols - width + 1, count)
    grey = np.zeros((count, rows, cols), np.uint8)
    for index, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        grey[index, top : top + height, left : left + width] = digits.images[index]
    share = grey[..., None].astype(np.int32)
    behind = pictures.images[:count].astype(np.int32)
    images = (behind * (255 - share) + colours.astype(np.int32) * share) // 255
    return Scenes(images.astype(np.uint8), (grey >= _INK).astype(np.uint8))


def load(split: Split, folder: Path | None = None) -> Scenes:
    """The 50,000 training or the 10,000 test scenes.

    Parameters
    ----------
    split : "train" or "test"
        Which scenes; digits and pictures are of the same split.
    folder : Path or None
        Folder that holds ``mnist`` and ``cifar10``; by default ``$QUIESCE_DATA``.

    Raises
    ------
    DatasetError
        One of the two sets is missing or damaged.
    """
    pictures = cifar10.load(split, None if folder is None else folder / "cifar10")
    return compose(pictures, mnist.load(split, None if folder is None else folder / "mnist"))


def sample() -> Scenes:
    """64 scenes of the pictures and digits shipped with the package."""
    return compose(cifar10.sample(), mnist.sample())
