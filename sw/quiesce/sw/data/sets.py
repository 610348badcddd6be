"""The data sets that networks are trained for and tested on, with what training and reports need to know about each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quiesce.sw.data import asl, cifar10, fsdd, mnist, scenes
from quiesce.sw.data.images import LabelledImages, Split

__all__ = ["SETS", "DataSet", "crop_centre"]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set.

    Parameters
    ----------
    title : str
        Its name, as in the metadata of networks.
    folder : str
        Its folder in the one that holds all sets.
    shape : tuple of int
        Rows, columns, channels of an image.
    n_train : int
        Training images in the official files.
    metric : str
        What ``quality.quality`` measures of networks for it: "accuracy", or "mean IoU" where pixels have classes.
    input_scale : float
        Real value of one step of its activations.
    credit, encoding : str
        Authors and terms, and the conversion to activations, for model cards.
    load : callable
        (split, folder or None) to images.
    sample : callable or None
        The images shipped with the package, the first of the test set; None if none may be.
    quantize : callable
        Pixels to activations (N, rows, cols, chans).
    streams : bool
        Its images are frames of streams (``LabelledFrames``).
    """

    title: str
    folder: str
    shape: tuple[int, int, int]
    n_train: int
    metric: str = "accuracy"
    input_scale: float
    credit: str
    encoding: str
    load: Callable[[Split, Path | None], LabelledImages]
    sample: Callable[[], LabelledImages] | None
    quantize: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.int8]]
    streams: bool = False

    def acts(self, images: LabelledImages, shape: tuple[int, int, int]) -> npt.NDArray[np.int8]:
        """Images as the inputs (N, \\*shape) of a network: their centres, if it takes less than whole ones."""
        return crop_centre(self.quantize(images.images), shape)

    def fits(self, shape: tuple[int, int, int]) -> bool:
        """Whether a network that takes maps of this shape can see the images, or their centres."""
        return shape[2] == self.shape[2] and shape[0] <= self.shape[0] and shape[1] <= self.shape[1]


def crop_centre(acts: npt.NDArray[np.int8], shape: tuple[int, int, int]) -> npt.NDArray[np.int8]:
    """The centre of maps (N, rows, cols, chans), of ``shape``; the upper left one of four where sizes differ by an odd number."""
    top, left = (acts.shape[1] - shape[0]) // 2, (acts.shape[2] - shape[1]) // 2
    return acts[:, top : top + shape[0], left : left + shape[1]]


_GREY = "floor(pixel x 127 / 255 + 1/2), with scale 1/127"

SETS: Mapping[str, DataSet] = {
    "mnist": DataSet(
        title="MNIST", folder="mnist", shape=(28, 28, 1), n_train=60000, input_scale=mnist.INPUT_SCALE,
        credit="Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0",
        encoding=_GREY,
        load=mnist.load, sample=mnist.sample, quantize=mnist.quantize_images,
    ),
    "cifar10": DataSet(
        title="CIFAR-10", folder="cifar10", shape=(32, 32, 3), n_train=50000, input_scale=cifar10.INPUT_SCALE,
        credit="A. Krizhevsky, V. Nair, G. Hinton; for research",
        encoding="floor(48 (pixel / 255 - mean) / deviation + 1/2), with scale 1/48, mean (.485, .456, .406) and deviation "
        "(.229, .224, .225) of red, green and blue",
        load=cifar10.load, sample=cifar10.sample, quantize=cifar10.quantize_images,
    ),
    "scenes": DataSet(
        title="MNIST on CIFAR-10", folder=".", shape=(32, 32, 3), n_train=50000, metric="mean IoU",
        input_scale=cifar10.INPUT_SCALE, credit="digits of MNIST in random colours on pictures of CIFAR-10, made by this package",
        encoding="those of CIFAR-10", load=scenes.load, sample=scenes.sample, quantize=cifar10.quantize_images,
    ),
    "asl": DataSet(
        title="ASL hands", folder=".", shape=(32, 32, 1), n_train=37408, input_scale=asl.INPUT_SCALE,
        credit="T. Little, ASL-Gesture-Dataset; licence not stated", encoding=_GREY,
        load=asl.load, sample=None, quantize=asl.quantize_images, streams=True,
    ),
    "fsdd": DataSet(
        title="spoken digits", folder=".", shape=(32, 32, 1), n_train=69889, input_scale=fsdd.INPUT_SCALE,
        credit="Z. Jackson and others, Free Spoken Digit Dataset; CC BY-SA 4.0",
        encoding=f"the latest 32 log-mel frames of 32 bands, a new one in the row of the oldest, as {_GREY}",
        load=fsdd.load, sample=fsdd.sample, quantize=fsdd.quantize_images, streams=True,
    ),
}  # fmt: skip
