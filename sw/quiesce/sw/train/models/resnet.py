"""Residual networks for 32 x 32 colour images."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

__all__ = ["ResNet", "projection", "resnet18", "resnet20", "selection"]

Shortcut = Callable[[int, int, int], nn.Module]
"""(cin, cout, stride) to the module beside the convolutions of a block."""


def selection(cin: int, cout: int, stride: int) -> nn.Module:
    """A shortcut without parameters: every ``stride``-th row and column, zero channels before and after (option A of the paper).

    It is written as a 1x1 convolution with fixed weights of 0 and 1, ``w[o, i] = 1 if o = i + (cout - cin) // 2``, so that it is
    quantised and computed as any other.
    """
    if (cin, stride) == (cout, 1):
        return nn.Identity()
    conv = nn.Conv2d(cin, cout, 1, stride, bias=False).requires_grad_(False)
    first = (cout - cin) // 2
    conv.weight.zero_()
    conv.weight[first : first + cin, :, 0, 0] = torch.eye(cin)
    return conv


def projection(cin: int, cout: int, stride: int) -> nn.Module:
    """A shortcut with trained weights where shapes differ: a 1x1 convolution and batch normalisation (option B of the paper)."""
    if (cin, stride) == (cout, 1):
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))


class _Block(nn.Module):
    """``relu(norm(conv(relu(norm(conv(x))))) + shortcut(x))`` with 3x3 convolutions."""

    def __init__(self, cin: int, cout: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.shortcut = shortcut(cin, cout, stride)
        self.relu2 = nn.ReLU()

    def forward(self, acts: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(acts)))))
        return self.relu2(out + self.shortcut(acts))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """A 3x3 convolution, stages of residual blocks, global average pooling, a linear layer.

    Modules are named as in common implementations, so that published weights load.

    Parameters
    ----------
    chans : sequence of int
        Channels of each stage; all but the first begin with stride 2.
    n_blocks : int
        Blocks per stage.
    shortcut : callable
        ``selection`` or ``projection``.

    Source: K. He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.2.
    """

    def __init__(self, chans: Sequence[int], n_blocks: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, chans[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(chans[0])
        self.relu = nn.ReLU()
        cin = chans[0]
        self.stages = []
        for index, cout in enumerate(chans):
            strides = (1 if index == 0 else 2, *(1,) * (n_blocks - 1))
            blocks = []
            for stride in strides:
                blocks.append(_Block(cin, cout, stride, shortcut))
                cin = cout
            self.stages.append(f"layer{index + 1}")
            self.add_module(self.stages[-1], nn.Sequential(*blocks))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(cin, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of images (N, 3, 32, 32)."""
        acts = self.relu(self.bn1(self.conv1(images)))
        for stage in self.stages:
            acts = self.get_submodule(stage)(acts)
        return self.linear(self.flatten(self.pool(acts)))  # type: ignore[no-any-return]


def resnet20() -> ResNet:
    """ResNet-20 of 16, 32 and 64 channels for CIFAR-10, shortcuts without parameters."""
    return ResNet((16, 32, 64), 3, selection)


def resnet18() -> ResNet:
    """ResNet-18 of 64 to 512 channels with a first convolution for 32 x 32 images, as is usual for CIFAR-10."""
    return ResNet((64, 128, 256, 512), 2, projection)
