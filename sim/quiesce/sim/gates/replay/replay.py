"""Simulation of a netlist on recorded stimulus, up to 64 runs at once; its outputs have to equal the recorded ones each cycle.

The netlist is evaluated as tables by a small program in C++ (``replay.cpp``), without delays and without being compiled: building
a Verilated netlist of a core takes longer than simulating all that a calibration needs.
"""

import ctypes
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sim.cache import cached, content_key
from quiesce.sim.errors import BuildError, NetlistError
from quiesce.sim.gates.analysis.flat import Flat, FlatRam
from quiesce.sim.gates.replay.operation_tables import Table, Tables, make_tables
from quiesce.sim.gates.replay.recording import Recording

__all__ = ["LANES", "NetlistActivity", "ReplayRun", "replay"]

LANES = 64
_CHUNK = 1024
_SOURCE = Path(__file__).with_name("replay.cpp")
_FLAGS = ("-O2", "-shared", "-fPIC")
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class ReplayRun:
    """A recording, and the cycles of it (begin, end) in which activity counts."""

    recording: Recording
    counted: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class NetlistActivity:
    """What happened in the counted cycles.

    Attributes
    ----------
    counts : ndarray
        uint32, (counters, runs): changes of each net, cycles for a gated clock.
    driven : dict of int to int
        Row of ``counts`` for each net that a cell or RAM drives.
    cycles : tuple of int
        Counted, by run.
    """

    counts: npt.NDArray[np.uint32]
    driven: dict[int, int]
    cycles: tuple[int, ...]


class _Netlist(ctypes.Structure):
    _fields_ = [
        (name, kind)
        for pointer, number in (
            ("operations", "n_operations"), ("registers", "n_registers"), ("rams", "n_rams"), ("ram_pins", None),
            ("counters", "n_counters"), ("inputs", "n_inputs"), ("outputs", "n_outputs"),
        )
        for name, kind in ((pointer, ctypes.c_void_p), (number, ctypes.c_int64))
        if name
    ]  # fmt: skip


class _State(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("values", "storage", "last", "counts")]


