"""cocotb test module that runs a job (see ``quiesce.sim.job``) inside the simulator's process."""

import ctypes
import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge, Timer

RESET_NS = 8


def _library() -> ctypes.CDLL:
    """The functions that the main program exports."""
    library = ctypes.CDLL(None)
    library.sim_memory_open.restype = ctypes.c_bool
    library.sim_progress_open.restype = ctypes.c_bool
    library.sim_seconds.restype = ctypes.c_double
    for name in ("sim_cycles", "sim_result_count", "sim_window_count"):
        getattr(library, name).restype = ctypes.c_uint64
    for name in ("sim_results", "sim_window_table"):
        getattr(library, name).restype = ctypes.POINTER(ctypes.c_uint64)
    library.sim_script.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    return library


def _words(pointer: "ctypes._Pointer[ctypes.c_uint64]", count: int) -> npt.NDArray[np.uint64]:
    return np.array(pointer[:count], dtype=np.uint64)


async def _run_phase(dut: Any, library: ctypes.CDLL, folder: Path, index: int, phase: dict[str, Any]) -> dict[str, object]:
    script = np.fromfile(folder / f"{index}.script", dtype=np.uint32)
    library.sim_script(script.ctypes.data, len(script) // 3)
    library.sim_toggles(os.fsencode(folder / f"{index}.activity") if phase["toggles"] else None)
    library.sim_windows(os.fsencode(folder / str(index)) if phase["windows"] else None)
    dut.limit.value = phase["limit"]
    dut.rst.value = 1
    await Timer(RESET_NS, unit="ns")
    dut.rst.value = 0
    await Timer(RESET_NS, unit="ns")
    dut.start.value = 1
    await RisingEdge(dut.done)
    outcome = {
        "cycles": library.sim_cycles(),
        "seconds": library.sim_seconds(),
        "timeout": int(dut.timeout.value),
        "fault": int(dut.fault.value),
        "windows": _words(library.sim_window_table(), 2 * library.sim_window_count()).reshape(-1, 2).tolist(),
    }
    _words(library.sim_results(), library.sim_result_count()).tofile(folder / f"{index}.results")
    dut.start.value = 0
    await Timer(RESET_NS, unit="ns")
    return outcome


@cocotb.test()
async def job(dut: Any) -> None:
    """Run every phase of the job in ``$QUIESCE_JOB``."""
    folder = Path(os.environ["QUIESCE_JOB"])
    description = json.loads((folder / "job.json").read_text())
    library = _library()
    assert library.sim_memory_open(os.fsencode(folder / "memory.bin")), "cannot map the memory file"
    assert library.sim_progress_open(os.fsencode(folder / "progress")), "cannot write the progress file"
    for name, value in description["bus"].items():
        getattr(dut, name).value = value
    outcomes = [await _run_phase(dut, library, folder, index, phase) for index, phase in enumerate(description["phases"])]
    (folder / "result.json").write_text(json.dumps(outcomes))
