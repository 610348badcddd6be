"""A fully convolutional network that gives each pixel of a colour image a class."""

import torch
from torch import nn

__all__ = ["Segmenter"]


class Segmenter(nn.Module):
    """Convolutions with batch normalisation and ReLU over the whole image; dilation widens what a pixel sees to 15 x 15.

    conv 3x3, 3 -> 16; conv 3x3 dilated by 2, 16 -> 16; conv 3x3 dilated by 4, 16 -> 32; conv 1x1, 32 -> 2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1, self.relu1 = _unit(3, 16, 1)
        self.conv2, self.norm2, self.relu2 = _unit(16, 16, 2)
        self.conv3, self.norm3, self.relu3 = _unit(16, 32, 4)
        self.classes = nn.Conv2d(32, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 2, 32, 32) of images (N, 3, 32, 32)."""
        acts = self.relu1(self.norm1(self.conv1(images)))
        acts = self.relu2(self.norm2(self.conv2(acts)))
        acts = self.relu3(self.norm3(self.conv3(acts)))
        return self.classes(acts)  # type: ignore[no-any-return]


def _unit(cin: int, cout: int, dilation: int) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.ReLU]:
    conv = nn.Conv2d(cin, cout, 3, padding=dilation, dilation=dilation, bias=False)
    return conv, nn.BatchNorm2d(cout), nn.ReLU()
