"""Frames of streams: images that follow each other in time, and the clips that training takes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.images import LabelledImages

__all__ = ["LabelledFrames", "clip_starts", "interleave", "streams_of"]


@dataclass(frozen=True, eq=False)
class LabelledFrames(LabelledImages):
    """Frames of streams, one stream after the other, each frame with a label.

    Parameters
    ----------
    starts : ndarray of bool, shape (N,)
        First frames of streams; the first of all is one.

    Raises
    ------
    DatasetError
        Wrong shapes or labels, or no start.
    """

    starts: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.starts.dtype != np.bool_ or self.starts.shape != (len(self.labels),):
            raise DatasetError(f"{self.TITLE} starts: {self.starts.dtype} of shape {self.starts.shape}, not bool (N,)")
        if len(self.starts) and not self.starts[0]:
            raise DatasetError(f"{self.TITLE} starts: the first frame is no first frame of a stream")

    def __getitem__(self, items: slice) -> Self:
        starts = self.starts[items].copy()
        starts[:1] = True
        return type(self)(self.images[items], self.labels[items], starts)

    def streams(self) -> list[slice]:
        """Where each stream lies."""
        return streams_of(self.starts)


def streams_of(starts: npt.NDArray[np.bool_]) -> list[slice]:
    """Where each stream lies, from which frames (N,) are first ones."""
    borders = [*np.flatnonzero(starts).tolist(), len(starts)]
    return [slice(first, end) for first, end in zip(borders, borders[1:], strict=False)]


def interleave(recordings: Sequence[npt.NDArray[np.int64]], piece: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Streams in which something new begins every ``piece`` frames: the first pieces of all recordings behind each other are one
    stream, the second ones another, and so on.

    A recording that shows the same thing from its first to its last frame tells nothing of networks that hold on to what they
    have seen first.

    Parameters
    ----------
    recordings : sequence of ndarray of int
        The frames of each, by number.
    piece : int
        At least 1; the last piece of a recording may be shorter.

    Returns
    -------
    ndarray of int, ndarray of bool
        The frames of the streams in their order, and which of them are first frames of streams.
    """
    rounds = -(-max((len(one) for one in recordings), default=0) // piece)
    streams = [np.concatenate([one[turn * piece :][:piece] for one in recordings]) for turn in range(rounds)]
    starts = [np.arange(len(stream)) == 0 for stream in streams]
    empty = np.zeros(0, np.int64)
    return np.concatenate([empty, *streams]), np.concatenate([empty.astype(np.bool_), *starts])


def clip_starts(starts: npt.NDArray[np.bool_], frames: int, *, apart: bool = False) -> npt.NDArray[np.int64]:
    """First frames of all clips of so many frames that lie within a stream each.

    Parameters
    ----------
    starts : ndarray of bool, shape (N,)
        First frames of streams.
    frames : int
        Of a clip, at least 1.
    apart : bool
        Only clips that do not overlap, from the first frame of each stream on.
    """
    borders = np.append(np.flatnonzero(starts), len(starts))
    firsts = np.arange(len(starts))
    stream = np.searchsorted(borders, firsts, side="right") - 1
    fits = firsts + frames <= borders[stream + 1]
    if apart:
        fits &= (firsts - borders[stream]) % frames == 0
    return firsts[fits]
