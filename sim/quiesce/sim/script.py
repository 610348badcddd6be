"""Scripts of register accesses that the bench's host executes while Python sleeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from quiesce.sim.errors import SimError
from quiesce.spec.performance import COUNTER_STRIDE, Counter
from quiesce.spec.registers import Control, Register

__all__ = ["Operation", "Script", "Setup", "counters_of", "run_script"]


class Operation(IntEnum):
    """What the host does next, with an address and a value; the numbers are those of ``axil_host.sv``."""

    WRITE = 1
    READ = 2
    WAIT = 3
    """For the interrupt, while it reads an address as progress; the value is nothing."""
    PAUSE = 4
    """For so many cycles."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run, as the registers describe it.

    Parameters
    ----------
    n_items, prologue_beats, body_beats, input_stride, output_stride : int
        See ``Register``.
    regions : sequence of (base, size)
        Bytes, in the order of ``Region``.
    dense : bool
        Turn zero-skipping off.
    watchdog : int
        Cycles without a finished packet before the core gives up.
    continues : bool, optional
        In cores with state between items: the first one follows the last one of the run before, rather than begin a stream.
    delta_threshold : int
        Least one, 0..255; with ``continues`` only.
    """

    n_items: int
    prologue_beats: int
    body_beats: int
    input_stride: int
    output_stride: int
    regions: Sequence[tuple[int, int]]
    dense: bool = False
    watchdog: int = 1 << 24
    continues: bool | None = None
    delta_threshold: int = 0


class Script:
    """A list of register accesses; each one that reports a value is named by a key."""

    def __init__(self) -> None:
        self._operations: list[tuple[int, int, int]] = []
        self._keys: list[object] = []

    def write(self, address: int, value: int) -> None:
        """Write 32 bits to a register."""
        if not 0 <= value < 1 << 32:
            raise SimError(f"register {address:#x}: {value} does not fit in 32 bits")
        self._operations.append((Operation.WRITE, address, value))

    def read(self, address: int, key: object) -> None:
        """Read a register; its value is reported as ``key``."""
        self._operations.append((Operation.READ, address, 0))
        self._keys.append(key)

    def wait(self, poll: int, begin: object, end: object) -> None:
        """Wait for the interrupt, and report the cycles of the last write and of the interrupt.

        Register ``poll`` is reported as progress meanwhile.
        """
        self._operations.append((Operation.WAIT, poll, 0))
        self._keys += [begin, end]

    def pause(self, n_cycles: int) -> None:
        """Do nothing for at least one cycle."""
        self._operations.append((Operation.PAUSE, 0, n_cycles))

    def set_up(self, setup: Setup) -> None:
        """Write the registers that describe a run, and enable the interrupt."""
        self.write(Register.MODE, int(setup.dense))
        self.write(Register.N_ITEMS, setup.n_items)
        self.write(Register.WATCHDOG, setup.watchdog)
        self.write(Register.PROLOGUE_BEATS, setup.prologue_beats)
        self.write(Register.BODY_BEATS, setup.body_beats)
        self.write(Register.INPUT_STRIDE, setup.input_stride)
        self.write(Register.OUTPUT_STRIDE, setup.output_stride)
        for index, (base, size) in enumerate(setup.regions):
            self.write(Register.BASE + 8 * index, base)
            self.write(Register.SIZE + 8 * index, size)
        if setup.continues is not None:
            self.write(Register.STREAM, int(setup.continues))
            self.write(Register.DELTA_THRESHOLD, setup.delta_threshold)
        self.write(Register.IRQ_STATUS, 3)
        self.write(Register.IRQ_ENABLE, 3)

    def start(self) -> None:
        """Start the run that is set up."""
        self.write(Register.CONTROL, 1 << Control.START)

    def finish(self) -> None:
        """Wait for the end, reported as ``"begin"`` and ``"end"``, and read ``"status"``, ``"error"`` and ``"items"``."""
        self.wait(Register.ITEMS_DONE, "begin", "end")
        for register, key in ((Register.STATUS, "status"), (Register.ERROR, "error"), (Register.ITEMS_DONE, "items")):
            self.read(register, key)

    def encode(self) -> npt.NDArray[np.uint32]:
        """The operations, shape (n, 3)."""
        return np.array(self._operations, dtype=np.uint32).reshape(-1, 3)

    def decode(self, results: npt.NDArray[np.uint64]) -> dict[object, int]:
        """Reported values by key.

        Raises
        ------
        SimError
            The host stopped before the end of the script.
        """
        if len(results) != len(self._keys):
            raise SimError(f"the host reported {len(results)} of {len(self._keys)} values")
        return {key: int(value) for key, value in zip(self._keys, results, strict=True)}


def run_script(setup: Setup, counter_sets: Iterable[int]) -> Script:
    """Run a program and read everything that it counted.

    Keys: ``"begin"`` and ``"end"`` (cycles of the start and of the interrupt), ``"id"``, ``"status"``, ``"error"``, ``"items"``
    and, for each counter, ``(counter set, Counter, "low" | "high")``.

    Parameters
    ----------
    setup : Setup
    counter_sets : iterable of int
        Whose counters to read: core * max_layers + layer.
    """
    script = Script()
    script.read(Register.ID, "id")
    script.set_up(setup)
    script.start()
    script.finish()
    for counter_set in counter_sets:
        for counter in Counter:
            script.write(Register.COUNTER_SELECT, counter_set * COUNTER_STRIDE + counter)
            script.read(Register.COUNTER_LOW, (counter_set, counter, "low"))
            script.read(Register.COUNTER_HIGH, (counter_set, counter, "high"))
    return script


def counters_of(values: Mapping[object, int], counter_set: int) -> dict[Counter, int]:
    """One layer's counters out of the values of a ``run_script``."""
    return {
        counter: values[counter_set, counter, "low"] | values[counter_set, counter, "high"] << 32 for counter in Counter
    }  # fmt: skip
