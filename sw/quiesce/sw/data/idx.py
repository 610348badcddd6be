"""Reader of IDX files, the format of the original MNIST distribution, plain or gzip-compressed."""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.errors import DatasetError

__all__ = ["read_idx"]

_UINT8 = 0x08
_MAX_BYTES = 1 << 30


def read_idx(path: Path, ndim: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes: two zero bytes, type 8, ``ndim``, big-endian extents, then the elements.

    Parameters
    ----------
    path : Path
        The file; decompressed if its name ends in ``.gz``.
    ndim : int
        Axes that the file must have.

    Returns
    -------
    ndarray of uint8
        Read-only, of the extents in the header.

    Raises
    ------
    DatasetError
        The file is missing, unreadable, truncated, longer than its header says, or of another type or rank.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except (EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: the compressed data is truncated or damaged ({error})") from None
    except OSError as error:  # gzip.BadGzipFile included
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    if len(content) > _MAX_BYTES:
        raise DatasetError(f"{path}: more than {_MAX_BYTES} bytes")
    if content[:3] != bytes((0, 0, _UINT8)) or len(content) < 4:
        raise DatasetError(f"{path}: bad magic {content[:4].hex()}, this is no IDX file of unsigned bytes")
    if content[3] != ndim:
        raise DatasetError(f"{path}: {content[3]} axes instead of {ndim}")
    start = 4 + 4 * ndim
    if len(content) < start:
        raise DatasetError(f"{path}: the header is truncated")
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(ndim))
    if len(content) - start != prod(shape):
        raise DatasetError(f"{path}: {len(content) - start} bytes of elements, the header's {shape} need {prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
