"""Convolutional networks for streams of frames, linear in between their ReLUs and small enough to keep state on a core."""

import torch
from torch import nn

__all__ = ["Strided", "strided10", "strided24"]


class Strided(nn.Module):
    """Four convolutions with batch normalisation and ReLU, strides instead of pooling, and a linear layer.

    conv 3x3 stride 2, 1 -> 16; conv 3x3 stride 2, 16 -> 32; conv 3x3, 32 -> 64; conv 3x3 stride 2, 64 -> 64; fully connected
    1024 -> classes. The convolutions have 11,264 outputs in all.

    Parameters
    ----------
    n_classes : int
        Outputs.
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.conv1, self.norm1, self.relu1 = _unit(1, 16, 2)
        self.conv2, self.norm2, self.relu2 = _unit(16, 32, 2)
        self.conv3, self.norm3, self.relu3 = _unit(32, 64, 1)
        self.conv4, self.norm4, self.relu4 = _unit(64, 64, 2)
        self.flatten = nn.Flatten()
        self.classes = nn.Linear(1024, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of images (N, 1, 32, 32)."""
        acts = self.relu1(self.norm1(self.conv1(images)))
        acts = self.relu2(self.norm2(self.conv2(acts)))
        acts = self.relu3(self.norm3(self.conv3(acts)))
        acts = self.relu4(self.norm4(self.conv4(acts)))
        return self.classes(self.flatten(acts))  # type: ignore[no-any-return]


def _unit(cin: int, cout: int, stride: int) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.ReLU]:
    conv = nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False)
    return conv, nn.BatchNorm2d(cout), nn.ReLU()


def strided10() -> Strided:
    """For ten classes."""
    return Strided(10)


def strided24() -> Strided:
    """For 24 classes."""
    return Strided(24)
