"""A compiled program in the memory of a core, and the register accesses that run it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sim.errors import SimError
from quiesce.sim.script import Script, inference_script
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region
from quiesce.sw.compiler import Program

__all__ = ["Placement", "place", "program_memory", "program_script"]

_PAGE = 4096


@dataclass(frozen=True)
class Placement:
    """Where a program and its maps lie in memory.

    Attributes
    ----------
    regions : tuple of (base, size)
        Bytes, in the order of ``isa.Region``.
    n_bytes : int
        Of memory in all.
    """

    regions: tuple[tuple[int, int], ...]
    n_bytes: int


def place(program: Program, config: CoreConfig, n_items: int) -> Placement:
    """Lay the regions of a program out one after the other, each from a page boundary.

    Raises
    ------
    SimError
        They do not fit in the core's address space.
    """
    sizes = (len(program.image), program.scratch_bytes, program.input_stride * n_items, program.output_stride * n_items)
    regions, end = [], 0
    for size in sizes:
        regions.append((end, size))
        end += -(-size // _PAGE) * _PAGE
    if end > 1 << config.addr_width:
        raise SimError(f"{n_items} images take {end} bytes of memory, the core addresses {1 << config.addr_width}: use fewer")
    return Placement(tuple(regions), end)


def program_memory(program: Program, placement: Placement, inputs: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """The memory before a run: program and inputs (N, rows, cols, chans), the rest zero."""
    memory = np.zeros(placement.n_bytes, np.uint8)
    for region, content in ((Region.PROGRAM, program.image), (Region.INPUT, program.encode_inputs(inputs))):
        base, _ = placement.regions[region]
        memory[base : base + len(content)] = np.frombuffer(content, np.uint8)
    return memory


def program_script(
    program: Program, placement: Placement, n_items: int, *, dense: bool = False, watchdog: int | None = None
) -> Script:
    """Run a program on the first ``n_items`` images and read the counters of all layers.

    The core gives up after ``watchdog`` cycles without a finished packet, by default more than any layer takes.
    """
    config = program.config
    longest = max(plan.dense_macs for plan in program.layers)
    return inference_script(
        n_items=n_items,
        prologue_beats=program.prologue_beats,
        body_beats=program.body_beats,
        input_stride=program.input_stride,
        output_stride=program.output_stride,
        regions=placement.regions,
        counter_sets=[core * config.max_layers + plan.counter for core in range(config.n_cores) for plan in program.layers],
        dense=dense,
        watchdog=watchdog or min((1 << 22) + 16 * longest, (1 << 32) - 1),
    )
