"""Places and loads of weights: nothing in use is overwritten, everything is there in time, and short loads hide behind passes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.spec.config import preset
from quiesce.sw.compiler.schedule.placement import capacity, footprint, load_beats, schedule_loads

CONFIG = preset("tiny", n_pes=2, mask_depth=64, weight_depth=64, param_depth=64)


class Weights:
    """A mapping as far as its size matters: ``rows`` weight rows in each PE, ``words`` mask words, ``outs`` channels."""

    def __init__(self, rows, words, outs):
        self.config, self.outs, self.packed = CONFIG, range(outs), self
        self.values = [np.zeros((n * CONFIG.words_per_row(8), 1), np.int8) for n in rows]
        self.mask_words, self.bits = words, 8


def planned(mappings, compute, cold=False, act_beats=None):
    return schedule_loads(CONFIG, [(mapping,) for mapping in mappings], compute, act_beats or [0] * len(compute), cold=cold)


def replay(mappings, plan, n_items):
    """Execute the packets in order, each pass as late as possible, and return the waits."""
    memory = [np.full(size, -1, dtype=object) for size in capacity(CONFIG)]
    used: list[tuple[int, slice]] = []  # by the pass that may be running
    waits = 0

    def cells(base, mapping):
        return [(i, slice(int(b), int(b + n))) for i, (b, n) in enumerate(zip(base, footprint(mapping), strict=True))]

    def load(base, mapping):
        for i, part in cells(base, mapping):
            assert part.stop <= len(memory[i])
            assert not any(i == j and part.start < other.stop and other.start < part.stop for j, other in used)
            memory[i][part] = id(mapping)

    for mapping in dict.fromkeys(mappings):
        if (mapping,) in plan.resident:
            load(plan.resident[mapping,], mapping)
    for _ in range(n_items):
        for index, mapping in enumerate(mappings):
            if index == 0 and plan.wait_first:
                used, waits = [], waits + 1
            for target, beats in plan.gaps[index]:
                assert target >= index and beats > 0
                if target == index and plan.steps[index].wait:
                    used, waits = [], waits + 1
                load(plan.steps[target].base, mappings[target])
            for i, part in cells(plan.steps[index].base, mapping):
                assert (memory[i][part] == id(mapping)).all()
            used = cells(plan.steps[index].base, mapping)
    return waits


weights = st.builds(Weights, st.tuples(st.integers(0, 64), st.integers(0, 64)), st.integers(1, 64), st.integers(1, 64))


@given(st.lists(weights, min_size=1, max_size=6), st.data())
@settings(max_examples=300, deadline=None)
def test_what_a_pass_uses_is_there_and_stays(mappings, data):
    order = data.draw(st.lists(st.sampled_from(mappings), min_size=1, max_size=14))
    compute = data.draw(st.lists(st.integers(1, 300), min_size=len(order), max_size=len(order)))
    plan = planned(order, compute, data.draw(st.booleans()))
    replay(order, plan, 3)
    for index, step in enumerate(plan.steps):
        parts = [beats for gap in plan.gaps for target, beats in gap if target == index]
        assert sum(parts) == (load_beats(order[index]) if step.loads else 0)


def test_all_stay_if_they_fit():
    plan = planned([Weights((20, 30), 16, 8)] * 2 + [Weights((44, 34), 48, 8)], [10] * 3)
    assert not plan.streams and len(plan.resident) == 2


def test_a_cold_start_loads_what_later_passes_need_behind_the_first():
    first, second = Weights((20, 30), 16, 8), Weights((44, 34), 48, 8)
    plan = planned([first, second, first], [1000, 1000, 10], cold=True)
    assert not plan.resident and plan.wait_first
    assert plan.gaps == (((0, load_beats(first)),), ((1, load_beats(second)),), ())
    assert plan.cycles == load_beats(first) + 1000 + 1000 + 10


def test_halves_alternate_without_waits():
    order = [Weights((32, 32), 32, 8) for _ in range(6)]
    plan = planned(order, [1000] * 6)
    assert not plan.resident and not any(step.wait for step in plan.steps)
    assert replay(order, plan, 2) == 0
    assert plan.cycles == 6000  # all loads hidden


def test_a_mapping_larger_than_half_waits():
    order = [Weights((40, 40), 32, 8) for _ in range(3)]
    plan = planned(order, [1000] * 3)
    assert plan.cycles == pytest.approx(3000 + 3 * load_beats(order[0]))


def test_strips_share_one_load():
    first, second = Weights((30, 30), 32, 8), Weights((30, 30), 32, 8)
    plan = planned([first, second] * 4 + [Weights((60, 60), 60, 8)], [10] * 9)
    assert [step.loads for step in plan.steps] == [True, True] + [False] * 6 + [True]


def test_loads_spread_over_several_passes():
    """A long load begins as soon as its place is free, and as late as can be hidden."""
    small, large = Weights((4, 4), 2, 2), [Weights((40, 40), 40, 2) for _ in range(2)]
    order = [large[0], small, small, small, small, large[1]]
    plan = planned(order, [60] * 6)
    assert set(plan.resident) == {(small,)}
    assert [sum(beats for target, beats in gap if target == 5) for gap in plan.gaps][3:] == [load_beats(large[1]) - 120, 60, 60]
    replay(order, plan, 2)


def test_activations_take_their_share_of_the_bus():
    """As before, but the pass in front of the last reads 20 beats of activations over the bus that brings the weights."""
    small, large = Weights((4, 4), 2, 2), [Weights((40, 40), 40, 2) for _ in range(2)]
    order = [large[0], small, small, small, small, large[1]]
    plan = planned(order, [60] * 6, act_beats=[0, 0, 0, 0, 20, 0])
    assert [sum(beats for target, beats in gap if target == 5) for gap in plan.gaps][3:] == [load_beats(large[1]) - 100, 60, 40]
