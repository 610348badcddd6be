"""Errors of quantisation."""

__all__ = ["CalibrationError", "QuantizeError", "UnsupportedOperationError"]


class QuantizeError(ValueError):
    """A module that cannot be quantised."""


class UnsupportedOperationError(QuantizeError):
    """An operation that the integer arithmetic does not have; the message names it and where it is."""


class CalibrationError(QuantizeError):
    """Calibration inputs that do not fit the module or from which no scale follows."""
