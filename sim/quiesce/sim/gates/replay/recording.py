"""What goes into a core and comes out of it, cycle by cycle, recorded while its Verilog is simulated."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quiesce.sim.errors import NetlistError

__all__ = ["RECORD", "Recording", "Stretch", "read_recording", "with_recorder"]

RECORD = "record.hex"
"""Where the recorder writes, in the folder in which the simulator runs."""

_PORT = re.compile(r"(?m)^\s*(input|output)\s+(?:(?:wire|reg|logic)\s+)?(?:\[(\d+):0\]\s*)?(\w+)\b")
_MARK_BITS = 9


@dataclass(frozen=True)
class Stretch:
    """Cycles ``begin`` to ``end`` (exclusive) that the core counted for one layer."""

    layer: int
    begin: int
    end: int


@dataclass(frozen=True)
class Recording:
    """Ports of a core in every cycle, just before the clock edge that ends it.

    Attributes
    ----------
    inputs, outputs : dict of str to ndarray
        bool, (cycles, bits), the lowest bit first.
    stretches : tuple of Stretch
        In the order of time; a layer may have several.
    """

    inputs: dict[str, npt.NDArray[np.bool_]]
    outputs: dict[str, npt.NDArray[np.bool_]]
    stretches: tuple[Stretch, ...]

    @property
    def cycles(self) -> int:
        return len(next(iter(self.inputs.values())))


def _top(verilog: str, top: str) -> tuple[int, int]:
    """Where the text of the top module begins, and where its ``endmodule`` does."""
    found = re.search(rf"(?ms)^module {top}\b.*?^endmodule", verilog)
    if not found:
        raise NetlistError(f"the Verilog holds no module {top!r}")
    return found.start(), found.end() - len("endmodule")


def _ports(verilog: str, top: str) -> list[tuple[str, str, int]]:
    """(direction, name, bits) of the top's ports but its clock."""
    begin, end = _top(verilog, top)
    found = [(kind, name, int(high or 0) + 1) for kind, high, name in _PORT.findall(verilog[begin:end])]
    return [port for port in found if port[1] != "clk"]


def with_recorder(verilog: str, mark: str, ports_of: str | None = None, top: str = "quiesce") -> str:
    """The same Verilog with a recorder in its top module.

    Parameters
    ----------
    mark : str
        Expression of 9 bits in the scope of the top: in bit 8 that the counters move to the set of a layer, below it the layer.
    ports_of : str, optional
        Another form of the same Verilog, from which the ports are read.

    Raises
    ------
    NetlistError
        There is no such top module.
    """
    names = [name for _, name, _ in _ports(ports_of or verilog, top)]
    _, end = _top(verilog, top)
    recorder = f"""\
  integer recorder;
  initial recorder = $fopen("{RECORD}", "w");
  always @(posedge clk) $fwrite(recorder, "%h\\n", {{{mark}, {", ".join(names)}}});
"""
    return verilog[:end] + recorder + verilog[end:]


def _bits(path: Path, width: int) -> npt.NDArray[np.bool_]:
    """Lines of hexadecimal digits as bits, the highest first."""
    digits = (width + 3) // 4
    data = np.frombuffer(path.read_bytes(), np.uint8)
    lines = len(data) // (digits + 1)
    rows = data[: lines * (digits + 1)].reshape(lines, digits + 1)
    if lines == 0 or (rows[:, -1] != ord("\n")).any():
        raise NetlistError(f"{path}: not a recording of {width} bits a cycle")
    values = rows[:, :-1]
    nibbles = np.where(values > ord("9"), (values | 0x20) - ord("a") + 10, values - ord("0")).astype(np.uint8)
    spread = np.unpackbits(nibbles[:, :, None], axis=2)[:, :, 4:].reshape(lines, -1)
    return spread[:, 4 * digits - width :].astype(bool)


def _stretches(mark: npt.NDArray[np.bool_]) -> tuple[Stretch, ...]:
    weights = 1 << np.arange(_MARK_BITS - 2, -1, -1)
    flushes = np.flatnonzero(mark[:, 0])
    layers = mark[flushes][:, 1:] @ weights
    begins = np.concatenate([[0], flushes[:-1] + 1]) if len(flushes) else flushes
    return tuple(Stretch(int(layer), int(begin), int(end) + 1) for layer, begin, end in zip(layers, begins, flushes, strict=True))


def read_recording(path: Path, verilog: str, top: str = "quiesce") -> Recording:
    """Read what the recorder of ``with_recorder(verilog, ...)`` wrote.

    Raises
    ------
    NetlistError
        The file is no such recording.
    """
    ports = _ports(verilog, top)
    bits = _bits(path, _MARK_BITS + sum(width for _, _, width in ports))
    at, found = _MARK_BITS, {}
    for _, name, width in ports:
        found[name] = bits[:, at : at + width][:, ::-1]
        at += width
    kinds = {name: kind for kind, name, _ in ports}
    return Recording(
        {name: value for name, value in found.items() if kinds[name] == "input"},
        {name: value for name, value in found.items() if kinds[name] == "output"},
        _stretches(bits[:, :_MARK_BITS]),
    )
