"""Light augmentation of image batches on the fly."""

from math import pi

import torch
from torch.nn.functional import affine_grid, grid_sample
from torch.nn.functional import pad as pad_zeros

__all__ = ["random_affine", "random_crop"]


def random_affine(
    images: torch.Tensor, *, rotate: float, shift: float, zoom: float, generator: torch.Generator, frames: int = 1
) -> torch.Tensor:
    """Rotate, shift and zoom each image by its own random amounts, drawn uniformly; outside the image is zero.

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W)
        Zero is background.
    rotate : float
        Largest angle, degrees.
    shift : float
        Largest shift along each axis, pixels.
    zoom : float
        Largest relative change of size, 0..1.
    generator : torch.Generator
        Source of the draws.
    frames : int
        So many images in a row share their amounts.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        Bilinearly resampled; within the range of ``images`` and zero.
    """
    n, _, height, width = images.shape
    draws = torch.rand(4, n // frames, generator=generator).repeat_interleave(frames, dim=1) * 2 - 1
    angle = draws[0] * (rotate * pi / 180)
    size = 1 + draws[1] * zoom
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    # affine_grid works in units of half the image, so that shears need the aspect ratio.
    right, down = draws[2] * (2 * shift / width), draws[3] * (2 * shift / height)
    theta = torch.stack([cos, -sin * height / width, right, sin * width / height, cos, down], dim=1).reshape(n, 2, 3)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def random_crop(
    images: torch.Tensor, *, shape: tuple[int, int], pad: int, flip: bool, generator: torch.Generator, frames: int = 1
) -> torch.Tensor:
    """Cut a part of each image at a random place and, half of the time, swap left and right.

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W)
        Zero is background.
    shape : tuple of int
        Rows and columns of the parts, up to H + 2 pad and W + 2 pad.
    pad : int
        Zeros put around each image before, in pixels.
    flip : bool
        Whether to swap.
    generator : torch.Generator
        Source of the draws.
    frames : int
        So many images in a row share their amounts.

    Returns
    -------
    Tensor, shape (N, C, \\*shape)
    """
    n, chans = len(images) // frames, images.shape[1]
    padded = pad_zeros(images, (pad, pad, pad, pad))
    top = torch.randint(padded.shape[2] - shape[0] + 1, (n,), generator=generator)
    left = torch.randint(padded.shape[3] - shape[1] + 1, (n,), generator=generator)
    rows = top[:, None] + torch.arange(shape[0])
    cols = left[:, None] + torch.arange(shape[1])
    if flip:
        swapped = torch.rand(n, generator=generator) < 0.5
        cols = torch.where(swapped[:, None], cols.flip(1), cols)
    rows, cols = rows.repeat_interleave(frames, dim=0), cols.repeat_interleave(frames, dim=0)
    index = torch.arange(len(images))[:, None, None, None], torch.arange(chans)[:, None, None]
    return padded[*index, rows[:, None, :, None], cols[:, None, None, :]]
