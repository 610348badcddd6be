"""Training methods for sparse activations and weights, for any torch module (needs torch)."""

from quiesce.sw.quant.delta import DeltaActivation
from quiesce.sw.sparsity.activity import Activity, activity
from quiesce.sw.sparsity.arts import Arts
from quiesce.sw.sparsity.balance import BalancePenalty
from quiesce.sw.sparsity.delta import Delta, DeltaMode
from quiesce.sw.sparsity.dual import dual_sparse
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.grid import FixedGrid
from quiesce.sw.sparsity.masks import HeldZeros, Pruning
from quiesce.sw.sparsity.method import Combined, Method, Metrics, Verdict, combine
from quiesce.sw.sparsity.penalty import ActivationPenalty
from quiesce.sw.sparsity.regularisers import REGULARISERS, regulariser
from quiesce.sw.sparsity.schedule import Schedule
from quiesce.sw.sparsity.thresholds import FatReluThresholds, search_thresholds
from quiesce.sw.sparsity.weight_penalty import WeightPenalty
from quiesce.sw.sparsity.winners import WinnersTakeAll

__all__ = [
    "REGULARISERS", "ActivationPenalty", "Activity", "Arts", "BalancePenalty", "Combined", "Delta", "DeltaActivation",
    "DeltaMode", "FatReluThresholds", "FixedGrid", "HeldZeros", "Method", "MethodError", "Metrics", "Pruning", "Schedule",
    "Verdict", "WeightPenalty", "WinnersTakeAll", "activity", "combine", "dual_sparse", "regulariser", "search_thresholds",
]  # fmt: skip
