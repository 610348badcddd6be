"""The networks that ship with the project, as torch modules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from quiesce.sw.train.models.convnet5 import ConvNet5
from quiesce.sw.train.models.digits import LeNet4, LeNet5, Mlp3
from quiesce.sw.train.models.mobilenet import MobileNet
from quiesce.sw.train.models.resnet import ResNet, resnet18, resnet20
from quiesce.sw.train.models.segmenter import Segmenter
from quiesce.sw.train.models.strided import Strided, strided10, strided24
from quiesce.sw.train.models.vgg import Vgg6

__all__ = [
    "MODELS", "ConvNet5", "LeNet4", "LeNet5", "Mlp3", "MobileNet", "Model", "ResNet", "Segmenter", "Strided", "Vgg6", "build",
    "resnet18", "resnet20",
]  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A network architecture.

    Parameters
    ----------
    make : callable
        Returns the module, its weights drawn from the global random state.
    shape : tuple of int
        Rows, columns, channels of the images that it takes.
    title : str
        For model cards.
    maps : bool
        It yields classes of pixels, in a map as large as the image.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, int, int]
    title: str
    maps: bool = False


_STRIDED = "Convolutions with strides (3x3x16 and 3x3x32 by 2, 3x3x64, 3x3x64 by 2"

MODELS: Mapping[str, Model] = {
    "lenet4": Model(LeNet4, (28, 28, 1), "LeNet-4 (5x5x32, 5x5x64, 3136-1024, 1024-10; maximum pooling, ReLU)"),
    "lenet5": Model(LeNet5, (28, 28, 1), "LeNet-5 (two convolutions, maximum pooling, ReLU)"),
    "mlp3": Model(Mlp3, (28, 28, 1), "Fully connected 784-300-100-10, ReLU"),
    "convnet5": Model(ConvNet5, (24, 24, 3), "ConvNet-5 (5x5x64 twice, 2304-384, 384-192, 192-10; maximum pooling, ReLU)"),
    "mobilenet": Model(MobileNet, (32, 32, 3), "MobileNetV1 of width 0.25 (depthwise separable convolutions, ReLU)"),
    "vgg6": Model(Vgg6, (32, 32, 3), "VGG-style (3x3x32, 3x3x64, 3x3x128 twice, 2048-768, 768-10; maximum pooling, ReLU)"),
    "segmenter": Model(
        Segmenter,
        (32, 32, 3),
        "Fully convolutional network (3x3x16, 3x3x16 and 3x3x32 dilated by 2 and 4, 1x1x2; ReLU)",
        maps=True,
    ),
    "resnet20": Model(resnet20, (32, 32, 3), "ResNet-20 (16, 32, 64 channels, shortcuts without parameters, ReLU)"),
    "asl-cnn": Model(strided24, (32, 32, 1), f"{_STRIDED}, 1024-24; ReLU)"),
    "fsdd-cnn": Model(strided10, (32, 32, 1), f"{_STRIDED}, 1024-10; ReLU)"),
}


def build(name: str, seed: int) -> nn.Module:
    """A network with freshly drawn weights; the global random state is left as it was.

    Parameters
    ----------
    name : str
        A key of ``MODELS``.
    seed : int
        Of the weights.

    Raises
    ------
    KeyError
        No such network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[name].make()
