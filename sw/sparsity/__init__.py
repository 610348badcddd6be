"""Training methods for sparse activations and weights, for any torch module (needs torch)."""

from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Combined, Method, Metrics, Verdict, combine
from quiesce.sw.sparsity.penalty import ActivationPenalty
from quiesce.sw.sparsity.regularisers import REGULARISERS, regulariser

__all__ = [
    "REGULARISERS", "ActivationPenalty", "Combined", "Method", "MethodError", "Metrics", "Verdict", "combine", "regulariser",
]  # fmt: skip
