"""Run files: what one trained network reaches, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from quiesce.sw.files import FileError, read_json

if TYPE_CHECKING:
    from quiesce.sw.sparsity.statistics import Statistics

__all__ = ["CoreFigures", "CoreLayer", "RunFile", "WinnersLayer", "load_runs"]


@dataclass(frozen=True, kw_only=True)
class CoreLayer:
    """One layer on the core, per image.

    Parameters
    ----------
    name : str
    cycles, ranking : float
        All, and those in which winners are chosen.
    """

    name: str
    cycles: float
    ranking: float


@dataclass(frozen=True, kw_only=True)
class CoreFigures:
    """A network on the Verilog of a core, per image.

    Parameters
    ----------
    config : mapping of str to int
        How the core differs from "base".
    images, energy_images : int
        Over which cycles and energy were measured, the first ones of the test set.
    cycles : float
    energy_pj : float or None
        None if it was not measured.
    effectual_macs, software_macs : float
        Counted by the core, and operand by operand in software on the same images.
    bit_exact : bool
        Outputs and counts equal the integer reference's.
    layers : tuple of CoreLayer
    """

    config: Mapping[str, int]
    images: int
    energy_images: int
    cycles: float
    energy_pj: float | None
    effectual_macs: float
    software_macs: float
    bit_exact: bool
    layers: tuple[CoreLayer, ...]

    def compares_with(self, other: "CoreFigures") -> bool:
        """Whether both are of the same core and the same images."""
        return (self.config, self.images, self.energy_images) == (other.config, other.images, other.energy_images)


@dataclass(frozen=True, kw_only=True)
class WinnersLayer:
    """A layer of which only some channels survive for each image.

    Parameters
    ----------
    name, kind : str
    kept, channels : int
    """

    name: str
    kind: str
    kept: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class RunFile:
    """One training run and what came of it.

    Parameters
    ----------
    schema : 1
        Version of the form.
    network : str
        Name of the network; runs that differ in nothing but the seed share it.
    command : str
        Trains it again.
    seed, epochs : int
        Epochs include those whose weights were given up.
    seconds : float or None
        Of all epochs together; None if it was not recorded.
    validation_accuracy : float or None
        Of the int8 network on held-out training images.
    weights, nonzero_weights : int
    winners : tuple of WinnersLayer
        Layers with winners-take-all.
    statistics : mapping
        ``Statistics.to_json`` over the whole test set.
    core : CoreFigures or None
        None if it was not simulated.
    """

    schema: Literal[1] = 1
    network: str
    command: str
    seed: int
    epochs: int
    seconds: float | None
    validation_accuracy: float | None
    weights: int
    nonzero_weights: int
    winners: tuple[WinnersLayer, ...]
    statistics: Mapping[str, Any]
    core: CoreFigures | None

    def measured(self) -> "Statistics":
        """The statistics as an object; figures that follow from the others are passed over.

        Raises
        ------
        FileError
            They are none.
        """
        from quiesce.sw.sparsity.statistics import Statistics

        given = {**self.statistics, "network": self.network, "n_images": self.statistics.get("images")}
        try:
            return msgspec.convert(given, Statistics)
        except msgspec.ValidationError as error:
            raise FileError(f"statistics: {error}") from error

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "RunFile":
        """The run that ``save`` wrote.

        Raises
        ------
        FileError
            The file is no such run.
        """
        run = read_json(path, cls)
        try:
            run.measured()
        except FileError as error:
            raise FileError(f"{path}: {error}") from None
        return run


def load_runs(folder: Path) -> dict[str, list[RunFile]]:
    """All run files of a folder by network, in the order of their seeds.

    Raises
    ------
    FileError
        A file is no run file.
    """
    runs: dict[str, list[RunFile]] = {}
    for path in sorted(folder.glob("*.json")):
        run = RunFile.load(path)
        runs.setdefault(run.network, []).append(run)
    return {network: sorted(found, key=lambda run: run.seed) for network, found in runs.items()}
