"""Streams on the core: frames in, decisions out, what a frame has in common with the one before kept in the core."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np
import numpy.typing as npt

from quiesce.sim.assemble import Measured, assemble, compare
from quiesce.sim.core_text import core_text
from quiesce.sim.cosimulation import simulator_for
from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.flow import Acts, Deployment, RunOptions, place
from quiesce.sim.job import JobPhase, PhaseResult, Progress, read_phase, run_in_loop
from quiesce.sim.loop import LoopProcess
from quiesce.sim.result import Run
from quiesce.sim.script import Setup
from quiesce.sim.stream_run import Frame, StreamRun
from quiesce.spec.config import CoreConfig, preset
from quiesce.spec.isa import Region
from quiesce.sw.compiler import Program, compile_network
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.reference import check_inputs
from quiesce.sw.stream import DeltaInput, StreamItem, StreamReference, change_events, saved_macs

__all__ = ["Stream", "compile_stream", "stream"]

Changes = npt.NDArray[np.int16]


def compile_stream(
    network: Network, config: CoreConfig, *, calibration: Acts | None = None, cold: bool = False
) -> Program:  # fmt: skip
    """Compile a network for streams.

    Parameters
    ----------
    calibration : ndarray of int8, shape (B, T, rows, cols, chans), optional
        Streams of at least two items that show where changes pay, and how to spread channels over the PEs.

    Raises
    ------
    CompileError, FormatError
        The network cannot be compiled for streams, or the calibration is not what it takes.
    """
    events = None if calibration is None else change_events(network, calibration)
    return compile_network(network, config, events=events, cold=cold, saved=saved_macs(network, calibration))


class Stream:
    """A core that computes frames one after the other, each compared with the integer reference; a context manager.

    The simulator goes on from frame to frame as the last one left it: weights are loaded with the first frame, and what is kept
    of an item is there for the next.

    Parameters
    ----------
    network : Network
        What the program was compiled from.
    program : Program
        From ``compile_stream``.
    options : RunOptions
        ``energy_items`` frames are measured, by default all. Under Verilator only, in the bare loop.
    dilation : int, optional
        Noise gate of the input, see ``DeltaInput``.
    most : int
        Frames that are handed over at once, at most; there is room in memory for so many.

    Members
    -------
    delta_threshold : least one, 0..255, from the next frame on, as the host may set it while the core runs

    Raises
    ------
    SimError
        The options ask for what streams have not, the core has too small an address space, or the simulator could not be built.
    """

    def __init__(
        self, network: Network, program: Program, options: RunOptions, *, dilation: int | None = None, most: int = 1
    ):  # fmt: skip
        if options.simulator == "icarus":
            raise SimError("streams run in the bare loop of Verilator, not under Icarus")
        self.delta_threshold = 0
        self._program, self._options = program, options
        self._reference, self._input = StreamReference(network, dilation=dilation), DeltaInput(network.input, dilation=dilation)
        self._deployment, self._body = _deploy(program, options, most)
        self._core = core_text(program.config)
        self._simulator = simulator_for(self._core, replace(options, simulator="loop"))
        self._loaded = False  # weights, by the first frame since the last reset
        self._first = True
        self._n_frames = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="quiesce-")))
        memory = self._folder / "memory.bin"
        self._deployment.memory.tofile(memory)
        self._memory = np.memmap(memory, np.uint8, "r+")
        process = LoopProcess(self._simulator, self._folder, memory, asdict(self._options.bus))
        self._process = self._stack.enter_context(process)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def restart(self) -> None:
        """The next frame begins a stream."""
        self._first = True
        self._reference.reset()
        self._input.reset()

    def push(self, frame: Acts) -> Frame:
        """Compute the next frame, int8, (rows, cols, chans).

        Raises
        ------
        DtypeError, ShapeError, RangeError
            The frame is not what the network takes, or ``delta_threshold`` is out of range; the stream goes on with the next one.
        SimError
            The least threshold shall rise, but a layer that has one keeps no state on this core; the stream goes on.
        CoreError
            The core stopped with an error, broke a rule of the bus or did not finish: it is reset, and the next frame begins a
            stream. Wrong results are no error here: see ``Run.bit_exact``.
        """
        index, first = self._n_frames, self._first
        return Frame(index=index, first=first, delta_threshold=self.delta_threshold, run=self.push_together(frame[None]))

    def push_together(self, frames: Acts) -> Run:
        """Compute the next frames, int8, (N, rows, cols, chans), in one run of the core, so that a frame is read while the one
        before is computed; errors as of ``push``. Energy is that of all of them or of none.

        Raises
        ------
        SimError
            They are none, or more than there is room for; or as ``push``.
        """
        floor, n_frames, n_done = self.delta_threshold, len(frames), self._n_frames
        if not 1 <= n_frames <= self._deployment.n_items:
            raise SimError(f"{n_frames} frames at once are not in 1..{self._deployment.n_items}")
        if floor and not self._program.holds_all:
            raise SimError(f"delta threshold {floor}: some layer with a threshold keeps no state on this core, so it cannot rise")
        check_inputs(self._reference.network.input, frames)
        expected = [self._reference.push(frame, floor) for frame in frames]
        base, _ = self._deployment.regions[Region.INPUT]
        content = np.frombuffer(self._program.encode_inputs(self._inputs(frames, floor)), np.uint8)
        self._memory[base : base + len(content)] = content
        counted = self._options.energy and n_done < (self._options.energy_items or n_done + 1)
        deployment = replace(self._deployment, n_items=n_frames)
        phase = deployment.phase(setup=self._setup(deployment, floor), toggles=counted, reset=not self._loaded)
        try:
            run = self._run(deployment, phase, expected)
        except CoreError:
            self._loaded = False
            self.restart()
            raise
        self._loaded, self._first, self._n_frames = True, False, n_done + n_frames
        return run

    def run(
        self, frames: Sequence[Acts] | Acts, *, starts: npt.NDArray[np.bool_] | None = None,
        labels: npt.NDArray[np.integer] | None = None, progress: Progress | None = None,
    ) -> StreamRun:  # fmt: skip
        """Compute frames one after the other; see ``push``.

        Parameters
        ----------
        frames : sequence of ndarray of int8, (rows, cols, chans)
            At least one.
        starts : ndarray of bool, shape (N,), optional
            Frames that begin a stream; by default none but the first after ``restart``.
        labels : ndarray of int, shape (N,), optional
            For the accuracy.
        progress : callable, optional
            Called with the number of finished frames.
        """
        done: list[Frame] = []
        for index, frame in enumerate(frames):
            if starts is not None and starts[index]:
                self.restart()
            done.append(self.push(frame))
            if progress:
                progress(len(done))
        return StreamRun(
            changes=tuple(sorted(self._program.changes)),
            state_rows={plan.name: plan.state_rows for plan in self._program.layers},
            frames=tuple(done),
            accuracy=None if labels is None else _accuracy(done, labels),
        )

    def _inputs(self, frames: Acts, floor: int) -> Acts | Changes:
        """What the core is given of the frames: their changes, or what has been sent of them."""
        pairs = [(self._input.push(frame, floor), self._input.sent) for frame in frames]
        if INPUT in self._program.changes:
            return np.stack([changes for changes, _ in pairs])
        return np.stack([sent for _, sent in pairs if sent is not None])

    def _setup(self, deployment: Deployment, floor: int) -> Setup:
        """Registers of a run. Once the weights are there, the program is its body alone."""
        setup = replace(deployment.setup(), continues=not self._first, delta_threshold=floor)
        if not self._loaded:
            return setup
        return replace(setup, prologue_beats=0, regions=(self._body, *setup.regions[1:]))

    def _run(self, deployment: Deployment, phase: JobPhase, expected: Sequence[StreamItem]) -> Run:
        result = self._simulated(phase)
        report = deployment.report(result.values)
        macs = {layer.name: sum(self._macs(layer, item) for item in expected) for layer in self._program.network.layers}
        outputs = np.stack([item.outputs for item in expected])
        compared = compare(deployment, report, self._memory, outputs, macs)
        measured = Measured(report, result, len(expected)) if phase.toggles else None
        return assemble(deployment, self._core, report, result, compared, measured=measured)

    def _macs(self, layer: Layer, item: StreamItem) -> int:
        """Effectual MACs of a layer as it reads its inputs."""
        counts = item.counts[layer.name]
        return int(counts.delta_macs if self._program.changes.issuperset(layer.inputs) else counts.effectual_macs)

    def _simulated(self, phase: JobPhase) -> PhaseResult:
        phase.script.encode().tofile(self._folder / "0.script")
        return read_phase(self._folder, 0, run_in_loop(self._process, self._folder, 0, phase), phase)


def _accuracy(frames: Sequence[Frame], labels: npt.NDArray[np.integer]) -> float | None:
    """Share of the frames, but those that began a stream, with the largest output at the label's place."""
    later = [(frame.run.outputs, label) for frame, label in zip(frames, labels, strict=True) if not frame.first]
    right = [outputs is not None and int(outputs.argmax()) == label for outputs, label in later]
    return float(np.mean(right)) if right else None


