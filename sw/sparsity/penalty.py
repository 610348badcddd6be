"""Penalty on activations, weighted by the work that an activation causes."""

from collections.abc import Iterable, Sequence
from math import inf

import torch
from torch import nn

from quiesce.sw.sparsity.regularisers import Function, regulariser
from quiesce.sw.sparsity.sites import LayerInput, tap, working_layers
from quiesce.sw.sparsity.window import Window, WindowedPenalty

__all__ = ["ActivationPenalty", "penalty"]


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
    trained = [one for one in inputs if one.acts.requires_grad]
    if not trained:
        return None
    work = sum(one.fan_out * one.acts[0].numel() for one in trained)
    return torch.stack([one.fan_out * function(one.acts) for one in trained]).sum() / work


class ActivationPenalty(WindowedPenalty):
    """Adds ``coefficient x P`` to the loss, see ``penalty``: fixed-coefficient training (Georgiadis, CVPR 2019) for ``l1``.

    Parameters
    ----------
    kind : str
        A key of ``quiesce.sw.sparsity.regularisers.REGULARISERS``.
    coefficient : float
        At least 0. It may be set between steps.
    first, last, warmup : float
        When it acts, see ``Window``.
    layers : sequence of str or None
        Layers whose inputs are penalised; by default all of ``working_layers``.
    **parameters : float
        Of the regulariser.

    Raises
    ------
    MethodError
        A parameter out of range.
    """

    def __init__(
        self,
        kind: str,
        coefficient: float,
        *,
        first: float = 0.0,
        last: float = inf,
        warmup: float = 0.0,
        layers: Sequence[str] | None = None,
        **parameters: float,
    ) -> None:
        super().__init__(coefficient, Window(first, last, warmup))
        self.kind, self.layers, self.parameters = kind, layers, parameters
        self._function = regulariser(kind, **parameters)
        self._inputs: list[LayerInput] = []

    def _attach(self, module: nn.Module) -> None:
        for name, layer in working_layers(module, self.layers).items():
            self._hold(tap(name, layer, self._take))

    def _detach(self, module: nn.Module) -> None:
        self._inputs = []

    def _take(self, one: LayerInput) -> None:
        if self.module.training and torch.is_grad_enabled() and self.factor:
            self._inputs.append(one)

    def begin_step(self, epochs: float) -> None:
        super().begin_step(epochs)
        self._inputs = []

    def loss(self) -> torch.Tensor | None:
        inputs, self._inputs = self._inputs, []
        value = penalty(inputs, self._function)
        return None if value is None else self.factor * value

    def scalars(self) -> dict[str, float]:
        return {"coefficient": self.factor}

    def describe(self) -> str:
        if not self.coefficient:
            return ""
        shape = "".join(f", {name} = {value:g}" for name, value in self.parameters.items())
        where = "" if self.layers is None else f" of {', '.join(self.layers)}"
        what = f"{self.coefficient:g} x work-weighted {self.kind}{shape} of the activations{where}"
        return f"{what} joins the loss{self.window.describe()}."
