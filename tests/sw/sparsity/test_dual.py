"""Dual sparse training: its stages, and each sparsity alone."""

import pytest
import torch
from torch import nn

from quiesce.sw.sparsity import Metrics, activity, dual_sparse

SETTINGS = {"dense": 1, "thinning": 2, "weight_coefficient": 3.0, "threshold": 0.05, "coefficient": 2.0, "b": 0.1}


def after(epoch):
    return Metrics(epoch=epoch, loss=0.0, quality=0.0, work=0.0, events=0.0)


def small():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))


def train(**changes):
    """Share of zero weights, mean density of the second layer's input, and which epochs had a term in the loss."""
    module, method = small(), dual_sparse(**SETTINGS | changes)
    inputs = torch.rand(64, 8, generator=torch.Generator().manual_seed(1))
    targets = inputs[:, :4] - inputs[:, 4:]
    optimiser, terms = torch.optim.Adam(module.parameters(), lr=0.01), []
    with method.attached(module):
        optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
        for epoch in range(6):
            for step in range(20):
                method.begin_step(epoch + step / 20)
                loss = (module(inputs) - targets).square().mean()
                term = method.loss()
                optimiser.zero_grad()
                (loss if term is None else loss + 0.1 * term).backward()
                optimiser.step()
            terms.append(term is not None)
            method.epoch_end(after(epoch + 1))
    with activity(module) as counted:
        module(inputs)
    sparsity = float((torch.cat([module[0].weight.flatten(), module[2].weight.flatten()]) == 0).float().mean())
    return sparsity, counted.density("2"), terms


def test_stages_and_ablations():
    sparsity, density, terms = train()
    assert terms == [False, True, True, True, True, True]
    weights_only, activations_only = train(activations=False), train(weights=False)
    assert weights_only[2] == [False, True, True, False, False, False]
    assert activations_only[2] == [False, False, False, True, True, True]
    assert sparsity > 0.1
    assert weights_only[0] > 0.1
    assert activations_only[0] == 0
    assert density < weights_only[1]
    assert activations_only[1] < weights_only[1]


def test_blocks_stay_whole():
    module, method = small(), dual_sparse(**SETTINGS | {"block": 4, "dense": 0, "threshold": 0.2})
    with method.attached(module):
        for epoch in range(4):
            method.epoch_end(after(epoch))
    gone = (module[0].weight == 0).reshape(8, 4, 8)
    assert 0 < float(gone.float().mean()) < 1
    assert bool((gone.all(dim=1) | ~gone.any(dim=1)).all())


def test_description_tells_all_parts():
    text = dual_sparse(**SETTINGS).describe()
    assert all(part in text for part in ("mean l1 of the weights", "After epoch 3", "tl1, b = 0.1", "from epoch 3 on"))
    assert dual_sparse(**SETTINGS, weights=False).describe().count("joins") == 1
    with pytest.raises(TypeError):
        dual_sparse(dense=1)
