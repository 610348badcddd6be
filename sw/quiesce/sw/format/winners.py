"""Winners-take-all on integer activations: which channels stay, bit for bit."""

import numpy as np
import numpy.typing as npt

__all__ = ["suppress_losers", "winning_channels"]


def winning_channels(acts: npt.NDArray[np.int8], n_winners: int) -> npt.NDArray[np.bool_]:
    """The channels that win in each image::

        feature[n, c] = max over rows and cols of acts[n, :, :, c]

    The ``n_winners`` channels with the largest features win; of equal ones the lower channel does. A linear layer has one
    position, so that its features are its outputs.

    Parameters
    ----------
    acts : ndarray of int8, shape (N, rows, cols, chans)
    n_winners : int
        1..chans.

    Returns
    -------
    ndarray of bool, shape (N, chans)
    """
    features = acts.max(axis=(1, 2)).astype(np.int64)
    order = np.argsort(-features, axis=1, kind="stable")
    wins = np.zeros(features.shape, np.bool_)
    np.put_along_axis(wins, order[:, :n_winners], True, axis=1)
    return wins


def suppress_losers(acts: npt.NDArray[np.int8], n_winners: int) -> npt.NDArray[np.int8]:
    """``acts`` with zeros in the channels that do not win; unchanged if ``n_winners`` is 0."""
    if not n_winners:
        return acts
    kept: npt.NDArray[np.int8] = acts * winning_channels(acts, n_winners)[:, None, None, :]
    return kept
