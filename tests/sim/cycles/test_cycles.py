"""The analytic cycle model: its queues against their recursion, its counts against the reference, its cycles against the RTL."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.bench import model, random_model
from quiesce.sim import Bus, CoreError, ModelError, RunOptions, cosim
from quiesce.sim.cycles.decode import program_beats
from quiesce.sim.cycles.predict import predict
from quiesce.sim.cycles.queue import EventQueues
from quiesce.sim.cycles.updates import InputRow, Updates
from quiesce.sim.synthetic import ConvSpec
from quiesce.spec.config import preset
from quiesce.spec.isa import BURST_BEATS
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from quiesce.sw.format.network import INPUT
from quiesce.sw.format.ops import MAXPOOL
from tests import networks
from tests.sim.cores import KEEPING, SMALL, TINY

PAIR = replace(SMALL, n_cores=2)


class Walker:
    """One PE as ``quiesce.rtl.pe.walker`` says: a fetch stage in front of the walk, which events without work do not enter."""

    def __init__(self):
        self.fetch_free = self.walk_free = 0

    def take(self, accepted, work):
        """The event leaves the FIFO in this cycle."""
        left = max(accepted + 1, self.fetch_free)
        self.fetch_free = left + 1
        if work:
            start = max(left + 2, self.walk_free)
            self.fetch_free, self.walk_free = start - 1, start + work
        return left


def accepted_one_by_one(config, rows, targeted):
    """What ``EventQueues`` computes, event by event: (cycle of each row's marker, when each PE is free then)."""
    n_queues = config.n_pes if targeted else 1
    depth = min(config.event_fifo_depth, config.context_fifo_depth) if targeted else config.event_fifo_depth
    walkers, left, contexts, result = [Walker() for _ in range(config.n_pes)], [[] for _ in range(n_queues)], [], []
    for cycles, begin, work, first, pes in rows:
        scanned, accepted = [], []
        for j, cycle in enumerate(cycles):
            marker = j == len(cycles) - 1
            queue = pes[j] if targeted else 0
            scan = max(begin[j] + cycle, scanned[-1] + cycle - cycles[j - 1] if j else 0)
            scanned.append(max(scan, accepted[-2] if j > 1 else scan))
            room = [left[queue][-depth] + 1] if len(left[queue]) >= depth else []
            if not targeted and len(contexts) >= config.context_fifo_depth:
                room.append(contexts[-config.context_fifo_depth] + 1)
            accepted.append(max([scanned[-1] + 2, *(time + 1 for time in accepted[-1:]), *room]))
            takers = [(pe, int(work[j][pe])) for pe in range(config.n_pes) if marker or not targeted or pe == queue]
            times = {pe: walkers[pe].take(accepted[-1], load) for pe, load in takers}
            left[queue].append(times[queue] if targeted else max(times.values()))
            if first[j]:
                contexts.append(left[queue][-1])
        result.append((accepted[-1], [walker.walk_free for walker in walkers]))
    return result


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_queues_equal_their_recursion(data):
    config = preset("tiny", event_fifo_depth=data.draw(st.integers(2, 6)), context_fifo_depth=data.draw(st.integers(2, 5)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    targeted = data.draw(st.booleans(), label="targeted")
    rows, begin = [], 0
    for _ in range(data.draw(st.integers(1, 3))):
        n = data.draw(st.integers(1, 40))
        cycles = np.cumsum(rng.integers(1, data.draw(st.integers(2, 12)), n))
        pes = rng.integers(0, config.n_pes, n)
        if targeted:
            work = rng.integers(1, 10, (n, config.n_pes)) * (np.arange(config.n_pes) == pes[:, None])
        else:
            work = rng.integers(0, data.draw(st.integers(1, 9)), (n, config.n_pes))
        work[-1] = 1  # the marker
        late = np.cumsum(rng.integers(0, data.draw(st.sampled_from([1, 8])), n))
        rows.append((cycles, begin + late, work, rng.random(n) < data.draw(st.sampled_from([0.1, 0.5, 1.0])), pes))
        begin += int(cycles[-1])
    queues = EventQueues(config, targeted)
    for row, (marker, free) in zip(rows, accepted_one_by_one(config, rows, targeted), strict=True):
        assert queues.row(*row) == marker
        assert queues.free.tolist() == free


def updates_cycle_by_cycle(depth, operations, marks):
    """``quiesce.rtl.pe.psum_registers`` cycle by cycle: the cycle and bank of every update, and when the rows end."""
    valid, stale, updates, ends, waiting, time = {}, set(), [], [], 0, 0
    while time <= marks[-1] or stale or waiting:
        address = operations.get(time)
        register = None if address is None else address % depth
        if waiting and not stale:
            ends.append(time)
            waiting -= 1
        same = register is not None and valid.get(register) == address
        replaces = register in valid and not same
        removed = min(stale) if stale and not replaces else None
        if replaces or removed is not None:
            updates.append((time, (register if replaces else removed) % 2))
        valid.pop(removed, None)
        stale.discard(removed)
        if register is not None:
            valid[register] = address
            if not same or register == removed:
                stale.discard(register)
        if time in marks:
            stale, waiting = set(valid), waiting + 1
        time += 1
    return updates, ends


class Operations:
    """Operations of an input row, each an event of its own, in place of a `WorkTable`."""

    def __init__(self, depth, pe, address):
        self.psum_depth, self._pe, self._address = depth, pe, address

    def operations(self, events):
        return self._pe, np.arange(len(self._pe)), np.zeros_like(self._pe), self._address

    def sums(self, events):
        places = np.unique(self._pe * self.psum_depth + self._address % self.psum_depth)
        return np.bincount(places // self.psum_depth, minlength=2)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_updates_of_accumulators_equal_those_of_the_registers(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    depth, reach, longest = (data.draw(st.sampled_from(values)) for values in ((4, 16), (8, 40), (3, 30)))
    n_pes, n_rows, gap = 2, data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1, 12]))
    rows, marks, clocks = [], [[] for _ in range(n_pes)], [rng.integers(3, 9) for _ in range(n_pes)]
    given_to = [{} for _ in range(n_pes)]
    for _ in range(n_rows):
        pe = np.sort(rng.integers(0, n_pes, rng.integers(0, longest)))
        address, times = rng.integers(0, reach, len(pe)), np.zeros((len(pe), n_pes), np.int64)
        for index, (p, a) in enumerate(zip(pe.tolist(), address.tolist(), strict=True)):
            clocks[p] += rng.integers(1, gap + 1)
            times[index], given_to[p][int(clocks[p])] = clocks[p], a
        clocks = [clock + rng.integers(1, gap + 1) for clock in clocks]
        for p, clock in enumerate(clocks):
            marks[p].append(int(clock))
        rows.append(InputRow(None, Operations(depth, pe, address), times - 3, np.array(clocks) - 2))
    for before, row in zip([None, *rows], rows, strict=False):
        row.follow(before)
    rows[-1].leave()
    expected = [updates_cycle_by_cycle(depth, *one) for one in zip(given_to, marks, strict=True)]
    for p, (updates, _) in enumerate(expected):
        found = np.concatenate([part[1:, part[0] == p] for row in rows for part in (row.replaced, row.left)], axis=1)
        assert sorted(found.T.tolist()) == [list(update) for update in updates]
    end = max(ends[-1] for _, ends in expected) + 1
    banks = Updates(rows, 0, n_pes, 0, end)
    assert banks.done == max(ends[0] for _, ends in expected) + 1
    for time, bank in ((time, bank) for time in range(end) for bank in (0, 1)):
        free = [min({*range(time, end + 1)} - {at for at, of in updates if of == bank}) for updates, _ in expected]
        assert banks.free(time, bank, n_pes) == max(free)


def draw_network(data, rng):
    """A convolution of any geometry, a pool and a linear layer."""
    rows, cols, chans = data.draw(st.tuples(st.integers(5, 9), st.integers(5, 9), st.integers(1, 40)))
    kernel = data.draw(st.integers(1, 3))
    stride, pad = (data.draw(st.integers(low, high)) for low, high in ((1, 2), (0, kernel - 1)))
    couts, density = data.draw(st.integers(1, 21)), data.draw(st.sampled_from([1.0, 0.4]))
    bits = data.draw(st.sampled_from([8, 4]))
    conv = networks.conv(
        rng, "conv", INPUT, chans, couts, (kernel, kernel), stride=(stride, stride), pad=(pad,) * 4, density=density, bits=bits
    )
    pool = networks.pool(MAXPOOL, "pool", "conv", couts, (2, 2), stride=(1, 1), bits=bits)
    size = int(np.prod(pool.output_shape(conv.output_shape((rows, cols, chans)))))
    return networks.network([conv, pool, networks.linear(rng, "fc", "pool", size, 7, low=0)], (rows, cols, chans))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_events_and_macs_equal_those_of_the_reference(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    network = draw_network(data, rng)
    inputs = networks.inputs(rng, network, 2, data.draw(st.sampled_from([0.0, 0.2, 1.0])))
    small, n_cores = data.draw(st.booleans(), label="small memories"), data.draw(st.sampled_from([1, 1, 2, 4]), label="cores")
    sizes = {"weight_depth": 64, "mask_depth": 64, "acc_depth": 64} if small else {}
    config = preset("tiny", acc_width=26, n_cores=n_cores, **sizes)
    program = compile_network(network, config)
    expected = reference.run(network, inputs).counts
    for layer, plan in zip(predict(program, inputs), program.layers, strict=True):
        assert layer.macs == expected[layer.name].effectual_macs.sum()
        events = expected[layer.name].events.sum() * plan.event_visits
        if n_cores == 1:  # else cores read rows that they share with others
            # Rows behind the last window are not read.
            assert layer.events <= events if network.layer(layer.name).stride > (1, 1) else layer.events == events
        assert layer.cycles >= layer.macs / config.total_lanes


@pytest.mark.parametrize("weight_depth", [1024, 64])
def test_every_beat_of_the_body_belongs_to_a_layer(weight_depth):
    rng = np.random.default_rng(5)
    layers = [networks.conv(rng, "conv", INPUT, 20, 30, (3, 3)), networks.linear(rng, "fc", "conv", 270, 10, low=0)]
    program = compile_network(networks.network(layers, (5, 5, 20)), preset("tiny", acc_width=26, weight_depth=weight_depth))
    beats = program_beats(program)
    assert len(beats) == 2
    assert sum(beats) == program.body_beats


def counts_and_cycles(layers, shape, density, config=TINY):
    network = networks.network(layers, shape)
    x = networks.inputs(np.random.default_rng(3), network, 2, density)
    expected = reference.run(network, x).counts
    predicted = predict(compile_network(network, config), x)
    assert [layer.macs for layer in predicted] == [expected[layer.name].effectual_macs.sum() for layer in predicted]
    return predicted


def test_all_inputs_of_a_concatenation_count():
    rng = np.random.default_rng(3)
    layers = [networks.conv(rng, "a", INPUT, 3, 5, (1, 1)), networks.concat(rng, "c", ["a", INPUT, "a"], 13)]
    joined = counts_and_cycles(layers, (2, 3, 3), 1.0)[1]
    assert joined.events == joined.macs > 0


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("kernel", "pad"), [(1, 1), (1, 3), (3, 3), (5, 4)])
def test_first_rows_that_see_padding_only(rows, kernel, pad):
    """They fill the ring of accumulators before any input row is read."""
    rng = np.random.default_rng(kernel)
    counts_and_cycles([networks.conv(rng, "c", INPUT, 4, 8, (kernel, kernel), pad=(pad,) * 4)], (rows, 120, 4), 0.3)


def test_layers_that_see_padding_only_are_predicted():
    rng = np.random.default_rng(1)
    counts_and_cycles([networks.conv(rng, "c", INPUT, 2, 3, (1, 1), stride=(2, 2), pad=(1, 1, 1, 1))], (1, 1, 2), 1.0)


def test_a_core_without_events_is_refused():
    config = preset("plain")
    network = networks.network([networks.linear(np.random.default_rng(1), "f", INPUT, 4, 3)], (1, 1, 4))
    with pytest.raises(ModelError, match="does not cover cores without zero-skipping"):
        predict(compile_network(network, config), np.ones((1, 1, 1, 4), np.int8))


def test_a_program_for_streams_is_refused():
    network = networks.network([networks.linear(np.random.default_rng(1), "f", INPUT, 4, 3)], (1, 1, 4))
    with pytest.raises(ModelError, match="does not cover programs for streams"):
        predict(compile_network(network, preset("stream"), saved={"f": 1.0}), np.ones((1, 1, 1, 4), np.int8))


def test_fewer_activations_and_a_faster_memory_take_fewer_cycles():
    network = ConvSpec(cin=8, cout=8, kernel=3, size=6).network(1)
    program = compile_network(network, TINY)
    rng = np.random.default_rng(1)
    sparse, dense = (networks.inputs(rng, network, 1, density) for density in (0.2, 1.0))
    cycles = [predict(program, acts, latency=latency)[0].cycles for acts, latency in ((sparse, 4), (sparse, 200), (dense, 200))]
    assert cycles == sorted(cycles)
    assert len(set(cycles)) == 3


LAYERS = (
    model.SyntheticLayer(layer=ConvSpec(cin=8, cout=8, kernel=3, size=8, pad=1), density=0.5),
    model.SyntheticLayer(layer=ConvSpec(cin=5, cout=12, kernel=3, size=6, stride=2, weight_density=0.5), density=0.7),
)


@pytest.mark.parametrize("dense", [False, True])
def test_cycles_come_close_to_those_of_the_rtl(dense):
    result = model.validate_model(model.synthetic_cases(1, LAYERS), TINY, dense=dense)
    assert [point.network for point in result.points] == [
        "8-8 3x3 to 8x8, density 50%", "5-12 3x3 stride 2 to 6x6, density 70%, weights 50%",
    ]  # fmt: skip
    assert all(abs(point.error) < 0.05 for point in result.points), result.points
    median, worst = result.targets
    assert median.value <= worst.value == max(abs(point.error) for point in result.points)


def a_join_behind_a_slow_memory():
    """Small rows, more bursts than may be under way, maps that are read while they are written, weights loaded meanwhile."""
    rng = np.random.default_rng(4)
    layers = [
        networks.conv(rng, "a", INPUT, 2, 6, (3, 3), stride=(2, 1), pad=(2, 1, 2, 1), dilation=(1, 3)),
        networks.concat(rng, "b", ["a", "a", "a"], 18),
        networks.conv(rng, "c", "b", 18, 24, (2, 2), groups=6, density=0.6),
        networks.add(rng, "d", ["c", "c"], 24),
        networks.linear(rng, "f", "d", 24 * 8 * 11, 12, density=0.3),
    ]
    return networks.network(layers, (17, 15, 2))


@pytest.mark.parametrize("density", [0.0, 0.6])
@pytest.mark.parametrize(
    ("config", "latency", "cold"), [(TINY, 2, True), (TINY, 200, False), (PAIR, 32, False), (PAIR, 200, True)]
)
def test_cycles_behind_any_memory_come_close_to_those_of_the_rtl(config, latency, cold, density):
    network = a_join_behind_a_slow_memory()
    x = networks.inputs(np.random.default_rng(5), network, 2, density)
    run = cosim(network, x, config=config, options=RunOptions(bus=Bus(latency=latency), energy=False, cold=cold))
    predicted = predict(compile_network(network, config, cold=cold), x, latency=latency)
    for layer, one in zip(run.layers, predicted, strict=True):
        assert (one.events, one.macs) == (layer.events, layer.counters["macs"])
        assert abs(one.cycles / layer.cycles - 1) < 0.05, (layer.name, layer.cycles, one.cycles)


def test_items_for_themselves_on_a_core_with_state():
    """It has two more stages behind the array; nothing else differs."""
    network = a_join_behind_a_slow_memory()
    x = networks.inputs(np.random.default_rng(6), network, 2, 0.5)
    options = RunOptions(bus=Bus(latency=32), energy=False, simulator="loop")
    run = cosim(network, x, config=KEEPING, options=options)
    predicted = predict(compile_network(network, KEEPING), x, latency=32)
    assert [abs(one.cycles - layer.cycles) <= 2 for layer, one in zip(run.layers, predicted, strict=True)] == [True] * 5, (
        predicted
    )


@pytest.mark.parametrize("latency", [2, 200])
def test_records_of_later_items_lie_otherwise_between_the_ends_of_bursts(latency):
    rng = np.random.default_rng(1)
    network = networks.network([networks.conv(rng, "c", INPUT, 103, 5, (1, 1))], (4, 3, 103))
    x = np.repeat(networks.inputs(rng, network, 1, 0.3), 3, axis=0)
    program = compile_network(network, PAIR)
    assert program.input_stride % (BURST_BEATS * PAIR.beat_bytes)
    run = cosim(network, x, config=PAIR, options=RunOptions(bus=Bus(latency=latency), energy=False))
    assert abs(predict(program, x, latency=latency)[0].cycles - run.layers[0].cycles) <= 1


@pytest.mark.parametrize(
    ("first", "n"),
    [
        (1, 3),
        pytest.param(139, 1, id="sums held by a single PE"),
        pytest.param(247, 1, id="banks that operations keep busy"),
        pytest.param(271, 1, id="bursts of rows of uneven density"),
    ],
)
def test_random_networks_come_close_to_the_rtl(first, n):
    result = random_model.validate_random(TINY, n, first)
    assert (result.networks, result.refused) == (n, 0)
    assert {point.seed for point in result.points} <= {*range(first, first + n)}
    assert result.points
    assert all(abs(point.error) < 0.02 and point.cycles > random_model.LEAST_CYCLES for point in result.points), result.points


@pytest.mark.parametrize(
    ("config", "seed"),
    [
        pytest.param(TINY, 555, id="sums held up beside the operations of later rows"),
        pytest.param(TINY, 1441, id="records not read while the rows of a map are told apart"),
        pytest.param(PAIR, 205, id="a start of both cores"),
    ],
)
def test_random_networks_that_are_predicted_to_the_cycle(config, seed):
    result = random_model.validate_random(config, 1, seed)
    assert result.points
    assert all(point.cycles == point.predicted for point in result.points), result.points


def test_a_model_of_another_core_is_refused(monkeypatch):
    original = model.predict
    monkeypatch.setattr(model, "predict", lambda program, inputs, **options: original(program, 0 * inputs, **options))
    with pytest.raises(CoreError, match="counts other events or MACs"):
        model.validate_model(model.synthetic_cases(1, LAYERS[:1]), TINY)
