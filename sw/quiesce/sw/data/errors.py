"""Errors of the data sets."""

__all__ = ["DatasetError"]


class DatasetError(ValueError):
    """A data set that is missing or damaged; the message names the file and what is wrong with it."""
