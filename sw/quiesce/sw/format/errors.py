"""Errors of the shared tensor format: every rejected input names what is wrong and where."""

__all__ = [
    "AccumulatorError", "CheckError", "ContainerError", "DtypeError", "FormatError", "GraphError", "MagicError", "MaskError",
    "PaddingError", "RangeError", "ScaleError", "ShapeError", "SizeLimitError", "TruncatedError", "VersionError",
]  # fmt: skip


class FormatError(ValueError):
    """Base of all errors about tensors, networks and their files."""


class TruncatedError(FormatError):
    """Fewer bytes than the header, the mask or the values need."""


class SizeLimitError(FormatError):
    """A length field or a tensor beyond the limits of the format, or bytes after its end."""


class MagicError(FormatError):
    """The data does not start like the format it is read as."""


class VersionError(FormatError):
    """A format version that this code does not read."""


class DtypeError(FormatError):
    """An array or a field of the wrong type."""


class ShapeError(FormatError):
    """Shapes that do not fit each other, or a window that does not fit its map."""


class RangeError(FormatError):
    """A value outside the range that the arithmetic defines."""


class ScaleError(FormatError):
    """A scale that is not finite and positive, or that no multiplier and shift represent."""


class MaskError(FormatError):
    """Mask and values disagree: their counts differ, or a stored value is zero."""


class CheckError(FormatError):
    """Data whose check does not fit: they were damaged."""


class PaddingError(FormatError):
    """A padding bit or byte that is not zero."""


class GraphError(FormatError):
    """A network graph with an unknown or duplicate name, a cycle, or a layer that feeds nothing."""


class AccumulatorError(FormatError):
    """A layer whose sums do not fit 32 bits."""


class ContainerError(FormatError):
    """A network file with missing, unknown or malformed entries."""
