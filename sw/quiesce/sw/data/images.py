"""Labelled images, whatever the data set, and the folder that holds their files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.errors import DatasetError

__all__ = ["DATA_VARIABLE", "LabelledImages", "Split", "find_folder", "grey_acts", "read_folder"]

DATA_VARIABLE = "QUIESCE_DATA"
"""Environment variable that names the folder which holds the data sets, each in a folder of its own."""

Split = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and their classes, or those of their pixels; a data set derives its own class.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, \\*SHAPE)
        Pixels.
    labels : ndarray of uint8, shape (N, \\*LABEL_SHAPE)
        Classes, 0..N_CLASSES - 1.

    Raises
    ------
    DatasetError
        Wrong shapes or labels.
    """

    TITLE: ClassVar[str]
    SHAPE: ClassVar[tuple[int, ...]]
    LABEL_SHAPE: ClassVar[tuple[int, ...]] = ()
    N_CLASSES: ClassVar[int] = 10

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        for name, array, shape in (("images", self.images, self.SHAPE), ("labels", self.labels, self.LABEL_SHAPE)):
            if array.dtype != np.uint8 or array.ndim < 1 or array.shape[1:] != shape:
                wanted = ", ".join(map(str, ("N", *shape)))
                raise DatasetError(f"{self.TITLE} {name}: {array.dtype} of shape {array.shape} instead of uint8 ({wanted})")
        if len(self.images) != len(self.labels):
            raise DatasetError(f"{self.TITLE}: {len(self.images)} images but {len(self.labels)} labels")
        if self.labels.size and self.labels.max() >= self.N_CLASSES:
            raise DatasetError(f"{self.TITLE}: label {self.labels.max()} is not in 0..{self.N_CLASSES - 1}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, items: slice) -> Self:
        return type(self)(self.images[items], self.labels[items])


def find_folder(title: str, name: str, split: str, folder: Path | None, content: str) -> Path:
    """The folder of a data set's files: the given one, or ``$QUIESCE_DATA/name``.

    Parameters
    ----------
    title, name : str
        Of the data set, in messages and as folder.
    split : str
        Checked to be "train" or "test".
    folder : Path or None
        What the user gave.
    content : str
        What the folder should hold, for the message.

    Raises
    ------
    DatasetError
        Another split, no folder given, or none there.
    """
    if split not in ("train", "test"):
        raise DatasetError(f"{title}: split {split!r} is not 'train' or 'test'")
    if folder is None:
        root = os.environ.get(DATA_VARIABLE)
        if not root:
            raise DatasetError(
                f"{title}: give a folder or set {DATA_VARIABLE} to the one that holds {content if name == '.' else f'{name}/'}"
            )
        folder = Path(root) / name
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; it should hold {content}")
    return folder


def read_folder(title: str, split: str, folder: Path | None, file: str) -> Path:
    """The folder of a data set that is one file: the given one, or ``$QUIESCE_DATA``; as ``find_folder``."""
    return find_folder(title, ".", split, folder, file)


def grey_acts(title: str, images: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """Grey values as activations: ``floor(pixel * 127 / 255 + 1/2)``.

    Parameters
    ----------
    title : str
        Of the data set, for the message.
    images : ndarray of uint8, shape (N, \\*shape)
        Grey values.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    ndarray of int8, shape (N, \\*shape, 1)
        0..127; pixels of value 1 and less become zero.

    Raises
    ------
    DatasetError
        The array is not uint8 of that shape.
    """
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        wanted = ", ".join(map(str, ("N", *shape)))
        raise DatasetError(f"{title} images: {images.dtype} of shape {images.shape} instead of uint8 ({wanted})")
    # 255 is odd, so that doubling both sides keeps the half exact.
    levels = (np.arange(256) * 127 * 2 + 255) // (2 * 255)
    return levels.astype(np.int8)[images][..., np.newaxis]
