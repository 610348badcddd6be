"""Figures of training steps: every way to train takes steps, and what they allocate is what tensors say."""

import pytest
import torch

from quiesce.bench.memory import peak_bytes
from quiesce.bench.steps import CONTENDERS, PLAIN, measure_steps
from quiesce.sw.train.errors import RecipeError

CPU = torch.device("cpu")


def test_all_ways_to_train_take_steps():
    found = measure_steps(["mlp3"], list(CONTENDERS), batch=4, repeat=1)
    assert [(one.model, one.contender) for one in found] == [("mlp3", name) for name in (PLAIN, *CONTENDERS)]
    assert all(one.seconds > 0 and one.ratio == one.seconds / found[0].seconds for one in found)
    assert found[0].ratio == found[0].memory_ratio == 1
    n_weights = 784 * 300 + 300 * 100 + 100 * 10 + 410
    assert all(one.peak_bytes > 4 * n_weights for one in found)  # their gradients


@pytest.mark.parametrize("model", ["convnet5", "segmenter"])
def test_bfloat16_and_maps_of_classes(model):
    names = ["tl1", "hoyer", "balance", "winners", "fatrelu"]
    found = measure_steps([model], names, batch=2, repeat=1, bfloat16=True)
    assert [one.contender for one in found] == [PLAIN, *names]


def test_a_penalty_keeps_nothing_as_large_as_the_activations():
    plain, penalised = measure_steps(["resnet20"], ["tl1"], batch=16, repeat=1)
    assert penalised.peak_bytes < 1.05 * plain.peak_bytes


def test_unknown_names():
    with pytest.raises(RecipeError, match="'lenet6' is not one of lenet4"):
        measure_steps(["lenet6"], [])
    with pytest.raises(RecipeError, match="'l2' is not one of trainer, l1"):
        measure_steps(["mlp3"], ["l2"])


def test_peak_bytes():
    given = torch.zeros(1000)

    def work():
        held = given + 1  # 4,000 bytes
        given.add_(1)  # none
        held.view(10, 100)  # none
        for _ in range(3):
            (held * 2).sum()  # 4,000 and 4, each time anew
        return held

    assert peak_bytes(work, CPU) == 8004
    weight = torch.zeros(1000, requires_grad=True)
    assert peak_bytes(lambda: (weight * 2).sum().backward(), CPU) >= 4000
