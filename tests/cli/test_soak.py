"""``quiesce soak``: options, table and exit status, on cases made by hand."""

import pytest

from quiesce.sim.soak import campaign
from quiesce.sim.soak.case import Outcome, Trial
from quiesce.sim.soak.case_file import CaseRecord
from quiesce.sim.soak.cores import POOL
from quiesce.spec.config import PRESETS


def record(seed, core, outcome=Outcome.EXACT, message="", smallest=()):
    trial = Trial(outcome=outcome, message=message, layers=3, items=2, cycles=2_000_000, seconds=1.5)
    return CaseRecord(seed=seed, core=core, trial=trial, smallest=smallest)


@pytest.fixture
def calls(monkeypatch):
    made = []

    def run(folder, seeds, cores, *, jobs, progress):
        made.append((folder, list(seeds), dict(cores), jobs))
        return [record(seed, "tiny") for seed in seeds]

    monkeypatch.setattr(campaign, "soak", run)
    return made


def test_all_exact(quiesce, calls, tmp_path):
    result = quiesce("soak", "--n", "3", "--seed", "40", "--core", "tiny", "--jobs", "2", "--out", tmp_path)
    assert result.exit_code == 0
    assert calls == [(tmp_path, [40, 41, 42], {"tiny": PRESETS["tiny"]}, 2)]
    assert "3 of 3 networks bit-exact, 0 failed" in result.stdout
    assert "6.0" in result.stdout


def test_the_pool_is_the_default(quiesce, calls, tmp_path):
    assert quiesce("soak", "--out", tmp_path).exit_code == 0
    assert tuple(calls[0][2]) == POOL and len(calls[0][1]) == 300


def test_failures_are_shown_with_their_command(quiesce, monkeypatch, tmp_path):
    failed = record(7, "random3", Outcome.FAILED, "4 outputs differ", ("input (1, 1, 1, 1)", "layer0: conv"))
    refused = record(8, "tiny", Outcome.REFUSED, "too wide")
    monkeypatch.setattr(campaign, "soak", lambda *args, **options: [record(6, "tiny"), failed, refused])
    result = quiesce("soak", "--out", tmp_path)
    assert result.exit_code == 1
    assert "quiesce soak --seed 7 --n 1 --core random3 --out DIR: 4 outputs differ\n    input (1, 1, 1, 1)\n" in result.stdout
    assert "1 of 3 networks bit-exact, 1 failed" in result.stdout


def test_bad_input(rejects, tmp_path):
    assert "core: 'huge' is neither" in rejects("soak", "--core", "huge", "--out", tmp_path)
    assert "--jobs 0: not a number of jobs" in rejects("soak", "--jobs", 0, "--out", tmp_path)
    assert "--out" in rejects("soak")
