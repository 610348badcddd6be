"""Errors of quantisation."""

__all__ = ["CalibrationError", "PrecisionWarning", "QuantizeError", "UnsupportedOperationError", "unfit_inputs"]


class QuantizeError(ValueError):
    """A module that cannot be quantised."""


class PrecisionWarning(UserWarning):
    """A layer that becomes much less precise than its bits promise; the message names it and what helps."""


class UnsupportedOperationError(QuantizeError):
    """An operation that the integer arithmetic does not have; the message names it and where it is."""


class CalibrationError(QuantizeError):
    """Calibration inputs that do not fit the module or from which no scale follows."""


def unfit_inputs(shape: tuple[int, ...], error: Exception) -> CalibrationError:
    """That a module raised an error when it ran on inputs of a shape, in one line."""
    return CalibrationError(f"inputs of shape {shape} do not fit the module: {' '.join(str(error).split())}")
