"""Where state lies, and what is computed from changes if there is too little of it."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.sw.compiler import CompileError, compile_network
from quiesce.sw.compiler.schedule.network_schedule import schedule_network
from quiesce.sw.format.network import INPUT
from tests import networks

CORE = preset("tiny", acc_width=32, post_units=2, state_depth=4096)


def chain(*thresholds, chans=(3, 4, 4, 4)):
    """Three convolutions on 8 x 8 pixels, and delta thresholds of their outputs."""
    rng = np.random.default_rng(0)
    layers = []
    for index, name in enumerate("abc"):
        source = "input" if not index else "abc"[index - 1]
        layer = networks.conv(rng, name, source, chans[index], chans[index + 1], (3, 3), pad=(1, 1, 1, 1))
        layers.append(replace(layer, delta_threshold=thresholds[index] if thresholds else None))
    return networks.network(layers, (8, 8, chans[0]))


def state(network, config=CORE, **saved):
    return schedule_network(network, config, saved={"a": 1.0, "b": 1.0, "c": 1.0} | saved).state


def test_rows_of_passes_do_not_overlap_and_are_those_of_the_layers():
    network = chain(chans=(3, 6, 9, 5))
    for config in (CORE, replace(CORE, n_cores=2), replace(CORE, acc_depth=32, weight_depth=8, state_depth=16384)):
        found = state(network, config)
        assert found.changes == {INPUT, "a", "b"}
        assert found.layer_rows == {"a": 64 * 4, "b": 64 * 6, "c": 64 * 4}  # of whole groups of four lanes, two outputs each
        passes = schedule_network(network, config, saved=dict.fromkeys("abc", 1.0)).tiled.passes
        used = {core: np.zeros(config.state_rows, int) for core in range(config.n_cores)}
        for (index, core), first in found.rows.items():
            (tile,) = (tile for tile in passes[index].tiles if tile.core == core)
            pixels = len(tile.out_rows) * tile.mapping.conv.axes[1].n_out
            used[core][first : first + pixels * 2 * -(-len(tile.mapping.outs) // 4)] += 1
        assert all(rows.max() <= 1 for rows in used.values())
        assert sum(rows.sum() for rows in used.values()) == sum(found.layer_rows.values())


def test_state_goes_to_those_that_save_most_for_it():
    network, config = chain(), replace(CORE, state_depth=512)  # 256 of 384 rows
    assert state(network, config).changes == {INPUT, "a"}  # "c" would need the third 128
    assert state(network, config, a=0.1, b=0.1).changes == {"b"}
    assert state(network, replace(CORE, state_depth=256)).changes == {INPUT}
    assert state(network, replace(CORE, state_depth=128)).changes == frozenset()
    assert state(network, a=-1.0, b=0.0).changes == {"b"}
    assert state(network, a=0, b=0, c=0).changes == frozenset()


def test_those_that_hold_back_come_first():
    found = state(chain(None, None, 5), replace(CORE, state_depth=512))
    assert found.changes == {INPUT} and set(found.layer_rows) == {"a", "c"}
    with pytest.raises(CompileError, match="'a': layers with a delta threshold keep 512 outputs, beyond state_depth 256"):
        state(chain(1, 5, None), replace(CORE, state_depth=256))


def test_a_threshold_of_zero_has_state_while_there_is_room():
    assert set(state(chain(0, None, None), a=0, b=0, c=0).layer_rows) == {"a"}
    small = replace(CORE, state_depth=128)
    assert state(chain(0, None, None), small, a=0, b=0, c=0).layer_rows == {}
    assert not compile_network(chain(0, None, None), small, saved=dict.fromkeys("abc", 0.0)).holds_all
    assert compile_network(chain(0, None, None), CORE, saved=dict.fromkeys("abc", 0.0)).holds_all


def test_sums_that_may_overflow_are_not_computed_from_changes():
    network = chain(chans=(16, 2, 2, 2))
    network = replace(network, input=replace(network.input, low=-127))
    first = network.layers[0]
    reach = max(map(abs, network.accumulator_bounds(replace(first, bias=np.zeros_like(first.bias)))))
    width = int(reach).bit_length() + 1  # enough for activations, not for their changes, which reach twice as far
    assert INPUT in state(network, replace(CORE, acc_width=width + 1)).changes
    assert state(network, replace(CORE, acc_width=width)).changes == {"a", "b"}


def test_an_ordinary_program_knows_no_other_item():
    program = compile_network(chain(0, 3, None), CORE)
    assert not program.stream and program.changes == frozenset() and not any(plan.state_rows for plan in program.layers)
