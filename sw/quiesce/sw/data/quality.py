"""How right a network is: accuracy where images have classes, mean IoU where pixels have."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["classes_of", "mean_iou", "quality"]

Integers = npt.NDArray[np.integer[Any]]


def classes_of(outputs: npt.NDArray[np.generic], labels: Integers) -> Integers:
    """The most likely class of each image or pixel.

    Parameters
    ----------
    outputs : ndarray, shape (N, rows, cols, chans)
        Of a network; where images have classes, all of an image's outputs belong to it.
    labels : ndarray of int, shape (N,) or (N, rows, cols)

    Returns
    -------
    ndarray of int, shape of ``labels``
    """
    flat = outputs if labels.ndim > 1 else outputs.reshape(len(outputs), -1)
    found: Integers = flat.argmax(axis=-1)
    return found


def mean_iou(found: Integers, labels: Integers) -> float:
    """Mean over the classes that occur of intersection over union::

        IoU_c = |found = c and labels = c| / |found = c or labels = c|      all images together

    Parameters
    ----------
    found, labels : ndarray of int, of one shape
        Classes from 0 on.

    Returns
    -------
    float
        0..1.
    """
    n_classes = int(max(found.max(), labels.max())) + 1
    pairs = np.bincount(labels.reshape(-1).astype(np.int64) * n_classes + found.reshape(-1), minlength=n_classes**2)
    counts = pairs.reshape(n_classes, n_classes)
    both, either = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
    return float(np.mean(both[either > 0] / either[either > 0]))


def quality(found: Integers, labels: Integers) -> float:
    """Share of right classes of images (N,), mean IoU of those of pixels (N, rows, cols); 0..1."""
    return mean_iou(found, labels) if labels.ndim > 1 else float(np.mean(found == labels))
