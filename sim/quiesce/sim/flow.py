"""The one way from a network to a result: compile, place in memory, write the script, and read what a core left and reported.

Between ``Deployment.job`` and ``Deployment.report`` stands ``run_job``, on whichever simulator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.job import Bus, Bytes, Job, JobPhase
from quiesce.sim.script import Script, Setup, counters_of, run_script
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region
from quiesce.spec.performance import Counter
from quiesce.spec.registers import CORE_ID, ErrorCode, Status
from quiesce.sw import reference
from quiesce.sw.compiler import Program, compile_network
from quiesce.sw.format.network import Network

__all__ = ["Acts", "Counters", "Deployment", "Report", "RunOptions", "deploy", "lay_out", "place"]

Acts = npt.NDArray[np.int8]
Counters = dict[Counter, int]

_PAGE = 4096


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a network runs on a core.

    Parameters
    ----------
    dense : bool
        Turn zero-skipping off.
    cold : bool
        Compile for a single item that finds nothing on chip: every item loads all weights, see ``compile_network``.
    bus : Bus
        The memory.
    watchdog : int, optional
        Cycles without a finished packet before the core gives up; by default more than any layer takes.
    energy : bool
        Measure energy, too.
    energy_items : int, optional
        Items to measure it on, the first ones, at least 1; by default, and at most, all.
    simulator : {"verilator", "icarus", "loop"}
        Icarus interprets the Verilog, some hundred times slower, and does not measure energy. "loop" is Verilator's without
        Python, which starts in milliseconds rather than seconds.

    Raises
    ------
    SimError
        Energy is not measured there, or on no items.
    """

    dense: bool = False
    cold: bool = False
    bus: Bus = field(default_factory=Bus)
    watchdog: int | None = None
    energy: bool = True
    energy_items: int | None = None
    simulator: Literal["verilator", "icarus", "loop"] = "verilator"

    def __post_init__(self) -> None:
        if self.energy_items is not None and self.energy_items < 1:
            raise SimError(f"energy_items: {self.energy_items} is not at least 1")
        if self.energy and self.simulator == "icarus":
            raise SimError("energy: Icarus counts no activity")


@dataclass(frozen=True)
class Report:
    """What the cores counted.

    Attributes
    ----------
    cycles : int
        From the start to the interrupt.
    counters : dict of int to dict of Counter to int
        By counter set, that is layer: sums over the cores, but of cycles, which are the same for all.
    core_counters : dict of int to list of dict
        By counter set, of each core.
    """

    cycles: int
    counters: dict[int, Counters]
    core_counters: dict[int, list[Counters]]


@dataclass(frozen=True, eq=False)
class Deployment:
    """A compiled network and its inputs in the memory of a core.

    Attributes
    ----------
    program : Program
    regions : tuple of (base, size)
        Bytes, in the order of ``isa.Region``.
    memory : ndarray of uint8
        As it is before a run.
    n_items : int
    options : RunOptions
        How it runs; all but ``cold`` may be replaced.
    """

    program: Program
    regions: tuple[tuple[int, int], ...]
    memory: Bytes
    n_items: int
    options: RunOptions

    def setup(self, n_items: int | None = None) -> Setup:
        """What the registers say of a run of the first ``n_items``, by default all."""
        program, options = self.program, self.options
        longest = max(plan.dense_macs for plan in program.layers)
        return Setup(
            n_items=self.n_items if n_items is None else n_items,
            prologue_beats=program.prologue_beats,
            body_beats=program.body_beats,
            input_stride=program.input_stride,
            output_stride=program.output_stride,
            regions=self.regions,
            dense=options.dense,
            watchdog=options.watchdog or min((1 << 22) + 16 * longest, (1 << 32) - 1),
        )

    def script(self, setup: Setup | None = None) -> Script:
        """Run the program as set up, by default all items, and read the counters of all layers."""
        config, layers = self.program.config, self.program.layers
        sets = [core * config.max_layers + plan.counter for core in range(config.n_cores) for plan in layers]
        return run_script(setup or self.setup(), sets)

    def phase(
        self, n_items: int | None = None, *, setup: Setup | None = None, toggles: bool = False, windows: bool = False,
        reset: bool = True,
    ) -> JobPhase:  # fmt: skip
        """The script of the first ``n_items``, or of a setup, as a phase of a job, see ``JobPhase``."""
        setup = setup or self.setup(n_items)
        # Far beyond any mapping's cycles: the core's own watchdog is the one to speak first.
        limit = (1 << 22) + setup.n_items * ((1 << 20) + 16 * sum(plan.dense_macs for plan in self.program.layers))
        return JobPhase(script=self.script(setup), limit=limit, toggles=toggles, windows=windows, reset=reset)

    def job(self, *phases: JobPhase) -> Job:
        """A job of these phases, by default one run of all items."""
        return Job(self.memory, phases or (self.phase(),), self.options.bus)

    def outputs(self, memory: Bytes) -> Acts:
        """The outputs in the memory after a run, int8, (n_items, rows, cols, chans).

        Raises
        ------
        FormatError
            They are not in the tensor format.
        """
        base, size = self.regions[Region.OUTPUT]
        return self.program.decode_outputs(memory[base : base + size].tobytes(), self.n_items)

    def report(self, values: Mapping[object, int]) -> Report:
        """What the cores counted, from the values of the script.

        Raises
        ------
        CoreError
            It is no such core, it stopped with an error, or its cores do not agree.
        """
        _check_status(values)
        config = self.program.config
        core_counters = {
            plan.counter: [counters_of(values, core * config.max_layers + plan.counter) for core in range(config.n_cores)]
            for plan in self.program.layers
        }
        sums = {index: _sum(index, cores) for index, cores in core_counters.items()}
        return Report(values["end"] - values["begin"], sums, core_counters)


