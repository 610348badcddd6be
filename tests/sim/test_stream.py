"""Streams on the RTL: every frame as the integer reference says, whatever is kept, held back, begun anew or refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quiesce.sim.assemble import compare
from quiesce.sim.core_text import core_text
from quiesce.sim.cosimulation import simulator_for
from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.flow import Deployment, RunOptions, place
from quiesce.sim.job import Bus, JobPhase, run_job
from quiesce.sim.script import Script
from quiesce.sim.stream import Stream, compile_stream, stream
from quiesce.sim.stream_run import Frame
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter
from quiesce.spec.registers import Control, Register, Status
from quiesce.sw.compiler import CompileError, Program
from quiesce.sw.format.errors import FormatError
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.ops import AVGPOOL, MAXPOOL
from quiesce.sw.stream import DeltaInput, StreamReference
from tests import networks
from tests.sim.cores import KEEPING, KEEPING_PAIR
from tests.sw.stream.streams import StreamCase, random_frames, stream_cases

QUICK = RunOptions(bus=Bus(latency=7), energy=False)


def with_thresholds(network: Network, **thresholds: int | None) -> Network:
    """The network with these delta thresholds, and none elsewhere."""
    layers = tuple(replace(layer, delta_threshold=thresholds.get(layer.name)) for layer in network.layers)
    return replace(network, input=replace(network.input, delta_threshold=thresholds.get(INPUT)), layers=layers)


def every_kind(seed: int = 3) -> Network:
    """Signed and unsigned maps, changes and full ones, joins, a maximum."""
    rng = np.random.default_rng(seed)
    layers = [
        networks.conv(rng, "a", "input", 2, 6, (3, 3), pad=(1, 1, 1, 1)),
        networks.conv(rng, "b", "a", 6, 6, (3, 3), pad=(1, 1, 1, 1), low=-127),
        networks.add(rng, "sum", ["a", "b"], 6),
        networks.pool(AVGPOOL, "mean", "sum", 6, (2, 2), low=-127),
        networks.conv(rng, "c", "mean", 6, 9, (2, 2)),
        networks.pool(MAXPOOL, "max", "c", 9, (2, 2)),
        networks.linear(rng, "fc", "max", 9 * 2 * 2, 5),
    ]
    return networks.network(layers, (10, 10, 2), low=-127)


def frames_for(network: Network, count: int, share: float = 0.1, seed: int = 0) -> np.ndarray:
    return random_frames(np.random.default_rng(seed), network.input, (1, count), share)[0]


def assert_exact(frames: Sequence[Frame]) -> None:
    wrong = [f"frame {frame.index}: {frame.run.mismatch}" for frame in frames if not frame.run.bit_exact]
    assert not wrong, wrong


def compiled(network: Network, config: CoreConfig) -> Program:
    """The program, unless the network does not fit this core."""
    try:
        return compile_stream(network, config)
    except CompileError:
        assume(False)
        raise


@pytest.mark.parametrize("config", [KEEPING, KEEPING_PAIR], ids=["one", "pair"])
@settings(max_examples=60, deadline=None)
@given(case=stream_cases(winners=False), data=st.data())
def test_random_networks(config: CoreConfig, case: StreamCase, data: st.DataObject) -> None:
    program = compiled(case.network, config)
    bus = Bus(latency=data.draw(st.integers(2, 40)), stall=data.draw(st.sampled_from([0, 90])))
    options = RunOptions(bus=bus, energy=False, dense=data.draw(st.booleans()))
    with Stream(case.network, program, options) as core:
        for frame, floor in zip(case.frames[0], case.floors, strict=True):
            if data.draw(st.integers(0, 3)) == 0:
                core.restart()
            core.delta_threshold = floor if program.holds_all else 0
            done = core.push(frame)
            assert done.run.bit_exact, done.run.mismatch


def test_a_long_stream_of_every_kind_of_layer() -> None:
    network = with_thresholds(every_kind(), input=3, a=2, b=0, sum=4, mean=1, c=0, max=5, fc=None)
    with stream(network, KEEPING, options=QUICK) as core:
        assert core.run(frames_for(network, 120)).bit_exact


def test_without_state_to_spare_maps_are_full() -> None:
    """The less state, the fewer layers read changes; what they compute is the same."""
    network, frames = every_kind(), frames_for(every_kind(), 4)
    coded = []
    for depth in (64, 512, 2048, 16384):
        program = compile_stream(network, replace(KEEPING, state_depth=depth))
        coded.append(program.changes)
        assert sum(plan.state_rows for plan in program.layers) <= depth // KEEPING.post_units
    assert coded[0] < coded[1] < coded[2] < coded[3] == {INPUT, "a", "b", "sum", "mean", "max"}
    small = compile_stream(network, replace(KEEPING, state_depth=2048))
    with Stream(network, replace(small, config=KEEPING), QUICK) as core:
        assert core.run(frames).bit_exact


def test_several_frames_at_once() -> None:
    """State goes from item to item as from run to run; the sums are the same, the starts are saved."""
    network = with_thresholds(every_kind(), input=2, a=3, b=3, sum=0, mean=2, c=4)
    frames = frames_for(network, 8)
    with stream(network, KEEPING, options=QUICK) as core:
        alone = core.run(frames)
    with stream(network, KEEPING, options=QUICK, most=4) as core:
        together = [core.push_together(frames[:3]), core.push_together(frames[3:7]), core.push(frames[7]).run]
        with pytest.raises(SimError, match=r"5 frames at once are not in 1\.\.4"):
            core.push_together(frames[:5])
    assert alone.bit_exact and all(run.bit_exact for run in together)
    outputs = np.concatenate([run.outputs for run in together])
    np.testing.assert_array_equal(outputs, np.concatenate([frame.run.outputs for frame in alone.frames]))
    for index in range(len(network.layers)):
        events = sum(run.layers[index].events for run in together)
        assert events == sum(frame.run.layers[index].events for frame in alone.frames)
    assert sum(run.cycles - run.load_cycles for run in together) < sum(frame.cycles for frame in alone.frames)


def test_what_stands_still_costs_next_to_nothing() -> None:
    network = with_thresholds(every_kind(), input=0, a=0, b=0, sum=0, mean=0)
    frame = frames_for(network, 1)[0]
    with stream(network, KEEPING, options=QUICK) as core:
        first, second = core.push(frame), core.push(frame)
    assert_exact([first, second])
    moved, still = ({layer.name: layer.counters for layer in one.run.layers} for one in (first, second))
    for name in ("a", "b", "sum", "mean", "c"):
        assert still[name]["events"] == still[name]["macs"] == still[name]["sum_writes"] == 0
    assert still["a"]["clean_rows"] > 0 and moved["a"]["clean_rows"] == 0
    assert moved["a"]["sum_writes"] > 0
    assert 5 * second.run.cycles < first.run.cycles


def test_state_is_counted() -> None:
    """The first item writes each row once; later ones touch those rows only that have changed."""
    network = with_thresholds(every_kind(), input=0, a=0)
    program = compile_stream(network, KEEPING)
    rows = {plan.name: plan.state_rows for plan in program.layers}
    sending = program.changes - {INPUT}
    reading = [layer.name for layer in network.layers if program.changes.issuperset(layer.inputs)]
    frame = frames_for(network, 1)[0]
    changed = frame.copy()
    changed[0, 0] = -changed[0, 0]
    with Stream(network, program, QUICK) as core:
        frames = core.run([frame, changed]).frames
    assert_exact(frames)
    # Rows are counted for the layer that is in the array meanwhile.
    first, second = (
        {name: sum(layer.counters[name] for layer in each.run.layers) for name in ("sum_reads", "sum_writes", "sent_accesses")}
        for each in frames
    )
    assert first["sum_reads"] == 0
    assert first["sum_writes"] == sum(rows[name] for name in reading)
    assert first["sent_accesses"] == sum(rows[name] for name in sending)
    # 2 x 2 pixels of "a", 3 x 3 of "b" and "sum", 2 x 2 of "mean" and 3 x 3 of "c", at most; what "fc" reads is full.
    assert 0 < second["sum_writes"] <= second["sum_reads"] <= 3 * (4 + 9 + 9 + 4) + 4 * 96
    assert 0 < second["sent_accesses"] < first["sent_accesses"] / 4


def test_the_host_moves_the_threshold() -> None:
    """A higher one holds more back; a lower one lets go of what was held back, though nothing has changed."""
    network = with_thresholds(every_kind(), input=0, a=0, b=0, sum=0, mean=0, c=0)
    frames = frames_for(network, 2, share=1.0)
    with stream(network, KEEPING, options=QUICK) as core:
        core.push(frames[0])
        core.delta_threshold = 255
        held = core.push(frames[1])
        core.delta_threshold = 0
        let_go = core.push(frames[1])
    assert_exact([held, let_go])
    with stream(network, KEEPING, options=QUICK) as core:
        alone = core.push(frames[1])
    np.testing.assert_array_equal(let_go.run.outputs, alone.run.outputs)
    assert held.run.layers[0].events == 0 < let_go.run.layers[0].events


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((10, 9, 2), np.int8), "10, 9, 2"),
        (np.zeros((10, 10, 2), np.int16), "int16 is not int8"),
        (np.full((10, 10, 2), -128, np.int8), "-128"),
    ],
    ids=["shape", "type", "range"],
)
def test_a_refused_frame_leaves_the_stream_as_it_is(frame: np.ndarray, message: str) -> None:
    network = with_thresholds(every_kind(), input=2, a=3)
    frames = frames_for(network, 3)
    with stream(network, KEEPING, options=QUICK) as core:
        core.push(frames[0])
        with pytest.raises(FormatError, match=message):
            core.push(frame)
        core.delta_threshold = 256
        with pytest.raises(FormatError, match="256"):
            core.push(frames[1])
        core.delta_threshold = 0
        rest = core.run(frames[1:]).frames
    assert [frame.first for frame in rest] == [False, False]
    assert_exact(rest)


def test_an_error_of_the_core_ends_the_stream_and_the_next_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region that is too small for the outputs: BOUNDS, in the middle of an item that has written some of its state."""
    network = with_thresholds(every_kind(), input=2, a=3)
    frames = frames_for(network, 5)
    with stream(network, KEEPING, options=QUICK) as core:
        core.run(frames[:2])
        with monkeypatch.context() as patch:
            patch.setattr(Deployment, "setup", shrunken(Deployment.setup))
            with pytest.raises(CoreError, match="BOUNDS"):
                core.push(frames[2])
        rest = core.run(frames[3:]).frames
    assert [frame.first for frame in rest] == [True, False]
    assert_exact(rest)


