"""Plots as files."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

__all__ = ["save_figure"]


def save_figure(path: Path, figure: Figure) -> None:
    """Write a plot; the same figures give the same file.

    Parameters
    ----------
    path : Path
        Image file; its suffix chooses the format, such as .svg, .png or .pdf.

    Raises
    ------
    OSError
        The file cannot be written.
    ValueError
        The suffix is not that of a format.
    """
    with matplotlib.rc_context({"svg.hashsalt": "quiesce"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
