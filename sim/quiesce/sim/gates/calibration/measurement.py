"""What a calibration is made of, kept as JSON: so a fit or a plot can be repeated without the simulation behind it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quiesce.sim.gates.calibration.features import Features
from quiesce.sim.gates.calibration.fit import Sample
from quiesce.sim.gates.calibration.floor import Floor
from quiesce.sim.gates.errors import GateError
from quiesce.sim.gates.liberty.library import Library

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


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _numbers(entry: Mapping[str, object]) -> dict[str, float]:
    return {name: _number(value) for name, value in entry.items()}


def _sample(entry: Mapping[str, Any]) -> Sample:
    counts = entry["features"]
    features = Features(
        _numbers(counts["toggles"]), _number(counts["clocked"]), _number(counts["gates"]), _numbers(counts["work"])
    )
    case, workload, layer = (str(entry[name]) for name in ("case", "workload", "layer"))
    return Sample(case, workload, layer, bool(entry["fitted"]), features, _numbers(entry["logic"]), _number(entry["clock"]))


def _facts(entry: Mapping[str, Any]) -> Facts:
    floor = _numbers(entry["floor"])
    return Facts(
        case=str(entry["case"]),
        digest=str(entry["digest"]),
        mhz=_number(entry["mhz"]),
        leakage_nw=_number(entry["leakage_nw"]),
        tree=_number(entry["tree"]),
        floor=Floor(floor["logic_pj"], floor["clock_pj"], int(floor["cells"]), floor["area"]),
    )


def _process(entry: Mapping[str, Any]) -> CellProcess:
    return CellProcess(str(entry["library"]), _number(entry["voltage"]), str(entry["sha256"]), _number(entry["glitches"]))


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
        entry = json.loads(path.read_text(encoding="utf-8"))["measurement"]
        samples = [_sample(sample) for sample in entry["samples"]]
        return Measurement(_process(entry["process"]), _facts(entry["facts"]), samples)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GateError(f"{path}: not a report of quiesce calibrate with its measurement: {error!r}") from error
