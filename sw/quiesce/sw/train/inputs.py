"""What a network is trained on and judged by: images of a data set as its inputs, of single ones or of streams."""

import numpy as np
import numpy.typing as npt
import torch

from quiesce.sw.data.frames import LabelledFrames
from quiesce.sw.data.images import LabelledImages
from quiesce.sw.data.sets import DataSet
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.network import Network
from quiesce.sw.stream.sending import send

__all__ = ["judged", "real_inputs", "starts_of", "tensors"]


def real_inputs(source: DataSet, acts: npt.NDArray[np.int8]) -> torch.Tensor:
    """Real values (N, C, H, W) of activations (N, H, W, C), exactly what the integers stand for."""
    return torch.from_numpy(acts).permute(0, 3, 1, 2).float() * source.input_scale


def tensors(source: DataSet, images: LabelledImages, shape: MapShape) -> tuple[torch.Tensor, torch.Tensor]:
    """Real-valued centres (N, C, *shape[:2]) of images and labels (N,) int64."""
    return real_inputs(source, source.acts(images, shape)), torch.tensor(images.labels, dtype=torch.int64)


def starts_of(images: LabelledImages) -> npt.NDArray[np.bool_]:
    """First frames of streams; of images each is one."""
    return images.starts if isinstance(images, LabelledFrames) else np.ones(len(images), np.bool_)


def judged(source: DataSet, images: LabelledImages, network: Network) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint8]]:
    """Inputs of a network, and labels, that figures are measured on: of streams all that is sent but the first frames."""
    acts = source.acts(images, network.input.shape)
    if not isinstance(images, LabelledFrames):
        return acts, images.labels
    parts = [send(acts[stream][None], None, network.input.delta_threshold)[0] for stream in images.streams()]
    later = ~images.starts
    return np.concatenate(parts)[later], images.labels[later]
