"""Kinds of memories that stay memories: black boxes in the netlist."""

from dataclasses import dataclass

__all__ = ["RamKind"]


@dataclass(frozen=True)
class RamKind:
    """A kind of black box.

    Parameters
    ----------
    name : str
        Of the module; its ports are those of Yosys's ``$mem_v2``: ``RD_EN``, ``RD_ADDR``, ``RD_DATA`` and so on, but one ``CLK``.
    depth, width : int
    transparent : bool
        A read sees what is written to its word in the same cycle.
    """

    name: str
    depth: int
    width: int
    transparent: bool

    @property
    def bits(self) -> int:
        return self.depth * self.width
