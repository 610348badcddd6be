"""Errors of the gate-level flow."""

from quiesce.sim.errors import SimError

__all__ = ["GateError", "LibertyError", "SynthesisError"]


class GateError(SimError):
    """Something that the gate-level flow was given and cannot work with."""

    exit_status = 2


class LibertyError(GateError):
    """A Liberty file that is malformed, or lacks what is needed; the message has file and line where there is one."""


class SynthesisError(GateError):
    """Yosys cannot turn the Verilog into cells of the library."""
