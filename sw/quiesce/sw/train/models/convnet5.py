"""ConvNet-5 for 24 x 24 crops of colour images."""

import torch
from torch import nn

__all__ = ["ConvNet5"]


class ConvNet5(nn.Module):
    """Two convolutions and three linear layers with maximum pooling, batch normalisation and ReLU.

    conv 5x5 pad 2, 3 -> 64; pool 2; conv 5x5 pad 2, 64 -> 64; pool 2; fully connected 2304 -> 384 -> 192 -> 10.

    Source: Q. Yang et al., "DASNet: Dynamic Activation Sparsity for Neural Network Efficiency Improvement", 2019, for its sizes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 5, padding=2, bias=False)
        self.norm1 = nn.BatchNorm2d(64)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(64, 64, 5, padding=2, bias=False)
        self.norm2 = nn.BatchNorm2d(64)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(2304, 384)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(384, 192)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(192, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of images (N, 3, 24, 24)."""
        acts = self.pool1(self.relu1(self.norm1(self.conv1(images))))
        acts = self.pool2(self.relu2(self.norm2(self.conv2(acts))))
        acts = self.relu3(self.fc1(self.flatten(acts)))
        return self.fc3(self.relu4(self.fc2(acts)))  # type: ignore[no-any-return]
