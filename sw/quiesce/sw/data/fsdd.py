"""Spoken digits: the latest frames of mel spectrograms, as streams of maps."""

from importlib import resources
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.arrays import check_offsets, read_arrays
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.frames import LabelledFrames
from quiesce.sw.data.images import Split, grey_acts, read_folder

__all__ = ["INPUT_SCALE", "Fsdd", "load", "quantize_images", "rings", "sample", "windows"]

INPUT_SCALE = 1 / 127
"""Real value of one step of the activations of ``quantize_images``."""
BANDS = 32
WINDOW = 32
"""Mel frames of 16 ms that an item shows."""

_FILE = "fsdd_logmel.npz"
_TEST_TAKES = 5


class Fsdd(LabelledFrames):
    """Rings (N, 32 mel frames, 32 bands) of log-mel spectrograms and the digits 0..9 that are spoken."""

    TITLE: ClassVar[str] = "spoken digits"
    SHAPE: ClassVar[tuple[int, ...]] = (WINDOW, BANDS)


def windows(mel: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Items of one utterance: the last 32 mel frames, each time one frame later.

    Silence of 16 frames stands before and after the utterance, so that the first item has half a window of it, and the last one
    as well: as many items as mel frames.

    Parameters
    ----------
    mel : ndarray of uint8, shape (N, 32)

    Returns
    -------
    ndarray of uint8, shape (N, 32, 32)
        The latest mel frame is the last row.
    """
    padded = np.pad(mel, ((WINDOW // 2, WINDOW // 2), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)[1:].transpose(0, 2, 1)


def rings(items: npt.NDArray[np.uint8], starts: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Windows as ring buffers, which a host keeps them in anyway: a mel frame stays in its row until a new one takes its place,
    so that from item to item of a stream one row changes, rather than all of them.

    Parameters
    ----------
    items : ndarray of uint8, shape (N, 32, 32)
        See ``windows``.
    starts : ndarray of bool, shape (N,)
        First items of streams; the first of all is one. There the latest mel frame is in row 0.
    """
    index = np.arange(len(starts))
    latest = index - np.maximum.accumulate(np.where(starts, index, 0))
    rows = (np.arange(WINDOW) - latest[:, np.newaxis] - 1) % WINDOW
    return np.take_along_axis(items, rows[:, :, np.newaxis], axis=1)


def load(split: Split, folder: Path | None = None) -> Fsdd:
    """Utterances of takes from 5 on (training, in the order of their takes) or below 5 (test). The digits that a speaker says in
    a take, 0 to 9, follow each other as a stream of rings.

    Parameters
    ----------
    split : "train" or "test"
        Which takes.
    folder : Path or None
        Folder of ``fsdd_logmel.npz``; by default ``$QUIESCE_DATA``.

    Raises
    ------
    DatasetError
        No folder given, or the file is missing, damaged or not what it should be.
    """
    path = read_folder(Fsdd.TITLE, split, folder, _FILE) / _FILE
    return _read(path, split)


def sample() -> Fsdd:
    """The first test utterance of each digit, shipped with the package."""
    with resources.as_file(resources.files("quiesce.sw.data") / "fsdd_sample.npz") as path:
        return _read(path, "test")


def _read(path: Path, split: Split) -> Fsdd:
    arrays = read_arrays(path, {
        "mel": (np.uint8, (None, BANDS)), "offset": (np.int64, (None,)), "label": (np.uint8, (None,)),
        "take": (np.uint8, (None,)), "speaker": (np.uint8, (None,)),
    })  # fmt: skip
    mel, offsets, labels, takes, speakers = (arrays[name] for name in ("mel", "offset", "label", "take", "speaker"))
    check_offsets(path, "offset", offsets, len(mel))
    if not len(labels) == len(takes) == len(speakers) == len(offsets) - 1:
        raise DatasetError(f"{path}: label, take or speaker is of another length than the utterances")
    order = np.lexsort((labels, speakers, takes))
    chosen = order[(takes[order] < _TEST_TAKES) == (split == "test")]
    if not len(chosen):
        raise DatasetError(f"{path}: there are no {split} utterances")
    lengths = np.diff(offsets)[chosen]
    begins = (np.diff(takes[chosen], prepend=255) != 0) | (np.diff(speakers[chosen], prepend=255) != 0)
    starts = np.zeros(lengths.sum(), np.bool_)
    starts[(np.cumsum(lengths) - lengths)[begins]] = True
    items = np.concatenate([windows(mel[offsets[index] : offsets[index + 1]]) for index in chosen])
    return Fsdd(rings(items, starts), np.repeat(labels[chosen], lengths), starts)


def quantize_images(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Rings (N, 32, 32) as activations (N, 32, 32, 1), see ``images.grey_acts``."""
    return grey_acts(Fsdd.TITLE, images, Fsdd.SHAPE)
