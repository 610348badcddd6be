"""Packed weights say, with their masks, all that the slots say."""

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.sw.compiler.tile.packing import pack

CONFIG = preset("tiny", n_pes=2, n_lanes=2, mask_width=16, data_width=128)


def random_slots(density, seed=0, shape=(2, 1, 3, 5, 4)):
    rng = np.random.default_rng(seed)
    slots = rng.integers(-127, 128, shape).astype(np.int8)
    slots[rng.random(shape) >= density] = 0
    return slots


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_masks_and_values_are_the_slots(density):
    slots = random_slots(density)
    packed = pack(CONFIG, slots, slots, largest_weight=127)
    words = slots.reshape(-1, 2, 2)  # (slot and position, PE, lane)
    assert packed.masks.shape == (2, -(-len(words) // 16), 16) and packed.bits == 8
    for pe in range(2):
        unpacked = np.zeros_like(words[:, pe])
        mask = packed.masks[pe].ravel()
        assert not mask[len(words) :].any() and packed.values[pe].any(axis=1).all()
        unpacked[mask[: len(words)]] = packed.values[pe]
        np.testing.assert_array_equal(unpacked, words[:, pe])
    assert packed.n_macs == np.count_nonzero(slots)
    np.testing.assert_array_equal(packed.work, (words != 0).any(axis=2).reshape(-1, 5, 2).sum(axis=1))


@pytest.mark.parametrize(("largest", "bits"), [(1, 2), (2, 4), (7, 4), (8, 8), (127, 8)])
def test_the_fewest_bits_that_hold_all(largest, bits):
    slots = np.clip(random_slots(0.5), -largest, largest)
    packed = pack(CONFIG, slots, slots, largest_weight=largest)
    assert packed.bits == bits
    assert packed.rows(CONFIG) == max(-(-len(values) * 2 * bits // 128) for values in packed.values)


def test_repetitions_are_stored_once_and_counted_each_time():
    stored = random_slots(0.5, shape=(1, 1, 1, 5, 4))
    slots = np.broadcast_to(stored, (1, 3, 2, 5, 4))
    packed = pack(CONFIG, slots, stored, largest_weight=127)
    assert packed.mask_words == 1 and len(packed.work) == 6
    assert packed.n_macs == 6 * np.count_nonzero(stored)


def test_without_zero_skipping_all_words_are_stored():
    config = preset("plain", n_pes=2, n_lanes=2, data_width=128, post_units=2)
    slots = random_slots(0.2)
    packed = pack(config, slots, slots, largest_weight=127)
    assert packed.mask_words == 0
    np.testing.assert_array_equal(packed.values[1], slots.reshape(-1, 2, 2)[:, 1])
