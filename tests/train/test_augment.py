"""Augmentation: what it keeps, what it moves, and that it repeats."""

import torch

from quiesce.sw.data import mnist
from quiesce.sw.train.augment import random_affine


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def digits():
    return torch.from_numpy(mnist.quantize_images(mnist.sample().images[:16])).permute(0, 3, 1, 2).float() / 127


def test_nothing_moves_without_amounts():
    images = digits()
    torch.testing.assert_close(random_affine(images, rotate=0, shift=0, zoom=0, generator=generator()), images, atol=1e-5, rtol=0)


def test_same_seed_same_images():
    images = digits()
    settings = {"rotate": 10, "shift": 2, "zoom": 0.1}
    first = random_affine(images, **settings, generator=generator(3))
    assert torch.equal(first, random_affine(images, **settings, generator=generator(3)))
    assert not torch.equal(first, random_affine(images, **settings, generator=generator(4)))
    assert first.min() >= 0
    assert first.max() <= 1


def centre(images):
    rows, cols = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    mass = images.sum(dim=(1, 2, 3))
    return torch.stack([(images[:, 0] * rows).sum(dim=(1, 2)) / mass, (images[:, 0] * cols).sum(dim=(1, 2)) / mass], dim=1)


def test_shifts_stay_within_their_limit():
    images = torch.zeros(64, 1, 28, 28)
    images[:, :, 12:16, 12:16] = 1
    moved = centre(random_affine(images, rotate=0, shift=3, zoom=0, generator=generator())) - centre(images)
    assert moved.abs().max() <= 3.001
    assert moved.abs().max() > 2
    assert (moved[:, 0] - moved[:, 1]).abs().max() > 1


def test_rotation_keeps_the_shape_of_wide_images():
    """A disc stays a disc when the image is wider than high: the angle is measured in pixels."""
    rows, cols = torch.meshgrid(torch.arange(21.0), torch.arange(41.0), indexing="ij")
    disc = ((rows - 10) ** 2 + (cols - 20) ** 2 < 49).float().expand(8, 1, 21, 41)
    turned = random_affine(disc, rotate=90, shift=0, zoom=0, generator=generator())
    assert (turned - disc).abs().mean() < 0.02