@cache
def _library() -> ctypes.CDLL:
    """The simulator, compiled once for all netlists."""

    def make(folder: Path) -> None:
        command = ["g++", *_FLAGS, "-o", str(folder / "replay.so"), str(_SOURCE)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise BuildError("g++ is not installed; simulating a netlist needs it") from None
        except subprocess.CalledProcessError as error:
            raise BuildError(f"the netlist simulator does not compile:\n{error.stderr}") from error

    folder, _ = cached("replay", content_key({"source": _SOURCE.read_bytes(), "flags": " ".join(_FLAGS)}), make)
    library = ctypes.CDLL(str(folder / "replay.so"))
    library.replay.restype = ctypes.c_int64
    library.replay.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    return library


def _ram_tables(rams: Sequence[FlatRam]) -> tuple[npt.NDArray[np.void], Table, int]:
    """Descriptions and nets of the pins of all RAMs, and how many words they hold together, for all lanes."""
    kind = np.dtype(
        [("depth", "i4"), ("width", "i4"), ("address", "i4"), ("transparent", "i4"), ("pins", "i8"), ("storage", "i8")]
    )  # fmt: skip
    rows: list[tuple[int, ...]] = []
    pins: list[int] = []
    words = 0
    for flat in rams:
        ram, nets = flat.ram, flat.pins
        rows.append((ram.depth, ram.width, len(nets["RD_ADDR"]), int(ram.transparent), len(pins), words))
        for pin in ("RD_EN", "RD_ADDR", "RD_DATA", "WR_EN", "WR_ADDR", "WR_DATA"):
            pins += nets[pin]
        words += LANES * ram.depth * -(-ram.width // 64)
    return np.array(rows, kind), np.array(pins, np.int32), words


def _packed(columns: Iterable[npt.NDArray[np.bool_]], cycles: int, begin: int) -> Words:
    """Bit ``lane`` of each word from the arrays of the lanes, (cycles, bits) each; zeros beyond the end of a lane."""
    total = None
    for lane, column in enumerate(columns):
        part = column[begin : begin + cycles].astype(np.uint64) << np.uint64(lane)
        if total is None:
            total = np.zeros((cycles, column.shape[1]), np.uint64)
        total[: len(part)] |= part
    assert total is not None  # at least one lane
    return total


def _masks(runs: Sequence[ReplayRun], cycles: int, begin: int) -> Words:
    """Lanes that are compared, and lanes that are counted, in each of some cycles."""
    masks = np.zeros((cycles, 2), np.uint64)
    for lane, run in enumerate(runs):
        one = np.uint64(1 << lane)
        reset = run.recording.inputs["rst"][:, 0]
        # Before the first reset registers hold anything.
        first = int(np.argmax(reset)) + 1
        held = np.arange(begin, begin + cycles)
        inside = held[(held >= first) & (held < run.recording.cycles)]
        masks[inside[~reset[inside]] - begin, 0] |= one
        for low, high in run.counted:
            masks[max(low - begin, 0) : max(high - begin, 0), 1] |= one
    return masks


def _pointer(array: npt.NDArray[Any]) -> int:
    return int(array.ctypes.data)


def replay(flat: Flat, runs: Sequence[ReplayRun], tables: Tables | None = None) -> NetlistActivity:
    """Simulate a netlist on up to 64 recordings at once.

    Raises
    ------
    NetlistError
        An output differs from the recorded one (the message has the run, cycle and output), or the netlist cannot be simulated.
    """
    if not 1 <= len(runs) <= LANES:
        raise NetlistError(f"{len(runs)} runs are not 1..{LANES}")
    tables = tables or make_tables(flat)
    rams, pins, words = _ram_tables(tables.rams)
    names = [(name, index, net) for name, nets in flat.outputs.items() for index, net in enumerate(nets)]
    inputs = np.array([net for name, nets in flat.inputs.items() if name != "clk" for net in nets], np.int32)
    outputs = np.array([net for _, _, net in names], np.int32)
    values = np.zeros(tables.n_nets, np.uint64)
    values[1] = ~np.uint64(0)
    n_counters = len(tables.counters)
    storage, last = np.zeros(max(words, 1), np.uint64), np.zeros(n_counters, np.uint64)
    counts = np.zeros((n_counters, LANES), np.uint32)
    netlist = _Netlist(
        _pointer(tables.operations), len(tables.operations), _pointer(tables.registers), len(tables.registers), _pointer(rams),
        len(rams), _pointer(pins), _pointer(tables.counters), n_counters, _pointer(inputs), len(inputs), _pointer(outputs),
        len(outputs),
    )  # fmt: skip
    state = _State(_pointer(values), _pointer(storage), _pointer(last), _pointer(counts))
    simulate, mismatch = _library().replay, np.zeros(2, np.uint64)
    longest = max(run.recording.cycles for run in runs)
    for begin in range(0, longest, _CHUNK):
        cycles = min(_CHUNK, longest - begin)
        parts = [
            _packed((run.recording.inputs[name] for run in runs), cycles, begin) for name in flat.inputs if name != "clk"
        ] + [_packed((run.recording.outputs[name] for run in runs), cycles, begin) for name in flat.outputs]  # fmt: skip
        stimulus = np.ascontiguousarray(np.concatenate([*parts, _masks(runs, cycles, begin)], axis=1))
        done = simulate(ctypes.byref(netlist), ctypes.byref(state), _pointer(stimulus), cycles, _pointer(mismatch))
        if done < cycles:
            lane = (int(mismatch[1]) & -int(mismatch[1])).bit_length() - 1
            name, bit, _ = names[int(mismatch[0])]
            expected = int(runs[lane].recording.outputs[name][begin + done, bit])
            raise NetlistError(
                f"the netlist differs from the RTL: run {lane}, cycle {begin + done}, output {name}[{bit}] is {1 - expected} "
                f"instead of {expected}"
            )
    lengths = tuple(sum(high - low for low, high in run.counted) for run in runs)
    return NetlistActivity(counts[:, : len(runs)], tables.driven, lengths)
