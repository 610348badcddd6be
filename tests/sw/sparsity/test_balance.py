"""Penalty on the busiest PE: its value, its gradients, and that it evens out the work."""

import pytest
import torch
from torch import nn

from quiesce.sw.quant import prepare
from quiesce.sw.sparsity import BalancePenalty, MethodError
from quiesce.sw.sparsity.balance import busiest, event_rates, expected_work, pe_work
from quiesce.sw.train.models import build


def value(method, module, inputs):
    method.begin_step(1.0)
    module(inputs)
    return method.loss()


def test_work_of_the_pes():
    rates, stored = torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [3.0, 0.0], [0.0, 5.0]])
    assert pe_work(rates, stored, 2, 1).tolist() == [1 + 3 + 10, 2 + 3]
    assert pe_work(rates, stored, 2, 2).tolist() == [(1 + 2 + 10) / 2, (3 + 3) / 2]
    assert pe_work(rates, stored, 8, 1).tolist() == [1, 2, 3, 3, 10, 0, 0, 0]


def test_all_operands_nonzero_cost_one():
    module = nn.Sequential(nn.Conv2d(2, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))
    method = BalancePenalty(3.0, n_pes=4, power=1.0, b=1e-6, weight_b=1e-6, layers=["0"])
    inputs = torch.ones(2, 2, 4, 4)
    with method.attached(module):
        assert value(method, module, inputs).item() == pytest.approx(3.0, rel=0.01)
        module[0].weight.data[:4] = 0.0
        assert value(method, module, inputs).item() == pytest.approx(1.5, rel=0.01)
        assert method.loss() is None


def test_powers_go_from_the_mean_to_the_busiest():
    module = nn.Linear(8, 6).double()
    inputs = torch.rand(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = {}
    for power in (1.0, 4.0, 200.0):
        with (method := BalancePenalty(1.0, n_pes=4, power=power, b=1e-9, weight_b=1e-9)).attached(module):
            values[power] = value(method, module, inputs).item() * 48 / 4
    assert values[1.0] == pytest.approx(12, rel=1e-6)  # 48 operations on 4 PEs
    assert values[1.0] < values[4.0] < values[200.0]
    assert values[200.0] == pytest.approx(16, rel=0.01)  # two of the PEs have two channels


def test_gradients():
    generator = torch.Generator().manual_seed(1)
    shapes = (2, 3, 4, 4), (5, 3, 2, 2), (5, 48)
    acts, kernel, matrix = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)

    def function(acts, weight):
        rates = event_rates(acts, pixels=weight.ndim == 4, b=0.3, scale=0.7)
        return busiest(expected_work(rates, weight, stride=(2, 1), n_pes=2, n_lanes=1, weight_b=0.2), 3.0)

    for weight in (kernel, matrix):
        assert torch.autograd.gradcheck(function, (acts.requires_grad_(), weight.requires_grad_()))


def test_it_evens_out_the_work():
    def spread(power):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 6))
        inputs = torch.rand(64, 8, generator=torch.Generator().manual_seed(1))
        targets = torch.cat([inputs[:, :3] - inputs[:, 3:6], inputs[:, 2:5]], dim=1)
        method = BalancePenalty(0.3, n_pes=4, power=power)
        with method.attached(module):
            optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
            for _ in range(200):
                method.begin_step(0.0)
                loss = (module(inputs) - targets).square().mean() + method.loss()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        with torch.no_grad():
            hidden = module[:2](inputs)
            rates = event_rates(hidden, pixels=False, b=0.1)
            work = expected_work(rates, module[2].weight, stride=(1, 1), n_pes=4, n_lanes=1, weight_b=0.01)
        return float(work.max() / work.mean())

    assert spread(8.0) < spread(1.0)


def test_integer_modules_and_bad_parameters():
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    integer = prepare(build("lenet5", 0).eval(), images).train()
    method = BalancePenalty(1.0)
    with method.attached(integer):
        term = value(method, integer, images)
        assert 0 < term.item() < 2
        term.backward()
    assert "busiest PE of 16" in method.describe()
    for bad in ({"power": 0.5}, {"b": 0.0}, {"b": float("inf")}, {"n_pes": 0}, {"coefficient": -1.0}):
        with pytest.raises(MethodError):
            BalancePenalty(**{"coefficient": 1.0} | bad)


def test_modules_without_such_layers_are_refused():
    with pytest.raises(MethodError, match="no trained weights without groups"):
        BalancePenalty(1.0).attach(nn.Sequential(nn.Conv2d(4, 4, 1, groups=4), nn.ReLU()))
