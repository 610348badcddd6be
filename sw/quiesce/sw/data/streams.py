"""Streams of frames from files of the user's, as inputs of a network."""

import zipfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.arrays import read_arrays
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.frames import streams_of
from quiesce.sw.data.video import read_frames
from quiesce.sw.format.layer import MapSpec

__all__ = ["FrameStream", "as_acts", "cut", "read_stream"]


@dataclass(frozen=True, eq=False)
class FrameStream:
    """Frames of one or more streams as activations.

    Parameters
    ----------
    acts : ndarray of int8, shape (N, rows, cols, chans)
        N at least 1.
    starts : ndarray of bool, shape (N,)
        First frames of streams.
    labels : ndarray of int, shape (N,), or None
    origin : str
        Where they are from, for reports.
    """

    acts: npt.NDArray[np.int8]
    starts: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.integer[Any]] | None
    origin: str

    def __len__(self) -> int:
        return len(self.acts)

    def streams(self) -> list[slice]:
        """Where each stream lies."""
        return streams_of(self.starts)

    def first(self, count: int | None) -> "FrameStream":
        """The first ``count`` frames, or as many as there are."""
        labels = None if self.labels is None else self.labels[:count]
        return FrameStream(self.acts[:count], self.starts[:count], labels, self.origin)


def as_acts(path: Path, frames: npt.NDArray[Any], spec: MapSpec) -> npt.NDArray[np.int8]:
    """Frames (N, rows, cols, chans), or (N, rows, cols) of one channel, as activations: int8 as they are; uint8 as shades from
    0.0 to 1.0 and real values to the nearest step (halves upwards), saturated to the range of the input.

    Raises
    ------
    DatasetError
        Another shape or type, no frames, a value that is not finite, or an integer out of range.
    """
    if frames.ndim == 3 and spec.chans == 1:
        frames = frames[..., np.newaxis]
    if frames.shape[1:] != spec.shape or not len(frames):
        wanted = ", ".join(map(str, spec.shape))
        raise DatasetError(f"{path}: frames of shape {frames.shape} are not (N, {wanted}) with N >= 1, rows x columns x channels")
    if frames.dtype == np.int8:
        if frames.min() < spec.low or frames.max() > spec.high:
            raise DatasetError(f"{path}: integers {frames.min()}..{frames.max()} are not in {spec.low}..{spec.high}")
        return np.ascontiguousarray(frames, np.int8)
    if frames.dtype != np.uint8 and frames.dtype.kind != "f":
        raise DatasetError(f"{path}: frames are {frames.dtype}, not int8, uint8 or real values")
    real = frames.astype(np.float64) / (255 if frames.dtype == np.uint8 else 1)
    if not np.isfinite(real).all():
        raise DatasetError(f"{path}: a value is not finite")
    return np.clip(np.floor(real / spec.scale + 0.5), spec.low, spec.high).astype(np.int8)


def read_stream(path: Path, spec: MapSpec, most: int | None = None) -> FrameStream:
    """The stream in a file: an .npz file with ``frames`` and perhaps ``starts`` (bool) and ``labels`` (integers), an .npy file of
    frames, or else a video, which becomes grey and as large as the network's input.

    Parameters
    ----------
    spec : MapSpec
        Of the network's input; frames of arrays are as ``as_acts`` takes them.
    most : int, optional
        Frames to read, the first ones; by default all.

    Raises
    ------
    DatasetError
        The file is missing, damaged or not what it should be; or PyAV is not installed.
    """
    if path.suffix == ".npz":
        return _read_arrays(path, spec).first(most)
    if path.suffix == ".npy":
        frames = _read_array(path)
    elif spec.chans == 1:
        frames = np.stack(list(islice(read_frames(path, spec.shape[:2]), most)))
    else:
        raise DatasetError(f"{path}: the network reads {spec.chans} channels, a video becomes one: give .npz or .npy")
    acts = as_acts(path, frames[:most], spec)
    return FrameStream(acts, np.arange(len(acts)) == 0, None, str(path))


def _read_array(path: Path) -> npt.NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DatasetError(f"{path}: not an .npy file of numbers: {error}") from None
    if not isinstance(array, np.ndarray):
        raise DatasetError(f"{path}: not an .npy file of numbers")
    return array


def _read_arrays(path: Path, spec: MapSpec) -> FrameStream:
    try:
        with zipfile.ZipFile(path) as container:
            names = {Path(name).stem for name in container.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    kinds: dict[str, Any] = {"frames": np.generic, "starts": np.bool_, "labels": np.integer}
    wanted = {name: (kind, None) for name, kind in kinds.items() if name == "frames" or name in names}
    arrays = read_arrays(path, wanted)
    acts = as_acts(path, arrays["frames"], spec)
    for name in wanted.keys() - {"frames"}:
        if arrays[name].shape != (len(acts),):
            raise DatasetError(f"{path}: {name} has shape {arrays[name].shape}, not ({len(acts)},) as there are frames")
    starts = arrays.get("starts", np.zeros(len(acts), np.bool_)).copy()
    starts[0] = True
    return FrameStream(acts, starts, arrays.get("labels"), str(path))


def cut(stream: FrameStream, length: int, most: int | None = None) -> npt.NDArray[np.int8]:
    """Sequences (B, length, rows, cols, chans) of frames that lie within a stream each and do not overlap; at most so many, from
    all over.

    Raises
    ------
    DatasetError
        No stream is so long.
    """
    firsts = [first for one in stream.streams() for first in range(one.start, one.stop - length + 1, length)]
    if not firsts:
        raise DatasetError(f"{stream.origin}: no stream has {length} frames")
    if most is not None and len(firsts) > most:
        firsts = [firsts[index * len(firsts) // most] for index in range(most)]
    return np.stack([stream.acts[first : first + length] for first in firsts])
