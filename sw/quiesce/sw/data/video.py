"""Folders of videos, one folder a class, as UCF101 has them: decoded, made grey and small, and cut to streams of frames."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.frames import LabelledFrames

__all__ = ["Video", "load", "read_frames"]

_MAX_PIXELS = 1 << 24
"""Of a frame of a file."""
_MAX_FRAMES = 1 << 18
_MAX_CLASSES = 256


class Video(LabelledFrames):
    """Grey frames (N, 32, 32) and their classes, in the alphabetical order of the folders' names."""

    TITLE: ClassVar[str] = "video"
    SHAPE: ClassVar[tuple[int, ...]] = (32, 32)
    N_CLASSES: ClassVar[int] = _MAX_CLASSES


def load(folder: Path, *, most: int | None = None) -> tuple[Video, list[str]]:
    """All ``class/name.avi`` of a folder, each a stream.

    Parameters
    ----------
    folder : Path
        Holds a folder for each class.
    most : int or None
        Frames of each video, the first ones; by default all.

    Returns
    -------
    frames : Video
    classes : list of str
        Names of the classes.

    Raises
    ------
    DatasetError
        There are no videos, too many classes, or a file that is damaged or too large; or PyAV is not installed.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; it should hold class/name.avi")
    paths = sorted(folder.glob("*/*.avi"))
    classes = sorted({path.parent.name for path in paths})
    if not 0 < len(classes) <= _MAX_CLASSES:
        raise DatasetError(f"{folder}: {len(classes)} folders of .avi files, not 1..{_MAX_CLASSES}")
    height, width = Video.SHAPE
    parts = [np.stack(list(islice(read_frames(path, (height, width)), most))) for path in paths]
    labels = [np.full(len(part), classes.index(path.parent.name), np.uint8) for path, part in zip(paths, parts, strict=True)]
    starts = np.concatenate([np.arange(len(part)) == 0 for part in parts])
    return Video(np.concatenate(parts), np.concatenate(labels), starts), classes


def read_frames(path: Path, shape: tuple[int, int]) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames of a video, grey and scaled to so many rows and columns, one after the other as they are decoded.

    Parameters
    ----------
    path : Path
        Anything that FFmpeg reads.
    shape : tuple of int
        Rows and columns.

    Yields
    ------
    ndarray of uint8, shape ``shape``

    Raises
    ------
    DatasetError
        The file is missing, damaged, has no video or no frame, or far too large ones or too many; or PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise DatasetError(f"{path}: video needs PyAV (install quiesce[video])") from None
    n_frames = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DatasetError(f"{path}: there is no video in it")
            for frame in container.decode(container.streams.video[0]):
                n_frames += 1
                if frame.width * frame.height > _MAX_PIXELS or n_frames > _MAX_FRAMES:
                    raise DatasetError(f"{path}: more than {_MAX_PIXELS} pixels or {_MAX_FRAMES} frames")
                yield frame.reformat(width=shape[1], height=shape[0], format="gray").to_ndarray().astype(np.uint8, copy=False)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except (av.FFmpegError, OSError, MemoryError) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    if not n_frames:
        raise DatasetError(f"{path}: there is no frame in it")