def test_a_reset_in_mid_frame_begins_a_stream(tmp_path: Path) -> None:
    """Whatever the next start says: what is kept is half of one item and half of another."""
    network = with_thresholds(every_kind(), input=0, a=3, b=2, sum=1)
    frame = frames_for(network, 1)[0]
    program = compile_stream(network, KEEPING)
    deployment = place(program, DeltaInput(network.input).push(frame)[None], QUICK)
    setup = replace(deployment.setup(), continues=True)
    interrupted = Script()
    interrupted.set_up(setup)
    interrupted.start()
    interrupted.pause(600)
    interrupted.read(Register.STATUS, "status")
    interrupted.write(Register.CONTROL, 1 << Control.RESET)
    interrupted.pause(200)
    interrupted.read(Register.STATUS, "after")
    phases = [
        deployment.phase(setup=setup),
        JobPhase(script=interrupted, reset=False),
        deployment.phase(setup=setup, reset=False),
    ]
    simulator = simulator_for(core_text(KEEPING), replace(QUICK, simulator="loop"))
    result = run_job(simulator, deployment.job(*phases), tmp_path)
    values = result.phases[1].values
    assert values["status"] & 1 << Status.BUSY and not values["after"] & 1 << Status.BUSY
    item = StreamReference(network).push(frame)
    macs = {name: int(counts.delta_macs) for name, counts in item.counts.items()}
    report = deployment.report(result.phases[2].values)
    assert compare(deployment, report, result.memory, item.outputs[None], macs).mismatch == ""
    first, again = (
        {name: counters[Counter.CYCLES] for name, counters in deployment.report(result.phases[index].values).counters.items()}
        for index in (0, 2)
    )
    assert first == again


