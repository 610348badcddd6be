"""Small videos made for tests: a bright square that moves over a dark ground, and files that hold such."""

import numpy as np


def moving_square(n_frames, side=32, size=8, speed=1, top=4, left=0):
    """Grey frames (N, side, side) of a square that goes right, and comes in again at the left."""
    frames = np.full((n_frames, side, side), 20, np.uint8)
    for index in range(n_frames):
        cols = (left + speed * index + np.arange(size)) % side
        frames[index, top : top + size, cols] = 220
    return frames


def asl_arrays(n_train=20, n_guard=2, n_test=6, letters=(0, 1, 23)):
    """What ``asl_video32.npz`` holds, of a square for each letter."""
    length = n_train + n_guard + n_test
    frames = np.concatenate([moving_square(length, top=2 + index) for index in range(len(letters))])
    times = np.concatenate([np.repeat(np.array([0, 255, 1], np.uint8), (n_train, n_guard, n_test))] * len(letters))
    return {
        "frames_delta": np.diff(frames, axis=0, prepend=np.zeros_like(frames[:1])),
        "seq_offset": np.arange(len(letters) + 1, dtype=np.int64) * length,
        "seq_label": np.array(letters, np.uint8),
        "split_time": times,
    }
