"""What a calibration is made of, kept as JSON: so a fit or a plot can be repeated without the simulation behind it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quiesce.sim.gates.calibration.fit import Sample
from quiesce.sim.gates.calibration.floor import Floor
from quiesce.sim.gates.errors import GateError
from quiesce.sim.gates.liberty.library import Library
from quiesce.sw.files import FileError, convert, parse_json

__all__ = ["Facts", "Measurement", "CellProcess", "read_measurement"]


@dataclass(frozen=True)
class Facts:
    """What the netlist of the reference core says beside its toggles.

    Parameters
    ----------
    case : str
        The core.
    digest : str
        SHA-256 of its Verilog.
    mhz : float
        Highest clock frequency.
    leakage_nw : float
        Per flip-flop, with its share of the logic.
    tree : float
        Energy of wires and buffers of the clocks, relative to what they drive.
    floor : Floor
    """

    case: str
    digest: str
    mhz: float
    leakage_nw: float
    tree: float
    floor: Floor


@dataclass(frozen=True)
class CellProcess:
    """The cells of the netlists, and the factor on their logic's energy for glitches."""

    library: str
    voltage: float
    sha256: str
    glitches: float

    @classmethod
    def of(cls, library: Library, glitches: float) -> "CellProcess":
        return cls(library.name, library.voltage, library.digest, glitches)


@dataclass(frozen=True)
class Measurement:
    """All that coefficients are fitted to and validated on."""

    process: CellProcess
    facts: Facts
    samples: Sequence[Sample]

    def to_json(self) -> dict[str, Any]:
        """What ``read_measurement`` reads."""
        return asdict(self)


def read_measurement(path: Path) -> Measurement:
    """The measurement in a report that ``quiesce calibrate --json`` wrote.

    Raises
    ------
    GateError
        Not such a report.
    OSError
        The file cannot be read.
    """
    try:
        report = parse_json(path.read_bytes(), dict[str, Any], "report")
        return convert(report.get("measurement"), Measurement, "measurement")
    except FileError as error:
        raise GateError(f"{path}: not a report of quiesce calibrate with its measurement: {error}") from error
