"""Reader of .npz files that may come from anywhere: sizes, types and shapes are checked, and nothing is ever unpickled."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.errors import DatasetError

__all__ = ["check_offsets", "read_arrays"]

_MAX_BYTES = 1 << 30
"""Of all arrays of a file together."""


def read_arrays(
    path: Path, wanted: Mapping[str, tuple[type[np.generic], tuple[int | None, ...] | None]]
) -> dict[str, npt.NDArray[Any]]:
    """Arrays of an .npz file by name; others in it are left alone.

    Parameters
    ----------
    path : Path
        The file.
    wanted : mapping of str to tuple
        Type of the elements, or kind such as np.integer, and shape of each array; None for what may be any.

    Raises
    ------
    DatasetError
        The file is missing, damaged or far too large, or an array is missing or of another type or shape.
    """
    try:
        with zipfile.ZipFile(path) as container:
            n_bytes = sum(container.getinfo(f"{name}.npy").file_size for name in wanted)
        if n_bytes > _MAX_BYTES:
            raise DatasetError(f"{path}: {n_bytes} bytes of arrays, more than {_MAX_BYTES}")
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in wanted}
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except KeyError as error:
        raise DatasetError(f"{path}: {error.args[0]}") from None
    except DatasetError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        TypeError,
        MemoryError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    except Exception as error:  # zlib.error and whatever else a damaged member causes
        raise DatasetError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
    for name, (kind, shape) in wanted.items():
        array = arrays[name]
        wanted_shape = array.shape if shape is None else shape
        extents = zip(wanted_shape, array.shape, strict=False)
        fits = array.ndim == len(wanted_shape) and all(want in (None, size) for want, size in extents)
        if not (issubclass(array.dtype.type, kind) and fits):
            form = ", ".join("any" if size is None else str(size) for size in wanted_shape)
            raise DatasetError(f"{path}: {name} is {array.dtype} of shape {array.shape}, not {_type_name(kind)} of ({form})")
    return arrays


def _type_name(kind: type[np.generic]) -> str:
    return kind.__name__.rstrip("_")


def check_offsets(path: Path, name: str, offsets: npt.NDArray[np.int64], total: int) -> None:
    """Refuse offsets of parts unless they ascend from 0 to ``total``.

    Raises
    ------
    DatasetError
        They do not.
    """
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != total or (np.diff(offsets) <= 0).any():
        raise DatasetError(f"{path}: {name} does not ascend from 0 to {total}")
