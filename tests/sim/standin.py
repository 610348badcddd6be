"""The stand-in core (``standin.sv``) and jobs for it: each item reads 128 bytes, adds one to each and writes them."""

from pathlib import Path

import numpy as np

from quiesce.sim.job import Bus, Job, JobPhase
from quiesce.sim.script import Script, Setup, run_script

VERILOG = Path(__file__).with_name("standin.sv").read_text()
MARK = "dut.mark"
ITEM_BYTES = 128
INPUT, OUTPUT, MEMORY_BYTES = 0x4000, 0x10000, 0x20000


def script(n_items: int, *, input_base: int = INPUT, output_base: int = OUTPUT, broken: int = 0) -> Script:
    """Increment ``n_items`` items from the input to the output region; ``broken`` as in ``standin.sv``."""
    size = n_items * ITEM_BYTES
    setup = Setup(
        n_items=n_items, prologue_beats=0, body_beats=0, input_stride=ITEM_BYTES, output_stride=ITEM_BYTES,
        regions=[(0, 0), (0, 0), (input_base, size), (output_base, size)], watchdog=broken,
    )  # fmt: skip
    return run_script(setup, [0])


def memory(seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, MEMORY_BYTES, dtype=np.uint8)


def job(*scripts: Script, bus: Bus | None = None, limit: int = 1_000_000, windows: bool = False) -> Job:
    """A phase for each script; ``windows`` writes activity files of the last."""
    phases = [
        JobPhase(script=one, limit=limit, windows=windows and index == len(scripts) - 1) for index, one in enumerate(scripts)
    ]
    return Job(memory(), phases, bus or Bus())
