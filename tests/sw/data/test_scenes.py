"""Digits on pictures: what is composed, and how dense prediction is judged."""

import numpy as np
import pytest

from quiesce.sw.data import cifar10, mnist, scenes
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.quality import classes_of, mean_iou, quality
from quiesce.sw.data.sets import SETS


def test_pixels_of_the_background_are_the_picture():
    made, pictures = scenes.sample(), cifar10.sample()
    assert made.images.shape == (64, 32, 32, 3)
    assert made.labels.shape == (64, 32, 32)
    changed = (made.images != pictures.images).any(axis=-1)
    assert changed[made.labels == 1].mean() > 0.95
    assert changed.mean() < 0.4
    assert 0.02 < made.labels.mean() < 0.2


def test_a_white_digit_takes_the_colour_and_a_black_one_nothing():
    pictures = cifar10.Cifar10(np.full((2, 32, 32, 3), 60, np.uint8), np.zeros(2, np.uint8))
    digits = mnist.Mnist(np.stack([np.full((28, 28), 255, np.uint8), np.zeros((28, 28), np.uint8)]), np.zeros(2, np.uint8))
    made = scenes.compose(pictures, digits)
    assert made.labels[0].sum() == 28 * 28
    assert len(np.unique(made.images[0][made.labels[0] == 1], axis=0)) == 1
    assert np.all(made.images[1] == 60)
    assert not made.labels[1].any()


def test_the_set_is_always_the_same():
    assert np.array_equal(scenes.sample().images, scenes.sample().images)


def test_missing_parts(tmp_path):
    with pytest.raises(DatasetError, match="cifar10: no such folder"):
        SETS["scenes"].load("test", tmp_path)


def test_mean_iou():
    labels = np.array([[[0, 0, 1, 1]]])
    assert mean_iou(labels, labels) == 1.0
    # class 0: 1 of 2; class 1: 2 of 3
    assert mean_iou(np.array([[[0, 1, 1, 1]]]), labels) == pytest.approx((1 / 2 + 2 / 3) / 2)
    # class 2 is found and never right; class 3 does not occur
    assert mean_iou(np.array([[[0, 0, 1, 2]]]), labels) == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_classes_of_images_and_of_pixels():
    outputs = np.zeros((2, 1, 2, 3))
    outputs[0, 0, 1, 2], outputs[1, 0, 0, 1] = 5, 5
    assert classes_of(outputs, np.array([5, 1])).tolist() == [5, 1]
    assert quality(classes_of(outputs, np.array([5, 0])), np.array([5, 0])) == 0.5
    pixels = np.array([[[0, 2]], [[1, 0]]])
    assert np.array_equal(classes_of(outputs, pixels), pixels)
    assert quality(pixels, pixels) == 1.0
