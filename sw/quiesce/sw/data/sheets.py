"""Reader of sheets: many small images side by side in one lossless WebP file."""

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.errors import DatasetError

__all__ = ["read_sheets"]

_MAX_PIXELS = 1 << 25


def read_sheets(folder: Path, split: str, side: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """All images of the sheets ``{split}_*.webp`` in the order of their names, row by row, and their labels.

    Parameters
    ----------
    folder : Path
        Holds the sheets and ``labels.npz`` with an array ``y_{split}``.
    split : str
        Which sheets.
    side : int
        Rows and columns of one image.

    Returns
    -------
    images : ndarray of uint8, shape (N, side, side, 3)
    labels : ndarray of uint8, shape (N,)

    Raises
    ------
    DatasetError
        A file is missing, damaged or of a wrong size, or Pillow, which decodes the sheets, is not installed.
    """
    paths = sorted(folder.glob(f"{split}_*.webp"))
    if not paths:
        raise DatasetError(f"{folder}: there is no {split}_*.webp")
    images = np.concatenate([_read_sheet(path, side) for path in paths])
    return images, _read_labels(folder / "labels.npz", f"y_{split}")


def _read_sheet(path: Path, side: int) -> npt.NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        raise DatasetError(f"{path}: WebP sheets need Pillow (install quiesce[train], or use the binary version)") from None
    try:
        with Image.open(path, formats=["WEBP"]) as image:
            # The size is known before anything is decoded.
            width, height = image.size
            if width % side or height % side or width * height > _MAX_PIXELS:
                raise DatasetError(f"{path}: {width} x {height} pixels are no sheet of {side} x {side} images")
            pixels = np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    tiles = pixels.reshape(height // side, side, width // side, side, 3).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(-1, side, side, 3)


def _read_labels(path: Path, key: str) -> npt.NDArray[np.uint8]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            labels: npt.NDArray[np.uint8] = arrays[key]
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    except KeyError:
        raise DatasetError(f"{path}: holds no {key}") from None
    return labels
