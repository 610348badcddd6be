"""Soak: the generator's range, random networks bit for bit on the RTL, and how it goes on, fails and makes failures smaller."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.soak import campaign, case, case_file, cores
from quiesce.sim.soak.case import Outcome, Trial, case_of, draw_case, run_case
from quiesce.sim.soak.directed import directed_cases
from quiesce.sim.soak.draws import Draws
from quiesce.sim.soak.networks import Limits
from quiesce.sim.soak.shrink import shrink
from quiesce.spec.config import PRESETS, ConfigError, preset
from quiesce.sw import reference
from quiesce.sw.compiler import CompileError
from quiesce.sw.files import FileError
from quiesce.sw.format.ops import CONV, MAXPOOL
from tests.sim.cores import PLAIN, SMALL, WINNERS

POOL = {"winners": WINNERS, "plain": PLAIN, "two": replace(SMALL, n_cores=2)}
FEW = Limits(counted=0, layers=3, chans=24, cells=800, cycles=1000)


def test_networks_are_bit_exact(tmp_path):
    found = campaign.soak(tmp_path, range(300), POOL, limits=Limits(counted=0), jobs=2)
    failed = [(one.seed, one.core, one.trial.message, one.smallest) for one in found if one.trial.outcome is Outcome.FAILED]
    assert not failed
    assert {one.core for one in found} == set(POOL)
    assert sum(one.trial.outcome is Outcome.REFUSED for one in found) < 15


@pytest.mark.parametrize("name", POOL)
def test_directed_cases_are_bit_exact(name):
    trials = [run_case(case, POOL[name]) for case in directed_cases(POOL[name])]
    assert all(trial.outcome is not Outcome.FAILED for trial in trials), trials
    assert name == "two" or all(trial.outcome is Outcome.EXACT for trial in trials)


def test_an_activation_meets_all_positions():
    """A mask word with all bits set needs one that as many weights multiply."""
    network = directed_cases(WINNERS)[0].network
    (layer,) = network.layers
    assert layer.op.fan_out(layer, [network.input.shape], 0).max() == WINNERS.mask_width


def test_a_seed_is_a_case():
    first, again, other = (case_of(seed, WINNERS) for seed in (5, 5, 6))
    assert repr(first) == repr(again) != repr(other)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    for one, two in zip(first.network.layers, again.network.layers, strict=True):
        np.testing.assert_array_equal(one.weight, two.weight)
        np.testing.assert_array_equal(one.multiplier, two.multiplier)


def test_the_simplest_case_is_one_dense_layer():
    simplest = draw_case(Draws(lambda n: 0), WINNERS)
    (layer,) = simplest.network.layers
    assert layer.op is CONV and layer.kernel == (1, 1) and layer.winners == 0
    assert simplest.inputs.shape == (1, 1, 1, 1) and simplest.inputs.all()


def test_cases_reach_every_corner():
    """What a core treats apart occurs in a few hundred cases, not by the hundredth only."""
    seen: Counter[str] = Counter()
    for seed in range(400):
        one = case_of(seed, WINNERS)
        net, shapes = one.network, one.network.shapes()
        options = one.options
        seen.update(
            [f"dense {options.dense}", f"cold {options.cold}", f"latency {options.bus.latency}", f"gap {options.bus.gap}"]
        )
        seen["several images"] += len(one.inputs) > 1
        seen["a black image"] += any(not image.any() for image in one.inputs)
        seen["black first rows"] += not one.inputs[:, 0].any() and one.inputs.any()
        for layer in net.layers:
            shape = shapes[layer.inputs[0]]
            seen[layer.op.name] += 1
            seen["depthwise"] += layer.groups == shape[2] > 1
            seen["multiplied depthwise"] += layer.groups == shape[2] > 1 and layer.cout > layer.groups
            seen["groups"] += 1 < layer.groups < shape[2]
            seen["winners"] += 0 < layer.winners < layer.cout
            seen["signed"] += layer.low < 0
            seen["threshold"] += layer.threshold > 0
            seen[f"{layer.bits} bits"] += 1
            seen["wide kernel"] += layer.kernel[1] > shape[1]
            seen["long kernel"] += layer.kernel[0] > 16 or layer.kernel[1] > 16
            seen["dilation"] += max(layer.dilation) > 1
            seen["far stride"] += max(layer.stride) > 4
            seen["beyond a plane"] += layer.cout > 64
            seen["widest shift"] += int(layer.shift.max()) == 47
            seen["narrow and wide"] += layer.op.joins and len({net.bits(name) for name in layer.inputs}) > 1
            if layer.weight is not None and layer.op.weighted:
                seen[f"{layer.weight_bits} bits of weights"] += 1
                seen["no weights"] += not layer.weight.any()
                seen["all weights"] += bool(layer.weight.all())
            if layer.op is CONV:
                top, bottom = layer.pad[:2]
                extent = (layer.kernel[0] - 1) * layer.dilation[0] + 1
                seen["rows of padding"] += extent <= max(top, bottom)
    rare = {what: count for what, count in seen.items() if count < 4}
    assert not rare
    assert len(seen) > 40


def test_maps_are_of_all_densities():
    maps = []
    for seed in range(100):
        one = case_of(seed, WINNERS)
        maps += [float((acts != 0).mean()) for acts in reference.run(one.network, one.inputs).activations.values()]
    share = np.histogram(maps, [0.0, 1e-9, 0.1, 0.4, 0.9, 1.1])[0] / len(maps)
    assert (share > 0.05).all() and (share < 0.5).all(), share


def test_random_cores_take_every_value():
    pool = [cores.random_core(index).to_dict() for index in range(10)]
    assert cores.random_core(3) == cores.random_core(3)
    for field, values in {
        "n_lanes": {1, 2, 4, 8}, "data_width": {64, 128}, "mask_width": {16, 32, 64}, "detector_width": {16, 32, 64},
        "psum_depth": {4, 8, 16, 32}, "zero_skipping": {0, 1}, "post_units": {1, 2, 4, 8},
        "ram_check": {0, 1, 2}, "record_check": {0, 1},
    }.items():  # fmt: skip
        assert {core[field] for core in pool} >= values, field
    assert max(core["n_cores"] for core in pool) == 8
    assert sum(core["winner_depth"] > 0 for core in pool) >= 3
    for index in range(500):
        cores.random_core(index)


def test_names_of_cores():
    assert cores.core_of("tiny") == PRESETS["tiny"]
    assert cores.core_of("random7") == cores.random_core(7)
    assert all(cores.core_of(name) for name in cores.POOL)
    for name in ("small", "random", "random-1", "random99999999"):
        with pytest.raises(ConfigError, match="core: "):
            cores.core_of(name)


@pytest.fixture
def outcomes(monkeypatch):
    """Cases end without any simulation: those with an even seed are exact."""
    calls = []

    def run(one, config):
        calls.append(one)
        failed = len(calls) == 2
        return Trial(outcome=Outcome.FAILED if failed else Outcome.EXACT, message="it differs" * failed, layers=1, items=1)

    monkeypatch.setattr(campaign, "run_case", run)
    monkeypatch.setattr(campaign, "shrink", lambda one, fails: one)
    monkeypatch.setattr(campaign, "build_simulator", lambda verilog, main: None)
    monkeypatch.setattr(campaign, "core_text", lambda config: replace(config, n_pes=1) and type("Text", (), {"verilog": ""}))
    return calls


def test_a_soak_goes_on_where_it_was(tmp_path, outcomes):
    told = []
    first = campaign.soak(tmp_path, range(5), POOL, limits=FEW, progress=told.append)
    assert len(outcomes) == len(told) == len(first) == 5
    lines = (tmp_path / case_file.CASES_FILE).read_text().splitlines(keepends=True)
    (tmp_path / case_file.CASES_FILE).write_text("".join(lines[:-1]) + lines[-1][:20])  # killed while writing
    again = campaign.soak(tmp_path, range(7), POOL, limits=FEW)
    assert len(outcomes) == 5 + 1 + 2
    assert again[:4] == first[:4]
    assert campaign.soak(tmp_path, range(7), POOL, limits=FEW) == again
    assert len(outcomes) == 8
    assert sum(one.networks for one in case_file.summarize(again)) == 7
    (failed,) = [one for one in again if one.trial.outcome is Outcome.FAILED]
    assert failed.trial.message == "it differs" and failed.smallest
    assert (tmp_path / f"{failed.core}-{failed.seed}.safetensors").exists()
    assert [one.failed for one in case_file.summarize(again) if one.core == failed.core] == [(failed.seed,)]


def test_folders_are_not_mixed_up(tmp_path, outcomes):
    campaign.soak(tmp_path, range(2), POOL, limits=FEW)
    for pool, limits in ((POOL, None), ({"winners": WINNERS}, FEW)):
        with pytest.raises(SimError, match="of other cores, limits or sources"):
            campaign.soak(tmp_path, range(2), pool, limits=limits)


def test_a_core_that_does_not_build_fails_its_cases(tmp_path, outcomes, monkeypatch):
    def build(verilog, main):
        raise SimError("a wire of no bits")

    monkeypatch.setattr(campaign, "build_simulator", build)
    (one,) = campaign.soak(tmp_path, [0], {"winners": WINNERS}, limits=FEW)
    assert one.trial.outcome is Outcome.FAILED and "does not build: a wire of no bits" in one.trial.message
    assert not outcomes


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(CompileError("too wide"), Outcome.REFUSED), (CoreError("no interrupt"), Outcome.FAILED), (KeyError("x"), Outcome.FAILED)],
)
def test_errors_have_an_outcome(monkeypatch, error, outcome):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(case, "cosim", fail)
    trial = run_case(case_of(0, WINNERS), WINNERS)
    assert trial.outcome is outcome and str(error) in trial.message and trial.cycles == 0


def test_failures_become_smaller():
    def fails(one):
        return any(layer.op is MAXPOOL for layer in one.network.layers)

    config = preset("tiny")
    checked = 0
    for seed in range(40):
        whole = case_of(seed, config)
        if len(whole.network.layers) > 2 and fails(whole):
            small = shrink(whole, fails)
            assert fails(small) and len(small.network.layers) == len(small.inputs) == 1
            assert small.options.bus.stall == 0 and not small.options.cold and not small.inputs.any()
            checked += 1
    assert checked > 2
    assert shrink(whole, lambda one: False) is whole


def test_a_damaged_line_of_the_file_is_named(tmp_path):
    head = case_file.heading({"winners": WINNERS}, FEW)
    (tmp_path / case_file.CASES_FILE).write_text(f'{head}\n{{"seed": 1}}\n')
    with pytest.raises(FileError, match="cases.jsonl, line 2: Object missing required field `core`"):
        case_file.read_records(tmp_path, head)