def _deploy(program: Program, options: RunOptions, most: int) -> tuple[Deployment, tuple[int, int]]:
    """The program in memory with room for frames, and the region of its body alone, which begins where a burst may."""
    deployment = place(program, np.zeros((most, *program.input_layout.shape), np.int8), options)
    body = np.frombuffer(program.body, np.uint8)
    base, end = len(deployment.memory), len(deployment.memory) + len(body)
    if end > 1 << program.config.addr_width:
        raise SimError(f"{most} frames take {end} bytes of memory, the core addresses {1 << program.config.addr_width}")
    return replace(deployment, memory=np.concatenate([deployment.memory, body])), (base, len(body))


def stream(
    network: Network,
    config: CoreConfig | None = None,
    *,
    options: RunOptions | None = None,
    calibration: Acts | None = None,
    dilation: int | None = None,
    most: int = 1,
) -> Stream:
    """A network on a core that keeps state between items, by default the preset "stream"::

        with stream(network) as core:
            frame = core.push(acts)

    Parameters
    ----------
    options : RunOptions, optional
        By default energy is measured.
    calibration : ndarray of int8, shape (B, T, rows, cols, chans), optional
        See ``compile_stream``.
    dilation, most : int, optional
        See ``Stream``.

    Raises
    ------
    CompileError, FormatError, SimError
        See ``compile_stream`` and ``Stream``.
    """
    options = options or RunOptions()
    program = compile_stream(network, config or preset("stream"), calibration=calibration, cold=options.cold)
    return Stream(network, program, options, dilation=dilation, most=most)
