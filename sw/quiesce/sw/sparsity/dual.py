"""Dual sparse training: sparse weights first, sparse activations after."""

from collections.abc import Sequence

from quiesce.sw.sparsity.masks import Pruning
from quiesce.sw.sparsity.method import Method, combine
from quiesce.sw.sparsity.penalty import ActivationPenalty
from quiesce.sw.sparsity.schedule import Schedule
from quiesce.sw.sparsity.weight_penalty import WeightPenalty

__all__ = ["dual_sparse"]


def dual_sparse(
    *,
    dense: int,
    thinning: int,
    weight_coefficient: float,
    threshold: float,
    coefficient: float,
    kind: str = "tl1",
    block: int = 1,
    warmup: float = 0.0,
    weights: bool = True,
    activations: bool = True,
    layers: Sequence[str] | None = None,
    **parameters: float,
) -> Method:
    """Three stages of training that leave few multiplications with both operands nonzero::

        epochs 0 .. dense                  the task's loss alone
        epochs dense .. dense + thinning   + weight_coefficient x mean l1 of the weights; at the end, pruning below `threshold`
        from epoch dense + thinning on     + coefficient x work-weighted transformed l1 of the activations, pruned weights held

    Source: Yu and Tian, "Dual sparse training framework: inducing activation map sparsity via Transformed l1 regularization",
    arXiv 2405.19652, 2024, for the stages. Their coefficients, b and thresholds are not published: those here are this project's
    reconstruction, as are blocks.

    Parameters
    ----------
    dense, thinning : int
        Epochs, at least 0 and 1.
    weight_coefficient, threshold, coefficient : float
        Of ``WeightPenalty``, ``Pruning`` and ``ActivationPenalty``.
    kind : str
        Regulariser of the activations, for comparisons.
    block : int
        Output channels that are pruned together, 1 for unstructured sparsity.
    warmup : float
        Epochs over which the coefficient of the activations rises.
    weights, activations : bool
        Ablations: without one of them the other alone is made sparse, in the same stages.
    layers : sequence of str or None
        Layers whose weights and input activations are made sparse; by default all.
    **parameters : float
        Of the regulariser, ``b`` of transformed l1.

    Raises
    ------
    MethodError
        A parameter out of range.
    """
    end, parts = dense + thinning, list[Method]()
    if weights:
        parts.append(WeightPenalty(weight_coefficient, block=block, schedule=Schedule(dense, end), layers=layers))
        parts.append(Pruning(threshold=threshold, at=end, block=block, layers=layers))
    if activations:
        schedule = Schedule(end, warmup=warmup)
        parts.append(ActivationPenalty(kind, coefficient, schedule=schedule, layers=layers, **parameters))
    return combine(*parts)
