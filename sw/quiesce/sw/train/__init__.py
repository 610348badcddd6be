"""Training of small networks with sparse activations (needs torch)."""

from quiesce.sw.train.errors import CheckpointError, RecipeError
from quiesce.sw.train.report import TrainReport
from quiesce.sw.train.run import train

__all__ = ["CheckpointError", "RecipeError", "TrainReport", "train"]
