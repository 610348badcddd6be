"""Errors of co-simulation, all with messages for the user."""

__all__ = ["BuildError", "CoreError", "EnergyError", "ModelError", "NetlistError", "SimError"]


class SimError(Exception):
    """A co-simulation that could not be carried out."""

    exit_status = 1
    """Of the command line; 2 where the fault is in what it was given."""


class BuildError(SimError):
    """The simulator could not be built: a tool is missing, or it rejected the Verilog."""


class CoreError(SimError):
    """The core stopped with an error, exceeded its cycle limit or broke a bus rule."""


class ModelError(SimError, ValueError):
    """A core that the cycle model does not cover."""

    exit_status = 2


class NetlistError(SimError):
    """A netlist that does not hang together, or computes something else than the RTL."""

    exit_status = 2


class EnergyError(SimError):
    """An energy figure that the coefficient table does not cover."""
