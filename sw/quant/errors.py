"""Errors of quantisation."""

__all__ = ["CalibrationError", "PrecisionWarning", "QuantizeError", "UnsupportedOperationError"]


class QuantizeError(ValueError):
    """A module that cannot be quantised."""


class PrecisionWarning(UserWarning):
    """A layer that becomes much less precise than its bits promise; the message names it and what helps."""


class UnsupportedOperationError(QuantizeError):
    """An operation that the integer arithmetic does not have; the message names it and where it is."""


class CalibrationError(QuantizeError):
    """Calibration inputs that do not fit the module or from which no scale follows."""
