"""Training methods as a recipe names them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from quiesce.sw.sparsity.arts import Arts
from quiesce.sw.sparsity.balance import BalancePenalty
from quiesce.sw.sparsity.delta import Delta
from quiesce.sw.sparsity.dual import dual_sparse
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.grid import FixedGrid
from quiesce.sw.sparsity.masks import HeldZeros, Pruning
from quiesce.sw.sparsity.method import Combined, Method, combine
from quiesce.sw.sparsity.penalty import ActivationPenalty
from quiesce.sw.sparsity.schedule import Schedule
from quiesce.sw.sparsity.steered import Penalty
from quiesce.sw.sparsity.thresholds import FatReluThresholds
from quiesce.sw.sparsity.weight_penalty import WeightPenalty
from quiesce.sw.sparsity.winners import WinnersTakeAll
from quiesce.sw.train.errors import RecipeError

__all__ = ["METHODS", "Clips", "build_methods"]

Evaluate = Callable[[nn.Module], float]
"""Quality of a module on the held-out images."""


@dataclass(frozen=True, eq=False)
class Clips:
    """What methods for streams have to know of the clips to train on: parameters of ``Delta`` that no recipe repeats.

    Parameters
    ----------
    frames : int
        Of a clip.
    input_scale : float
        Real value of one step.
    example : Tensor or None
        Some inputs (N, C, H, W); None if no module is to be trained.
    """

    frames: int = 2
    input_scale: float = 1.0
    example: torch.Tensor | None = None


def _take_penalty(table: dict[str, Any], coefficient: float | None = None) -> Penalty:
    """The penalty of a table, its keys removed."""
    if table.get("regulariser") == "delta":
        keys = ("per", "levels", "input_threshold", "frames", "input_scale", "example", "layers")
        parts = {name: table.pop(name) for name in keys if name in table}
        table.pop("regulariser")
        return Delta(table.pop("coefficient") if coefficient is None else coefficient, **parts)
    names = [name for name in ("b", "threshold", "layers") if name in table]
    parameters = {name: table.pop(name) for name in names}
    amount = table.pop("coefficient") if coefficient is None else coefficient
    return ActivationPenalty(table.pop("regulariser", "l1"), amount, **parameters)


def _take_schedule(table: dict[str, Any]) -> Schedule:
    """When a penalty acts, its keys removed."""
    return Schedule(**{name: table.pop(name) for name in ("first", "last", "warmup") if name in table})


def _penalty(table: dict[str, Any], evaluate: Evaluate) -> Method:
    return ActivationPenalty(table.pop("regulariser", "l1"), schedule=_take_schedule(table), **table)


def _arts(table: dict[str, Any], evaluate: Evaluate) -> Method:
    return Arts(_take_penalty(table), **table)


def _grid(table: dict[str, Any], evaluate: Evaluate) -> Method:
    return FixedGrid(_take_penalty(table, 0.0), **table)


def _dual(table: dict[str, Any], evaluate: Evaluate) -> Method:
    return dual_sparse(kind=table.pop("regulariser", "tl1"), **table)


def _delta(table: dict[str, Any], evaluate: Evaluate) -> Method:
    return Delta(schedule=_take_schedule(table), **table)


METHODS: Mapping[str, Callable[[dict[str, Any], Evaluate], Method]] = {
    "penalty": _penalty,
    "arts": _arts,
    "grid": _grid,
    "dual": _dual,
    "delta": _delta,
    "fatrelu": lambda table, evaluate: FatReluThresholds(evaluate, **table),
    "prune": lambda table, evaluate: Pruning(**table),
    "balance": lambda table, evaluate: BalancePenalty(schedule=_take_schedule(table), **table),
    "weight_penalty": lambda table, evaluate: WeightPenalty(schedule=_take_schedule(table), **table),
    "winners": lambda table, evaluate: WinnersTakeAll(**table),
}
"""Method of a table without its key ``kind``, by that key. The other keys are the parameters of the method, and, where it has a
penalty on activations, ``regulariser`` and the parameters of that."""


def build_methods(tables: Sequence[Mapping[str, Any]], evaluate: Evaluate, clips: Clips | None = None) -> Method:
    """All methods of a recipe as one; zeros among the weights are held in any case.

    Parameters
    ----------
    tables : sequence of mapping
        The tables ``[[methods]]``.
    evaluate : callable
        Quality of a module on the held-out images, for methods that search.
    clips : Clips or None
        For methods for streams; by default there are none to train on.

    Raises
    ------
    RecipeError
        No such method, or parameters that it does not have or take.
    """
    methods = []
    for index, table in enumerate(tables):
        rest = dict(table)
        kind = rest.pop("kind", None)
        if kind not in METHODS:
            raise RecipeError(f"methods[{index}].kind: {kind!r} is not one of {', '.join(METHODS)}")
        if "delta" in (kind, rest.get("regulariser")):
            known = vars(clips or Clips())
            if given := sorted(known.keys() & rest.keys()):
                raise RecipeError(f"methods[{index}].{given[0]}: follows from the data")
            rest |= known
        try:
            methods.append(METHODS[kind](rest, evaluate))
        except KeyError as error:
            raise RecipeError(f"methods[{index}]: {kind} needs {error.args[0]}") from None
        except (MethodError, TypeError) as error:
            raise RecipeError(f"methods[{index}]: {kind}: {str(error).partition(') ')[2] or error}") from None
    return combine(*methods) if any(map(_prunes, methods)) else combine(HeldZeros(), *methods)


def _prunes(method: Method) -> bool:
    return isinstance(method, Pruning) or (isinstance(method, Combined) and any(map(_prunes, method.methods)))
