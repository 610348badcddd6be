"""A training method that is added from outside does all that those of the project do: it acts, leaves no trace, and continues.

The code up to the tests is that of docs/how-to/add-a-sparsity-method.md, word for word.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from quiesce.sw.quant import prepare
from quiesce.sw.sparsity import MethodError, Metrics, Schedule
from quiesce.sw.sparsity.method import Method, Verdict
from quiesce.sw.sparsity.schedule import ScheduledPenalty
from quiesce.sw.sparsity.sites import LayerInput, needed, tap, working_layers
from quiesce.sw.train.errors import RecipeError
from quiesce.sw.train.methods import METHODS, Evaluate, build_methods

METRICS = Metrics(epoch=1, loss=1.0, quality=0.9, work=10.0, events=5.0)


def channel_norm(acts: torch.Tensor) -> torch.Tensor:
    """``sum over channels of the root mean square of x`` of activations (N, chans, ...): a scalar.

    A group lasso (Yuan and Lin, "Model selection and estimation in regression with grouped variables", 2006): channels that
    matter little fall silent as a whole.
    """
    mean_square = acts.square().mean(dim=[axis for axis in range(acts.ndim) if axis != 1])
    return (mean_square + 1e-12).sqrt().sum()


class ChannelPenalty(ScheduledPenalty):
    """Adds ``coefficient x sum over layers of channel_norm`` to the loss; the coefficient grows by a factor every epoch.

    Parameters
    ----------
    coefficient : float
        At least 0.
    growth : float
        Factor per epoch, at least 1.
    schedule : Schedule, optional
        When it acts; by default always.
    layers : sequence of str or None
        Whose inputs; by default those of all ``working_layers``.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, no such layer.
    """

    STATE = ("coefficient",)

    def __init__(
        self, coefficient: float, *, growth: float = 1.0, schedule: Schedule | None = None, layers: Sequence[str] | None = None
    ) -> None:
        super().__init__(coefficient, schedule)
        if not growth >= 1:
            raise MethodError(f"growth: {growth!r} is not at least 1")
        self.growth, self.layers = growth, layers
        self._terms: list[torch.Tensor] = []

    def _attach(self, module: nn.Module) -> None:
        for name, layer in needed(working_layers(module, self.layers), "layers").items():
            self._hold(tap(name, layer, self._take))

    def _detach(self, module: nn.Module) -> None:
        self._terms = []

    def _take(self, seen: LayerInput) -> None:
        if self.factor and self.module.training:
            self._terms.append(channel_norm(seen.acts))

    def begin_step(self, epochs: float) -> None:
        super().begin_step(epochs)
        self._terms = []

    def loss(self) -> torch.Tensor | None:
        return self.factor * torch.stack(self._terms).sum() if self._terms else None

    def epoch_end(self, metrics: Metrics) -> Verdict:
        self.coefficient *= self.growth
        return Verdict.NONE

    def scalars(self) -> dict[str, float]:
        return {"channel_coefficient": self.coefficient}

    def describe(self) -> str:
        return f"{self.coefficient:g} x norm of the channels joins the loss{self.schedule.describe()}."


def channels(table: dict[str, Any], evaluate: Evaluate) -> Method:
    parts = {name: table.pop(name) for name in ("first", "last", "warmup") if name in table}
    return ChannelPenalty(schedule=Schedule(**parts), **table)


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3))


def images(n: int) -> torch.Tensor:
    return torch.randn((n, 1, 4, 4), generator=torch.Generator().manual_seed(1))


def trained(method: Method, module: nn.Module) -> nn.Module:
    """After steps towards nothing but the method's term."""
    optimizer = torch.optim.SGD(module.parameters(), 0.05)
    with method.attached(module):
        for step in range(40):
            method.begin_step(step / 40)
            module(images(16))
            loss = method.loss()
            assert loss is not None
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return module


def test_the_term() -> None:
    acts = torch.tensor([[[[3.0]], [[0.0]]], [[[4.0]], [[0.0]]]])
    assert channel_norm(acts).item() == pytest.approx(12.5**0.5, abs=1e-5)
    double = torch.rand((2, 3, 2, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(channel_norm, (double,))


def test_channels_fall_silent() -> None:
    def silent(module: nn.Module) -> int:
        return int((module[1](module[0](images(16))).amax(dim=(0, 2, 3)) == 0).sum())  # type: ignore[index, operator]

    before = network()
    after = trained(ChannelPenalty(1.0, layers=["3"]), network())
    assert silent(after) > silent(before)


def test_it_leaves_a_plain_module() -> None:
    module = network()
    names = set(module.state_dict())
    method = ChannelPenalty(1.0)
    with method.attached(module):
        module.eval()
        module(images(2))
        assert method.loss() is None
    assert set(module.state_dict()) == names
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    with pytest.raises(MethodError, match="no layer 'conv9'"):
        ChannelPenalty(1.0, layers=["conv9"]).attach(module)


def test_it_acts_on_the_integer_module() -> None:
    module = prepare(network(), images(8)).train()
    method = ChannelPenalty(1.0)
    with method.attached(module):
        module(images(4))
        term = method.loss()
        assert term is not None and term.item() > 0
        term.backward()  # type: ignore[no-untyped-call]
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in module.parameters())


def test_training_continues_with_its_state() -> None:
    method, again = (ChannelPenalty(0.5, growth=2.0) for _ in range(2))
    method.epoch_end(METRICS)
    again.load_state_dict(method.state_dict())
    assert again.scalars() == {"channel_coefficient": 1.0}


def test_recipes_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "channels", channels)  # type: ignore[arg-type]
    method = build_methods([{"kind": "channels", "coefficient": 0.25, "first": 3}], lambda module: 0.0)
    assert method.describe() == "0.25 x norm of the channels joins the loss from epoch 3 on."
    for table, message in [
        ({"coefficient": 1.0, "growth": 0.5}, r"methods\[0\]: channels: growth: 0.5 is not at least 1"),
        ({}, r"methods\[0\]: channels: .*coefficient"),
        ({"coefficient": 1.0, "power": 2}, r"methods\[0\]: channels: .*power"),
    ]:
        with pytest.raises(RecipeError, match=message):
            build_methods([{"kind": "channels", **table}], lambda module: 0.0)


def test_the_document_shows_this_code() -> None:
    root = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").exists())
    code = Path(__file__).read_text()
    blocks = (root / "docs" / "how-to" / "add-a-sparsity-method.md").read_text().split("```python\n")[1:]
    assert len(blocks) == 3
    for block in blocks:
        assert block.partition("```")[0] in code
