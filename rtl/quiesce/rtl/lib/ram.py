"""The one component that every RAM of the core is, and what its users may rely on."""

from typing import Any

from amaranth import Module, unsigned
from amaranth.hdl import Instance, Shape, ShapeLike, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index

__all__ = ["Ram"]


class Ram(wiring.Component):
    """A memory of ``depth`` words with one read port and one write port on one clock, to be replaced by a macro in a chip.

    In the emitted Verilog it is a module of its own that holds nothing else, one for each shape (``verilog_name``). What stands
    in for it has to do this and nothing more:

    - Read: in a cycle with ``read_en`` the word at ``read_addr`` is read; ``read_data`` holds it from the next cycle on, and
      keeps it while ``read_en`` is low.
    - Write: in a cycle with ``write_en`` the word at ``write_addr`` becomes ``write_data``. With ``n_parts`` above 1 each bit of
      ``write_en`` writes its part of the word, the lowest bit the lowest part.
    - Both ports work in the same cycle. A read of the word that is written in that cycle returns the new word if ``transparent``,
      else nobody looks at what it returns.
    - The content is unknown until it is written; nothing depends on it, and no reset reaches it.

    Whatever protects words from faults is a component with these ports around this one, so that it stays when this is replaced.

    Parameters
    ----------
    shape : ShapeLike
        Of a word.
    depth : int
        Words, at least 1; a memory has at least two.
    n_parts : int
        Parts of equal width that are written separately.
    transparent : bool
        See above.
    """

    def __init__(self, shape: ShapeLike, depth: int, *, n_parts: int = 1, transparent: bool = False):
        self._width, self._depth = Shape.cast(shape).width, max(2, depth)
        self._n_parts, self._transparent = n_parts, transparent
        if depth < 1 or n_parts < 1 or self._width < 1 or self._width % n_parts:
            raise ValueError(f"a RAM of {depth} words of {self._width} bits in {n_parts} parts")
        address = bits_for_index(depth)
        super().__init__(
            {
                "read_en": In(1),
                "read_addr": In(address),
                "read_data": Out(shape),
                "write_en": In(n_parts),
                "write_addr": In(address),
                "write_data": In(shape),
            }
        )

    @property
    def verilog_name(self) -> str:
        """``ram_<depth>x<width>``, ``_parts<n>`` if parts are written separately, ``_transparent`` if it is."""
        parts = f"_parts{self._n_parts}" if self._n_parts > 1 else ""
        return f"ram_{self._depth}x{self._width}{parts}{'_transparent' if self._transparent else ''}"

    @property
    def ports(self) -> dict[str, Value]:
        """Its ports by name, the clock left out."""
        names = ("read_en", "read_addr", "read_data", "write_en", "write_addr", "write_data")
        return {name: Value.cast(getattr(self, name)) for name in names}

    def elaborate(self, platform: Any) -> Module | Instance:
        if hasattr(platform, "get_ram"):
            return platform.get_ram(self)
        m = Module()
        m.submodules.words = words = memory.Memory(shape=unsigned(self._width), depth=self._depth, init=[])
        write = words.write_port(granularity=self._width // self._n_parts)
        read = words.read_port(transparent_for=(write,) if self._transparent else ())
        m.d.comb += [
            read.en.eq(self.read_en),
            read.addr.eq(self.read_addr),
            self.read_data.eq(read.data),
            write.en.eq(self.write_en),
            write.addr.eq(self.write_addr),
            write.data.eq(self.write_data),
        ]
        return m
