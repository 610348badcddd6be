"""The vocabulary: attaching, combining, and what a method leaves behind."""

import pytest
import torch
from torch import nn

from quiesce.sw.sparsity import ActivationPenalty, Method, MethodError, Metrics, Verdict, combine

METRICS = Metrics(epoch=1, loss=1.0, quality=0.9, work=10.0, events=5.0)


class Recorder(Method):
    """Writes down what happens to it."""

    def __init__(self, name, log, verdict=Verdict.NONE, fails=False):
        super().__init__()
        self.name, self.log, self.verdict, self.fails, self.count = name, log, verdict, fails, torch.tensor(0)

    def _attach(self, module):
        self._hold(module.register_forward_hook(lambda *_: self.log.append(f"{self.name} sees")))
        if self.fails:
            raise MethodError("no")
        self.log.append(f"{self.name} on")

    def _detach(self, module):
        self.log.append(f"{self.name} off")

    def loss(self):
        return torch.tensor(1.5)

    def epoch_end(self, metrics):
        self.count = self.count + metrics.epoch
        return self.verdict

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]

    def scalars(self):
        return {"count": float(self.count)}

    def describe(self):
        return f"{self.name} counts."


def test_life_of_a_method():
    module, log = nn.Linear(2, 2), []
    method = Recorder("a", log)
    with pytest.raises(MethodError, match="Recorder is not attached"):
        _ = method.module
    method.detach()  # nothing to do
    with method.attached(module):
        assert method.module is module
        with pytest.raises(MethodError, match="attached already"):
            method.attach(module)
        module(torch.zeros(1, 2))
    module(torch.zeros(1, 2))
    assert log == ["a on", "a sees", "a off"]
    assert not module._forward_hooks


def test_a_failed_attachment_leaves_no_trace():
    module, log = nn.Linear(2, 2), []
    both = combine(Recorder("a", log), Recorder("b", log, fails=True))
    with pytest.raises(MethodError, match="no"):
        both.attach(module)
    assert not module._forward_hooks
    assert log == ["a on", "b off", "a off"]
    with pytest.raises(MethodError, match="not attached"):
        _ = both.module


def test_combination():
    module, log = nn.Linear(2, 2), []
    both = combine(Recorder("a", log, Verdict.KEEP), Recorder("b", log, Verdict.STOP))
    with both.attached(module):
        assert both.loss().item() == 3.0
        assert both.epoch_end(METRICS) == Verdict.KEEP | Verdict.STOP
    assert log == ["a on", "b on", "b off", "a off"]
    assert both.scalars() == {"count": 1.0, "count_1": 1.0}
    assert both.describe() == "a counts. b counts."
    contrary = combine(Recorder("a", log, Verdict.KEEP), Recorder("b", log, Verdict.ROLL_BACK))
    assert contrary.epoch_end(METRICS) == Verdict.ROLL_BACK
    single = Recorder("a", log)
    assert combine(single) is single
    assert combine().loss() is None


def test_state_of_a_combination():
    first, second = (combine(Recorder("a", []), Recorder("b", []), ActivationPenalty("l1", 1.0)) for _ in range(2))
    first.epoch_end(METRICS)
    assert set(first.state_dict()) == {"0.count", "1.count"}
    second.load_state_dict(first.state_dict())
    assert second.scalars() == first.scalars()
    with pytest.raises(MethodError, match="'7.count' belongs to none"):
        second.load_state_dict({"7.count": torch.tensor(1)})
    with pytest.raises(MethodError, match="has no state 'count'"):
        ActivationPenalty("l1", 1.0).load_state_dict({"count": torch.tensor(1)})
