"""Errors of training methods."""

__all__ = ["MethodError"]


class MethodError(ValueError):
    """A method that cannot be used so: a bad parameter, a layer that does not exist, attached twice or not at all."""
