"""A VGG-style network for 32 x 32 colour images, one layer of which has far more weights than a core can hold."""

import torch
from torch import nn

__all__ = ["Vgg6"]


class Vgg6(nn.Module):
    """3x3 convolutions with batch normalisation and ReLU between maximum poolings, then linear layers.

    conv 3 -> 32; pool 2; conv 32 -> 64; pool 2; conv 64 -> 128 -> 128; pool 2; fully connected 2048 -> 768 -> 10.

    The first linear layer has 1.5 Mi weights, twelve times the weight memory of the core ``base``.

    Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014, for the style.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_conv(3, 32), nn.MaxPool2d(2), *_conv(32, 64), nn.MaxPool2d(2), *_conv(64, 128), *_conv(128, 128), nn.MaxPool2d(2)
        )
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(2048, 768)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(768, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of images (N, 3, 32, 32)."""
        return self.fc2(self.relu(self.fc1(self.flatten(self.features(images)))))  # type: ignore[no-any-return]


def _conv(cin: int, cout: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU()
