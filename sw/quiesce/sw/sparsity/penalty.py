"""Penalty on activations, weighted by the work that an activation causes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from quiesce.sw.sparsity.regularisers import Function, regulariser
from quiesce.sw.sparsity.schedule import Schedule, ScheduledPenalty
from quiesce.sw.sparsity.sites import LayerInput, needed, tap, working_layers

__all__ = ["ActivationPenalty", "penalty"]


@dataclass(eq=False)
class _Term:
    """The function of an input, and the work of all layers that read it."""

    one: LayerInput
    value: torch.Tensor
    fan_out: float


class _Terms:
    """Terms of the sum that ``penalty`` is, of inputs as they are computed.

    A term is made when a layer reads its input: then a processor has that in its cache, and autograd, which goes backward in
    time, makes the gradient when the layer's is there, not all of them at once. An input that several layers read makes one term.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self._terms: list[_Term] = []

    def add(self, one: LayerInput) -> None:
        """Take an input; one that no parameter influences takes no part."""
        if not one.steps.requires_grad:
            return
        for term in self._terms:
            if term.one.steps is one.steps and term.one.scale == one.scale:
                term.fan_out += one.fan_out
                return
        self._terms.append(_Term(one, self.function(one.steps, scale=one.scale), one.fan_out))

    def mean(self) -> torch.Tensor | None:
        """The penalty; None without any terms."""
        if not self._terms:
            return None
        work = sum(term.fan_out * term.one.steps[0].numel() for term in self._terms)
        return torch.stack([term.fan_out * term.value for term in self._terms]).sum() / work


def penalty(inputs: Iterable[LayerInput], function: Function) -> torch.Tensor | None:
    """Work-weighted mean over layer inputs ``x_l`` (``n_l`` values per image, fan-out ``f_l``)::

        P = sum_l f_l R(x_l) / sum_l f_l n_l

    It lies between 0 and 1 for ``hoyer`` and ``count`` and is in units of the activations for ``l1``, so that its coefficient
    does not depend on the size of the network.

    Parameters
    ----------
    inputs : iterable of LayerInput
        Those that no parameter influences take no part.
    function : callable
        R, one of ``quiesce.sw.sparsity.regularisers``.

    Returns
    -------
    Tensor or None
        A scalar; None if no input takes part.
    """
    terms = _Terms(function)
    for one in inputs:
        terms.add(one)
    return terms.mean()


class ActivationPenalty(ScheduledPenalty):
    """Adds ``coefficient x P`` to the loss, see ``penalty``: fixed-coefficient training (Georgiadis, CVPR 2019) for ``l1``.

    Parameters
    ----------
    kind : str
        A key of ``quiesce.sw.sparsity.regularisers.REGULARISERS``.
    coefficient : float
        At least 0. It may be set between steps.
    schedule : Schedule, optional
        When it acts; by default always.
    layers : sequence of str or None
        Layers whose inputs are penalised; by default all of ``working_layers``.
    **parameters : float
        Of the regulariser.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, no such layers.
    """

    def __init__(
        self,
        kind: str,
        coefficient: float,
        *,
        schedule: Schedule | None = None,
        layers: Sequence[str] | None = None,
        **parameters: float,
    ) -> None:
        super().__init__(coefficient, schedule)
        self.kind, self.layers, self.parameters = kind, layers, parameters
        self._function = regulariser(kind, **parameters)
        self._terms = _Terms(self._function)

    def _attach(self, module: nn.Module) -> None:
        for name, layer in needed(working_layers(module, self.layers), "layers").items():
            self._hold(tap(name, layer, self._take))

    def _detach(self, module: nn.Module) -> None:
        self._terms = _Terms(self._function)

    def _take(self, one: LayerInput) -> None:
        if self.factor and self.module.training and torch.is_grad_enabled():
            self._terms.add(one)

    def begin_step(self, epochs: float) -> None:
        super().begin_step(epochs)
        self._terms = _Terms(self._function)

    def loss(self) -> torch.Tensor | None:
        terms, self._terms = self._terms, _Terms(self._function)
        value = terms.mean()
        return None if value is None else self.factor * value

    def scalars(self) -> dict[str, float]:
        return {"coefficient": self.factor}

    def describe(self) -> str:
        if not self.coefficient:
            return ""
        shape = "".join(f", {name} = {value:g}" for name, value in self.parameters.items())
        where = "" if self.layers is None else f" of {', '.join(self.layers)}"
        what = f"{self.coefficient:g} x work-weighted {self.kind}{shape} of the activations{where}"
        return f"{what} joins the loss{self.schedule.describe()}."
