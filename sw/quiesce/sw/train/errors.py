"""Errors of training."""

__all__ = ["CheckpointError", "RecipeError"]


class RecipeError(ValueError):
    """A recipe that cannot be read or followed; the message names the file, the key and what is allowed."""


class CheckpointError(ValueError):
    """A checkpoint that is damaged or belongs to another recipe."""
