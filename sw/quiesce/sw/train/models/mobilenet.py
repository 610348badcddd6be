"""MobileNetV1 for 32 x 32 colour images."""

import torch
from torch import nn

__all__ = ["MobileNet"]

_BLOCKS = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
"""Output channels and stride of the separable convolutions: a quarter of the channels of the full width."""


class MobileNet(nn.Module):
    """Depthwise separable convolutions, each followed by batch normalisation and ReLU, in a quarter of the original width.

    conv 3x3, 3 -> 8; thirteen times a 3x3 convolution of each channel and a 1x1 convolution, up to 256 channels of 2 x 2; global
    average pooling; fully connected 256 -> 10. The first convolution has stride 1 instead of 2, the images being small.

    Source: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017, table 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _unit(3, 8, 3)
        chans = 8
        blocks = []
        for cout, stride in _BLOCKS:
            blocks.append(nn.Sequential(_unit(chans, chans, 3, stride, groups=chans), _unit(chans, cout, 1)))
            chans = cout
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(chans, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of images (N, 3, 32, 32)."""
        return self.fc(self.flatten(self.pool(self.blocks(self.stem(images)))))  # type: ignore[no-any-return]


def _unit(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())
