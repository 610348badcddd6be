"""cocotb test module that runs a job (see ``quiesce.sim.job``) inside the simulator's process.

Verilator's main program has the clock and the functions of bench.h. Icarus gets the clock from here, and the functions from the
module that $QUIESCE_VPI names.
"""

import ctypes
import json
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotb.utils import get_sim_time

RESET_NS = 8
PERIOD_PS = 1000


def _library() -> ctypes.CDLL:
    """The functions of bench.h: of the main program, or of the module that was loaded into it."""
    library = ctypes.CDLL(os.environ.get("QUIESCE_VPI"))
    library.sim_memory_open.restype = ctypes.c_bool
    library.sim_progress_open.restype = ctypes.c_bool
    library.sim_seconds.restype = ctypes.c_double
    for name in ("sim_cycles", "sim_result_count", "sim_window_count"):
        getattr(library, name).restype = ctypes.c_uint64
    for name in ("sim_results", "sim_window_table"):
        getattr(library, name).restype = ctypes.POINTER(ctypes.c_uint64)
    library.sim_script.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    if "QUIESCE_VPI" in os.environ:
        library.sim_stats.argtypes = [ctypes.c_uint64, ctypes.c_double]
    return library


def _words(pointer: "ctypes._Pointer[ctypes.c_uint64]", count: int) -> npt.NDArray[np.uint64]:
    return np.array(pointer[:count], dtype=np.uint64)


async def _run_phase(dut: Any, library: ctypes.CDLL, folder: Path, index: int, phase: dict[str, Any]) -> dict[str, object]:
    script = np.fromfile(folder / f"{index}.script", dtype=np.uint32)
    library.sim_script(script.ctypes.data, len(script) // 3)
    library.sim_toggles(os.fsencode(folder / f"{index}.activity") if phase["toggles"] else None)
    library.sim_windows(os.fsencode(folder / str(index)) if phase["windows"] else None)
    dut.limit.value = phase["limit"]
    if phase["reset"]:
        dut.rst.value = 1
        await Timer(RESET_NS, unit="ns")
        dut.rst.value = 0
    await Timer(RESET_NS, unit="ns")
    dut.start.value = 1
    begin = get_sim_time("ps"), perf_counter()
    await RisingEdge(dut.done)
    if "QUIESCE_VPI" in os.environ:
        library.sim_stats(round((get_sim_time("ps") - begin[0]) / PERIOD_PS), perf_counter() - begin[1])
    outcome = {
        "cycles": library.sim_cycles(),
        "seconds": library.sim_seconds(),
        "timeout": bool(int(dut.timeout.value)),
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
    dut.start.value = 0
    if "QUIESCE_VPI" in os.environ:
        Clock(dut.clk, PERIOD_PS, unit="ps").start()
    for name, value in description["bus"].items():
        getattr(dut, name).value = value
    outcomes = [await _run_phase(dut, library, folder, index, phase) for index, phase in enumerate(description["phases"])]
    (folder / "result.json").write_text(json.dumps(outcomes))