def _check_status(values: Mapping[object, int]) -> None:
    if values["id"] != CORE_ID:
        raise CoreError(f"the core identifies itself as {values['id']:#010x}, not {CORE_ID:#010x}")
    if values["status"] & 1 << Status.ERROR:
        core, code = divmod(values["error"], 1 << 8)
        name = ErrorCode(code).name if code in set(ErrorCode) else str(code)
        raise CoreError(f"core {core} stopped with error {name} after {values['items']} items")


def _sum(index: int, cores: list[Counters]) -> Counters:
    cycles = {counters[Counter.CYCLES] for counters in cores}
    if len(cycles) > 1:
        raise CoreError(f"counter set {index}: the cores counted different cycles: {sorted(cycles)}")
    total = {counter: sum(counters[counter] for counters in cores) for counter in Counter}
    return total | {Counter.CYCLES: cycles.pop()}


def lay_out(program: Program, n_items: int) -> tuple[tuple[tuple[int, int], ...], int]:
    """Base and size of the regions of a program, one after the other, each from a page boundary; and bytes of memory in all.

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
    space = 1 << program.config.addr_width
    if end > space:
        raise SimError(f"{n_items} images take {end} bytes of memory, the core addresses {space}: use fewer")
    return tuple(regions), end


def deploy(
    network: Network, inputs: Acts, config: CoreConfig, options: RunOptions | None = None, *, calibration: Acts | None = None
) -> Deployment:
    """Compile a network and place it in memory with its inputs.

    Parameters
    ----------
    network : Network
    inputs : ndarray
        int8, (N, rows, cols, chans).
    config : CoreConfig
    options : RunOptions, optional
    calibration : ndarray, optional
        Further inputs, int8, (M, rows, cols, chans), whose events tell the compiler how to spread the channels over the PEs.

    Raises
    ------
    CompileError, FormatError
        The network cannot be compiled, or the inputs are not what it takes.
    SimError
        They do not fit in the core's address space.
    """
    options = options or RunOptions()
    events = None if calibration is None else reference.channel_events(network, calibration)
    program = compile_network(network, config, events=events, cold=options.cold)
    return place(program, inputs, options)


def place(program: Program, inputs: Acts, options: RunOptions | None = None) -> Deployment:
    """Place a compiled network in memory with its inputs; see ``deploy``."""
    regions, n_bytes = lay_out(program, len(inputs))
    memory = np.zeros(n_bytes, np.uint8)
    for region, content in ((Region.PROGRAM, program.image), (Region.INPUT, program.encode_inputs(inputs))):
        base, _ = regions[region]
        memory[base : base + len(content)] = np.frombuffer(content, np.uint8)
    return Deployment(program, regions, memory, len(inputs), options or RunOptions())
