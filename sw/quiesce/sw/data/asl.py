"""Hands that hold letters of the American Sign Language: video, as streams of frames."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.arrays import check_offsets, read_arrays
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.frames import LabelledFrames, interleave
from quiesce.sw.data.images import Split, grey_acts, read_folder

__all__ = ["INPUT_SCALE", "Asl", "AslClips", "load", "load_clips", "quantize_images"]

INPUT_SCALE = 1 / 127
"""Real value of one step of the activations of ``quantize_images``: black is 0.0 and white is 1.0."""

_FILE = "asl_video32.npz"
_CLIPS = "asl_clips64.npz"
_SIDE = 32
_CLIP_SIDE = 64
_TIMES: dict[str, int] = {"train": 0, "test": 1}
"""In ``split_time``; frames with another number guard the border between the two."""
_HELD_OUT = 10
"""The last 1 / 10 of each video's part of training follows behind all others."""
_PIECE = 32
"""Frames of a letter in the streams that networks are judged by."""


class Asl(LabelledFrames):
    """Grey frames (N, 32, 32) and their letters, 0..23: A to Y without J, which is a movement."""

    TITLE: ClassVar[str] = "ASL hands"
    SHAPE: ClassVar[tuple[int, ...]] = (_SIDE, _SIDE)
    N_CLASSES: ClassVar[int] = 24


class AslClips(LabelledFrames):
    """Grey frames (N, 64, 64), 64 of each clip, and their letters."""

    TITLE: ClassVar[str] = "ASL clips"
    SHAPE: ClassVar[tuple[int, ...]] = (_CLIP_SIDE, _CLIP_SIDE)
    N_CLASSES: ClassVar[int] = 24


def load(split: Split, folder: Path | None = None) -> Asl:
    """The earlier (37,408 frames) or the later part (9,713) of 48 videos, one for each of two signers and 24 letters.

    Of the earlier part the last tenth of each video comes behind all others: held-out frames, the last ones, are later than those
    of training, and have all letters. In these and in the later part the letter, or the signer, changes every 32 frames within a
    stream, see ``frames.interleave``.

    Parameters
    ----------
    split : "train" or "test"
        Which part.
    folder : Path or None
        Folder of ``asl_video32.npz``; by default ``$QUIESCE_DATA``.

    Raises
    ------
    DatasetError
        No folder given, or the file is missing, damaged or not what it should be.
    """
    path = read_folder(Asl.TITLE, split, folder, _FILE) / _FILE
    shape = (None, _SIDE, _SIDE)
    arrays = read_arrays(path, {
        "frames_delta": (np.uint8, shape), "seq_offset": (np.int64, (None,)), "seq_label": (np.uint8, (None,)),
        "split_time": (np.uint8, (None,)),
    })  # fmt: skip
    deltas, offsets, times = arrays["frames_delta"], arrays["seq_offset"], arrays["split_time"]
    check_offsets(path, "seq_offset", offsets, len(deltas))
    if len(times) != len(deltas) or len(arrays["seq_label"]) != len(offsets) - 1:
        raise DatasetError(f"{path}: split_time or seq_label is of another length than the frames or the sequences")
    frames = np.cumsum(deltas, axis=0, dtype=np.uint8)
    early: list[npt.NDArray[np.int64]] = []
    late: list[npt.NDArray[np.int64]] = []
    for first, end in zip(offsets, offsets[1:], strict=False):
        chosen = first + np.flatnonzero(times[first:end] == _TIMES[split])
        if len(chosen) and len(chosen) != chosen[-1] - chosen[0] + 1:
            raise DatasetError(f"{path}: the {split} part of the sequence at frame {first} is not contiguous")
        cut = len(chosen) - len(chosen) // _HELD_OUT if split == "train" else 0
        early.append(chosen[:cut])
        late.append(chosen[cut:])
    judged, judged_starts = interleave(late, _PIECE)
    indices = np.concatenate([*early, judged])
    if not len(indices):
        raise DatasetError(f"{path}: there are no {split} frames")
    starts = np.concatenate([*(np.arange(len(chosen)) == 0 for chosen in early), judged_starts])
    labels = np.repeat(arrays["seq_label"], np.diff(offsets))[indices]
    return Asl(frames[indices], labels, starts)


def load_clips(split: Split, folder: Path | None = None) -> AslClips:
    """Clips of 64 larger frames, 64 x 64, of the same videos: those of training or of the test.

    Raises
    ------
    DatasetError
        As ``load``; the file is ``asl_clips64.npz``.
    """
    path = read_folder(AslClips.TITLE, split, folder, _CLIPS) / _CLIPS
    arrays = read_arrays(path, {
        "clips_delta": (np.uint8, (None, None, _CLIP_SIDE, _CLIP_SIDE)), "label": (np.uint8, (None,)),
        "is_test": (np.uint8, (None,)),
    })  # fmt: skip
    deltas, is_test = arrays["clips_delta"], arrays["is_test"]
    if not len(deltas) == len(arrays["label"]) == len(is_test) or not deltas.shape[1]:
        raise DatasetError(f"{path}: label or is_test is of another length than the clips, or these have no frames")
    chosen = is_test == _TIMES[split]
    frames = np.cumsum(deltas[chosen], axis=1, dtype=np.uint8)
    n_frames = frames.shape[1]
    starts = np.tile(np.arange(n_frames) == 0, len(frames))
    return AslClips(frames.reshape(-1, *AslClips.SHAPE), np.repeat(arrays["label"][chosen], n_frames), starts)


def quantize_images(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Grey frames (N, 32, 32) as activations (N, 32, 32, 1), see ``images.grey_acts``."""
    return grey_acts(Asl.TITLE, images, Asl.SHAPE)
