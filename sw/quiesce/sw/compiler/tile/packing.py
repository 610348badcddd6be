"""Weights of slots as mask words and packed nonzero words."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.checks import largest

__all__ = ["PackedWeights", "pack"]


@dataclass(frozen=True, kw_only=True)
class PackedWeights:
    """Contents of the weight memories for one tile.

    Members
    -------
    masks : (n_pes, words, mask_width) bool; no words without zero-skipping
    values : per PE the packed weight words, int8 (n, n_lanes)
    bits : of a weight in memory: the fewest that the core supports and that hold all values
    work : (contexts x phases x channels, n_pes) operations that each kind of event causes; memory may hold fewer slots
    n_macs : multiplications with nonzero weights of one event of each kind
    """

    masks: npt.NDArray[np.bool_]
    values: tuple[npt.NDArray[np.int8], ...]
    bits: int
    work: npt.NDArray[np.int64]
    n_macs: int

    @property
    def mask_words(self) -> int:
        return int(self.masks.shape[1])

    def rows(self, config: CoreConfig) -> int:
        """Weight memory rows of the fullest PE."""
        return max(ceil_div(len(v), config.words_per_row(self.bits)) for v in self.values)


def _words(config: CoreConfig, slots: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """(n_pes, slots x positions, n_lanes) of an array (..., positions, lanes)."""
    return slots.reshape(-1, config.n_pes, config.n_lanes).transpose(1, 0, 2)


def _met_in_lockstep(config: CoreConfig, slots: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """(n_pes, slots x positions): weights that an event meets whether they are zero or not: those of positions with a kernel
    entry, for channels that exist.
    """
    taps = np.any(slots != 0, axis=(-3, -1), keepdims=True)
    owned = np.any(slots.reshape(*slots.shape[:-1], config.n_pes, config.n_lanes) != 0, axis=(-3, -1))
    met: npt.NDArray[np.bool_] = (taps & owned[..., None, :]).reshape(-1, config.n_pes).T
    return met


def pack(config: CoreConfig, slots: npt.NDArray[np.int8], stored: npt.NDArray[np.int8], *, largest_weight: int) -> PackedWeights:
    """Pack the slots to be ``stored``: the words that are not zero, or all of them without zero-skipping.

    Parameters
    ----------
    slots : ndarray
        (..., positions, lanes): the weights that each kind of event meets.
    stored : ndarray
        (..., positions, lanes): the same without repetitions that share a place in memory.
    largest_weight : int
        Magnitude of the largest weight.
    """
    words = _words(config, stored)
    kept: npt.NDArray[np.bool_] = np.any(words != 0, axis=2)
    met = np.any(_words(config, slots) != 0, axis=2)
    n_words = ceil_div(kept.shape[1], config.mask_width)
    if not config.zero_skipping:
        kept, met, n_words = np.ones_like(kept), _met_in_lockstep(config, slots), 0
    masks = np.zeros((config.n_pes, n_words * config.mask_width), np.bool_)
    if n_words:
        masks[:, : kept.shape[1]] = kept
    return PackedWeights(
        masks=masks.reshape(config.n_pes, n_words, config.mask_width),
        values=tuple(words[n][kept[n]] for n in range(config.n_pes)),
        bits=next(bits for bits in config.weight_widths if largest_weight <= largest(bits)),
        work=met.reshape(config.n_pes, -1, slots.shape[-2]).sum(axis=2).T.astype(np.int64),
        n_macs=int(np.count_nonzero(slots)),
    )
