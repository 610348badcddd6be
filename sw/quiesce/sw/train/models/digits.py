"""Networks for 28 x 28 grey digits."""

import torch
from torch import nn

__all__ = ["LeNet4", "LeNet5", "Mlp3"]


class LeNet4(nn.Module):
    """Two wide convolutions and two linear layers with maximum pooling, batch normalisation and ReLU.

    conv 5x5 pad 2, 1 -> 32; pool 2; conv 5x5 pad 2, 32 -> 64; pool 2; fully connected 3136 -> 1024 -> 10.

    Source: Q. Yang et al., "DASNet: Dynamic Activation Sparsity for Neural Network Efficiency Improvement", 2019, for its sizes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2, bias=False)
        self.norm1 = nn.BatchNorm2d(32)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2, bias=False)
        self.norm2 = nn.BatchNorm2d(64)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(3136, 1024)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(1024, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of images (N, 1, 28, 28) with values 0..1."""
        acts = self.pool1(self.relu1(self.norm1(self.conv1(images))))
        acts = self.pool2(self.relu2(self.norm2(self.conv2(acts))))
        return self.fc2(self.relu3(self.fc1(self.flatten(acts))))  # type: ignore[no-any-return]


class LeNet5(nn.Module):
    """LeNet-5 with maximum pooling and ReLU for 28 x 28 grey images.

    conv 5x5 pad 2, 1 -> 6; pool 2; conv 5x5, 6 -> 16; pool 2; fully connected 400 -> 120 -> 84 -> 10.

    Parameters
    ----------
    batch_norm : bool
        Normalise after each convolution; folded into its weights when the network is quantised.
    """

    def __init__(self, batch_norm: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2, bias=not batch_norm)
        self.norm1 = nn.BatchNorm2d(6) if batch_norm else nn.Identity()
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5, bias=not batch_norm)
        self.norm2 = nn.BatchNorm2d(16) if batch_norm else nn.Identity()
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(400, 120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of images (N, 1, 28, 28) with values 0..1."""
        acts = self.pool1(self.relu1(self.norm1(self.conv1(images))))
        acts = self.pool2(self.relu2(self.norm2(self.conv2(acts))))
        acts = self.relu3(self.fc1(self.flatten(acts)))
        return self.fc3(self.relu4(self.fc2(acts)))  # type: ignore[no-any-return]


class Mlp3(nn.Module):
    """Fully connected 784 -> 300 -> 100 -> 10 with ReLU for 28 x 28 grey images."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(784, 300)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(300, 100)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(100, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of images (N, 1, 28, 28) with values 0..1."""
        acts = self.relu1(self.fc1(self.flatten(images)))
        return self.fc3(self.relu2(self.fc2(acts)))  # type: ignore[no-any-return]
