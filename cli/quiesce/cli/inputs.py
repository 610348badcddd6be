"""Which network a command means, and what it runs on: arrays of the user's, or test images of the data set it was trained for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.cli.app import CliError
from quiesce.sw.data.frames import LabelledFrames
from quiesce.sw.data.images import LabelledImages
from quiesce.sw.data.sets import SETS, DataSet
from quiesce.sw.data.streams import FrameStream, read_stream
from quiesce.sw.format.network import MapSpec, Network

__all__ = [
    "Inputs", "choose_inputs", "choose_stream", "find_network", "held_out_stream", "load_array", "set_folder", "test_set",
    "test_stream",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Inputs:
    """Activations for a network, and the right answers if they are known.

    Parameters
    ----------
    acts : ndarray of int8, shape (N, rows, cols, chans)
    labels : ndarray of uint8, shape (N,), or None
    origin : str
        Where they are from, for reports.
    """

    acts: npt.NDArray[np.int8]
    labels: npt.NDArray[np.uint8] | None
    origin: str

    def first(self, count: int | None) -> "Inputs":
        """The first ``count`` of them, or as many as there are."""
        return Inputs(self.acts[:count], None if self.labels is None else self.labels[:count], self.origin)


def find_network(text: str) -> Network:
    """The shipped network of this name, or the one in the file at this path.

    Raises
    ------
    CliError
        Neither.
    FormatError
        The file is damaged.
    """
    from quiesce import models

    if network := models.find(text):
        return network
    raise CliError(f"{text}: neither a file nor a network that is shipped ({', '.join(models.names()) or 'there are none'})")


def set_folder(data: Path | None, name: str) -> Path | None:
    """Where in the folder given by ``--data`` a data set is: in the folder of its name, or right there."""
    return data / name if data is not None and (data / name).is_dir() else data


def _data_set(network: Network) -> DataSet:
    """The data set that the network's metadata name, or MNIST for one that takes digits."""
    named = network.metadata.get("data")
    for source in SETS.values():
        if source.title == named and source.fits(network.input.shape):
            return source
    if named is None and network.input.shape == SETS["mnist"].shape:
        return SETS["mnist"]
    shape = " x ".join(map(str, network.input.shape))
    known = " or ".join(source.title for source in SETS.values())
    raise CliError(f"network {network.name!r} takes maps of {shape} that are not known to be {known}: give --inputs FILE.npy")


def load_array(option: str, path: Path) -> npt.NDArray[Any]:
    """The array in an .npy file, never a pickled object.

    Raises
    ------
    CliError
        The file is damaged or holds something else; the message names the option.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise CliError(f"{option} {path}: not an .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise CliError(f"{option} {path}: not an .npy file of numbers")
    return array


def choose_inputs(network: Network, n_images: int | None, data: Path | None, path: Path | None) -> Inputs:
    """The inputs that ``--images``, ``--data`` and ``--inputs`` describe.

    Without ``path`` they are test images of the network's data set: those shipped with the package as long as they suffice, or
    the first of the official files in ``data`` (by default ``$QUIESCE_DATA``, see ``set_folder``).

    Raises
    ------
    CliError
        The network takes something else, or there are not that many images.
    DatasetError
        The official files are needed, and missing or damaged.
    """
    if path is not None:
        acts = as_activations(load_array("--inputs", path), network.input, path)
        inputs = Inputs(acts, None, str(path))
    else:
        source = _data_set(network)
        images = None if source.sample is None else source.sample()
        if images is None or data is not None or (n_images or 0) > len(images):
            images = source.load("test", set_folder(data, source.folder))
        inputs = Inputs(source.acts(images, network.input.shape), images.labels, f"{source.title} test images")
    count = len(inputs.acts)
    if n_images is not None and n_images > count:
        raise CliError(f"--images {n_images}: {inputs.origin}: there are only {count}")
    return inputs.first(n_images)


def test_set(network: Network, data: Path | None) -> Inputs:
    """All official test images of the network's data set, in ``data`` or by default ``$QUIESCE_DATA``.

    Raises
    ------
    CliError
        The network takes something else.
    DatasetError
        The files are missing or damaged.
    """
    source = _data_set(network)
    images = source.load("test", set_folder(data, source.folder))
    return Inputs(source.acts(images, network.input.shape), images.labels, f"{source.title} test images")


def choose_stream(network: Network, n_frames: int | None, data: Path | None, path: Path | None) -> FrameStream:
    """Frames for a network: those in a file, or the first test frames of its data set, shipped with the package as long as they
    suffice, or else those of the official files.

    Raises
    ------
    CliError
        The network's data set is not known, or has no streams; or there are not that many frames.
    DatasetError
        The file, or the official files, are missing or damaged.
    """
    if path is not None:
        stream = read_stream(path, network.input, n_frames)
    else:
        source = _streaming_set(network)
        frames = None if source.sample is None else source.sample()
        if frames is None or data is not None or (n_frames or 0) > len(frames):
            frames = source.load("test", set_folder(data, source.folder))
        stream = _as_stream(source, frames, network, "test").first(n_frames)
    if n_frames is not None and n_frames > len(stream):
        raise CliError(f"--images {n_frames}: {stream.origin}: there are only {len(stream)}")
    return stream


def held_out_stream(network: Network, data: Path | None) -> FrameStream:
    """The last tenth of the training frames of the network's data set, on which choices may rest; errors as ``choose_stream``."""
    source = _streaming_set(network)
    frames = source.load("train", set_folder(data, source.folder))
    return _as_stream(source, frames[len(frames) - len(frames) // 10 :], network, "held-out training")


def test_stream(network: Network, data: Path | None) -> FrameStream:
    """All official test frames of the network's data set; errors as ``choose_stream``."""
    source = _streaming_set(network)
    return _as_stream(source, source.load("test", set_folder(data, source.folder)), network, "test")


def _streaming_set(network: Network) -> DataSet:
    source = _data_set(network)
    if not source.streams:
        raise CliError(f"network {network.name!r}: {source.title} has no streams: give --stream FILE")
    return source


def _as_stream(source: DataSet, frames: LabelledImages, network: Network, which: str) -> FrameStream:
    assert isinstance(frames, LabelledFrames)
    acts = source.acts(frames, network.input.shape)
    return FrameStream(acts, frames.starts, frames.labels, f"{source.title} {which} frames")


def as_activations(array: npt.NDArray[Any], spec: MapSpec, path: Path) -> npt.NDArray[np.int8]:
    """Integers as they are, real values as the nearest step (halves upwards), saturated to the range of the input.

    Raises
    ------
    CliError
        Wrong shape, no images, a value that is not finite, or an integer out of range.
    """
    if array.ndim != 4 or array.shape[1:] != spec.shape or not len(array):
        wanted = ", ".join(map(str, spec.shape))
        raise CliError(f"--inputs {path}: shape {array.shape} is not (N, {wanted}) with N >= 1, rows x columns x channels")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise CliError(f"--inputs {path}: a value is not finite")
        with np.errstate(over="ignore"):  # what is beyond any float is saturated as well
            # In the type of the array, such as float16, neither the scale nor the quotient need have enough bits.
            steps: npt.NDArray[Any] = np.divide(array, spec.scale, dtype=np.result_type(array, np.float64))
        return np.clip(np.floor(steps + 0.5), spec.low, spec.high).astype(np.int8)
    if array.min() < spec.low or array.max() > spec.high:
        raise CliError(f"--inputs {path}: integers {array.min()}..{array.max()} are not in {spec.low}..{spec.high}")
    return array.astype(np.int8)
