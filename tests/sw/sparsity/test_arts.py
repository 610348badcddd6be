"""The closed loop and the grid: what they ask for, given qualities and work."""

from math import inf

import pytest

from quiesce.sw.sparsity import ActivationPenalty, Arts, FixedGrid, MethodError, Metrics, Verdict

KEEP, ROLL_BACK, MARK, RESTART, NONE = Verdict.KEEP, Verdict.ROLL_BACK, Verdict.MARK, Verdict.RESTART, Verdict.NONE


def metrics(epoch, quality, work):
    return Metrics(epoch=epoch, loss=0.0, quality=quality, work=work, events=work)


def arts(coefficient=1.0, **changes):
    settings = {"tolerance": 0.01, "dense": 2, "search": 6, "recovery": 2, "up": 2.0, "down": 0.5, "patience": 2, "failures": 2}
    return Arts(ActivationPenalty("l1", coefficient), **settings | changes)


def run(method, outcomes, first=1):
    """Verdicts, and coefficients during each epoch, for (quality, work) after each epoch."""
    verdicts, coefficients = [], []
    for epoch, outcome in enumerate(outcomes, first):
        method.begin_step(epoch - 0.5)
        coefficients.append(method.penalty.coefficient)
        verdicts.append(method.epoch_end(metrics(epoch, *outcome)))
    return verdicts, coefficients


def test_coefficient_follows_quality():
    method = arts()
    assert method.begin(metrics(0, 0.1, 500)) == NONE
    verdicts, coefficients = run(method, [
        (0.90, 400), (0.89, 300),   # dense: the baseline is the better one
        (0.90, 200), (0.895, 100),  # better twice
        (0.89, 110),                # allowed, no progress
        (0.80, 50), (0.80, 50),     # too bad twice: back to the second
        (0.89, 90),
        (0.893, 70), (0.85, 60),    # recovery
    ])  # fmt: skip
    assert verdicts == [NONE, KEEP, KEEP, KEEP, NONE, NONE, ROLL_BACK, KEEP, KEEP, NONE]
    assert coefficients == [0, 0, 1, 2, 4, 4, 2, 1, 1, 1]
    assert method.baseline == 0.90
    assert method.factor == 1.5  # shrunk by the roll-back
    assert method.coefficient == 1.5


def test_plateaus_raise_the_coefficient_too():
    method = arts(dense=0, tolerance=0.1)
    assert method.begin(metrics(0, 0.9, 100)) == KEEP
    verdicts, coefficients = run(method, [(0.9, 150)] * 5)
    assert verdicts == [NONE] * 5
    assert coefficients == [1, 1, 2, 2, 4]


def test_given_baseline_and_free_recovery():
    method = arts(dense=0, search=1, baseline=0.95, hold=0.0)
    method.begin(metrics(0, 0.9, 100))
    verdicts, coefficients = run(method, [(0.90, 50), (0.945, 60), (0.945, 55)])
    assert verdicts == [NONE, KEEP, KEEP]
    assert coefficients == [1, 0, 0]


def test_a_later_phase_may_end_as_it_began():
    method = arts(dense=0, search=1)
    method.begin(metrics(0, 0.9, 100))
    run(method, [(0.9, 50)])
    assert method.begin(metrics(1, 0.89, 55)) == KEEP
    assert run(method, [(0.88, 40), (0.9, 60), (0.9, 50)], first=2)[0] == [NONE, NONE, KEEP]
    assert method.begin(metrics(4, 0.88, 45)) == NONE


def test_a_later_phase_keeps_its_own_best():
    method = arts()
    run(method, [(0.9, 100)] * 4)
    assert method.begin(metrics(4, 0.5, 100)) == NONE
    assert method.best_work == inf
    assert run(method, [(0.9, 500)], first=5)[0] == [KEEP]


@pytest.mark.parametrize("cut", range(1, 9))
def test_state_is_complete(cut):
    outcomes = [(0.9, 400), (0.9, 300), (0.9, 200), (0.8, 100), (0.8, 110), (0.9, 150), (0.9, 160), (0.9, 99), (0.9, 90)]
    whole = run(arts(), outcomes)
    first, second = arts(), arts()
    begun = run(first, outcomes[:cut])
    second.load_state_dict(first.state_dict())
    ended = run(second, outcomes[cut:], first=cut + 1)
    assert (begun[0] + ended[0], begun[1] + ended[1]) == whole
    with pytest.raises(MethodError, match="state"):
        second.load_state_dict({})


@pytest.mark.parametrize("bad", [{"up": 1.0}, {"down": 1.0}, {"shrink": 0}, {"tolerance": -1}, {"tolerance": float("nan")},
                                 {"baseline": float("nan")}, {"search": 0}, {"patience": 0}])  # fmt: skip
def test_bad_schedules(bad):
    with pytest.raises(MethodError):
        arts(**bad)
    with pytest.raises(MethodError):
        arts(coefficient=0.0)


def test_grid():
    method = FixedGrid(ActivationPenalty("l1", 0.0), coefficients=[1.0, 2.0, 4.0], tolerance=0.01, share=2, dense=1)
    assert method.epochs == 7
    outcomes = [(0.9, 100), (0.9, 10), (0.9, 50), (0.9, 5), (0.895, 30), (0.8, 20), (0.8, 20), (0.9, 40)]
    verdicts, coefficients = run(method, outcomes)
    assert verdicts == [MARK | KEEP, NONE, KEEP | RESTART, NONE, KEEP | RESTART, NONE, NONE, NONE]
    assert coefficients == [0, 1, 1, 2, 2, 4, 4, 2]
    assert "1, 2, 4" in method.describe()
    other = FixedGrid(ActivationPenalty("l1", 0.0), coefficients=[1.0, 2.0, 4.0], tolerance=0.01, share=2, dense=1)
    other.load_state_dict(method.state_dict())
    assert other.scalars()["baseline"] == 0.9
    without = FixedGrid(ActivationPenalty("l1", 0.0), coefficients=[1.0], tolerance=0.0, share=1)
    assert without.begin(metrics(0, 0.9, 10)) == MARK | KEEP
    for bad in ({"coefficients": []}, {"coefficients": [0.0]}, {"share": 0}, {"tolerance": -1}):
        with pytest.raises(MethodError):
            FixedGrid(ActivationPenalty("l1", 0.0), **{"coefficients": [1.0], "tolerance": 0.0, "share": 1} | bad)
