"""Logs of a training run: one CSV file, and event files for TensorBoard."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

__all__ = ["TrainLog"]


class TrainLog:
    """Writes figures of each epoch to ``train.csv`` and to event files in one folder; a context manager.

    Parameters
    ----------
    folder : Path or None
        Made if it is not there; None writes nothing.
    done : int
        Epochs of all phases that a resumed run goes on from: what the folder holds of later ones is dropped. 0 starts afresh.

    Raises
    ------
    OSError
        The folder cannot be written.
    """

    def __init__(self, folder: Path | None, done: int = 0) -> None:
        self.rows: list[dict[str, str]] = []
        self._writer: SummaryWriter | None = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "train.csv"
        if done and self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= done]
        self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def __enter__(self) -> "TrainLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, phase: str, epoch: int, figures: Mapping[str, float]) -> None:
        """Add what an epoch, counted over all phases, has brought; a column is made for each name that is new."""
        if self._writer is None:
            return
        figures = {name: value for name, value in figures.items() if name != "epoch"}
        self.rows.append({"phase": phase, "epoch": str(epoch)} | {name: f"{value:.6g}" for name, value in figures.items()})
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with self.path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, columns, lineterminator="\n")
            table.writeheader()
            table.writerows(self.rows)
        for name, value in figures.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()
