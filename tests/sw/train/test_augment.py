"""Augmentation: what it keeps, what it moves, and that it repeats."""

import torch

from quiesce.sw.data import mnist
from quiesce.sw.train.augment import random_affine, random_crop


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


def crops(images, seed=0, **settings):
    return random_crop(images, **{"shape": (3, 4), "pad": 0, "flip": False, **settings}, generator=generator(seed))


def test_crops_are_parts_of_the_image():
    images = torch.arange(2 * 2 * 5 * 6, dtype=torch.float32).reshape(2, 2, 5, 6) + 1
    seen = set()
    for seed in range(60):
        for image, part in zip(images, crops(images, seed), strict=True):
            places = [(i, j) for i in range(3) for j in range(3) if torch.equal(image[:, i : i + 3, j : j + 4], part)]
            assert len(places) == 1
            seen.update(places)
    assert len(seen) == 9
    assert torch.equal(crops(images, 5), crops(images, 5))


def test_crops_reach_into_the_padding_and_no_further():
    images = torch.ones(64, 1, 4, 4)
    parts = crops(images, shape=(4, 4), pad=2)
    assert parts.sum(dim=(1, 2, 3)).min() >= 4
    assert (parts[:, :, :2].sum(dim=(1, 2, 3)) == 0).any()
    assert (parts[:, :, :, 2:].sum(dim=(1, 2, 3)) == 0).any()


def test_half_of_the_images_are_swapped():
    images = torch.arange(12.0).reshape(1, 1, 3, 4).expand(200, 1, 3, 4)
    parts = crops(images, flip=True)
    swapped = torch.tensor([torch.equal(part, images[0].flip(2)) for part in parts])
    assert 70 < swapped.sum() < 130
    assert torch.equal(parts[~swapped], images[~swapped])
