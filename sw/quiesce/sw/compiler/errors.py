"""Why a network cannot be compiled."""

__all__ = ["CompileError"]


class CompileError(ValueError):
    """A layer that no mapping supports on this configuration; the message names the layer and the reason."""