def shrunken(setup):
    """A setup whose region of intermediate maps is almost nothing."""

    def changed(self, n_items=None):
        full = setup(self, n_items)
        regions = list(full.regions)
        regions[1] = (regions[1][0], 64)
        return replace(full, regions=tuple(regions))

    return changed


def test_energy_of_frames() -> None:
    network = with_thresholds(every_kind(), input=0, a=0)
    options = replace(QUICK, energy=True, energy_items=2)
    with stream(network, KEEPING, options=options) as core:
        frames = core.run([frames_for(network, 1)[0]] * 3).frames
    assert_exact(frames)
    assert [frame.run.energy_items for frame in frames] == [1, 1, 0]
    assert 0 < 2 * frames[1].run.energy_pj_per_item < frames[0].run.energy_pj_per_item


def test_what_streams_have_not() -> None:
    network = every_kind()
    with pytest.raises(CompileError, match="streams need a core with state_depth"):
        compile_stream(network, replace(KEEPING, state_depth=0))
    held = with_thresholds(network, a=3)
    with pytest.raises(CompileError, match="'a': layers with a delta threshold keep 800 outputs, beyond state_depth 64"):
        compile_stream(held, replace(KEEPING, state_depth=64))
    with pytest.raises(SimError, match="not under Icarus"):
        stream(network, KEEPING, options=replace(QUICK, simulator="icarus"))
    movable = compile_stream(with_thresholds(network, a=0), replace(KEEPING, state_depth=64))
    assert not movable.holds_all
    with Stream(with_thresholds(network, a=0), replace(movable, config=KEEPING), QUICK) as core:
        core.delta_threshold = 1
        with pytest.raises(SimError, match="keeps no state on this core"):
            core.push(frames_for(network, 1)[0])


def test_the_result_of_a_stream() -> None:
    network = with_thresholds(every_kind(), input=0, a=0)
    frames, labels = frames_for(network, 4), np.array([0, 1, 2, 3])
    options = replace(QUICK, energy=True, energy_items=2)
    done: list[int] = []
    with stream(network, KEEPING, options=options) as core:
        run = core.run(frames, starts=np.array([True, False, True, False]), labels=labels, progress=done.append)
    assert done == [1, 2, 3, 4]
    assert [frame.first for frame in run.frames] == [True, False, True, False]
    assert run.accuracy == np.mean([run.frames[index].run.outputs.argmax() == labels[index] for index in (1, 3)])
    values = json.loads(json.dumps(run.to_dict(), allow_nan=False))
    assert values["bit_exact"] and values["changes"] == sorted(run.changes)
    assert values["mean"]["cycles"] == np.mean([run.frames[index].cycles for index in (1, 3)])
    assert values["mean"]["energy_pj"] == run.frames[1].run.energy_pj_per_item
    assert values["frames"][3]["energy_pj"] is None
    first, rows = values["frames"][0], sum(run.state_rows.values())
    assert 0 < first["state_bytes"] <= rows * KEEPING.post_units * (KEEPING.acc_width // 8 + 2)
