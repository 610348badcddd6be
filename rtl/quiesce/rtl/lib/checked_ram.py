"""RAMs whose words are protected by a code, if the configuration asks for it, and what they have to say."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.hdl import Shape, ShapeLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.code import code_for
from quiesce.rtl.lib.ram import Ram

__all__ = ["RAM_STATUS", "CheckedRam", "join_status", "make_ram", "status_ports"]

RAM_STATUS = data.StructLayout({"clearing": 1, "error": 1, "corrected": 1})
"""What protected RAMs tell: some are still being cleared, a word that was read is damaged, one was and has been corrected."""


class CheckedRam(wiring.Component):
    """A Ram whose words, or parts of words, carry the check bits of CoreConfig.ram_check.

    After reset it clears itself, a word a cycle: so a word that nobody has written yet is no damaged one. It may not be used
    meanwhile. A damaged word shows as long as it stands at the output; so flips of the output register do, too.

    Latency: that of a Ram. Throughput: likewise.

    Members
    -------
    read_en, read_addr, read_data, write_en, write_addr, write_data : see Ram
    ram_status : see RAM_STATUS
    """

    def __init__(self, check: int, shape: ShapeLike, depth: int, *, n_parts: int = 1, transparent: bool = False):
        self._part_width, self._depth, self._transparent = Shape.cast(shape).width // n_parts, depth, transparent
        code = code_for(check, self._part_width)
        if code is None:
            raise ValueError(f"ram_check: {check} protects nothing")
        self._code = code
        part_width = self._part_width + self._code.n_checks
        self._ram = Ram(unsigned(n_parts * part_width), depth, n_parts=n_parts, transparent=transparent)
        ports = {**self._ram.signature.members, "read_data": Out(shape), "write_data": In(shape)}
        super().__init__({**ports, "ram_status": Out(RAM_STATUS)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.ram = ram = self._ram
        row = Signal(len(ram.write_addr))
        clearing = Signal(init=1)
        with m.If(clearing):
            m.d.sync += [row.eq(row + 1), clearing.eq(row != self._depth - 1)]

        write_data, n_parts = Value.cast(self.write_data), len(self.write_en)
        parts = [write_data.word_select(part, self._part_width) for part in range(n_parts)]
        m.d.comb += [
            ram.write_en.eq(Mux(clearing, ~Const(0, n_parts), self.write_en)),
            ram.write_addr.eq(Mux(clearing, row, self.write_addr)),
            ram.write_data.eq(Mux(clearing, 0, Cat(Cat(part, self._code.check_bits(part)) for part in parts))),
            ram.read_en.eq(self.read_en),
            ram.read_addr.eq(self.read_addr),
        ]

        known = Signal()  # the word at the output is one that was stored
        unknown = Const(0) if self._transparent else self.write_en.any() & (self.write_addr == self.read_addr)
        with m.If(self.read_en):
            m.d.sync += known.eq(~unknown & ~clearing)
        stored = [ram.read_data.word_select(part, self._part_width + self._code.n_checks) for part in range(n_parts)]
        words, uncertain, corrected = zip(
            *(self._code.decode(m, part[: self._part_width], part[self._part_width :]) for part in stored), strict=True
        )
        m.d.comb += [
            self.read_data.eq(Cat(words)),
            self.ram_status.clearing.eq(clearing),
            self.ram_status.error.eq(known & Cat(uncertain).any()),
            self.ram_status.corrected.eq(known & Cat(corrected).any()),
        ]
        return m


def make_ram(check: int, shape: ShapeLike, depth: int, *, n_parts: int = 1, transparent: bool = False) -> Ram | CheckedRam:
    """A RAM protected as CoreConfig.ram_check says."""
    if check:
        return CheckedRam(check, shape, depth, n_parts=n_parts, transparent=transparent)
    return Ram(shape, depth, n_parts=n_parts, transparent=transparent)


def status_ports(check: int) -> dict[str, wiring.Member]:
    """Ports of a component with RAMs inside: ``ram_status``, if they are protected."""
    return {"ram_status": Out(RAM_STATUS)} if check else {}


def join_status(m: Module, owner: wiring.Component, parts: Iterable[wiring.Component]) -> None:
    """Show the status of the ``parts`` of ``owner`` that have RAMs inside."""
    if hasattr(owner, "ram_status"):
        m.d.comb += owner.ram_status.eq(reduce(or_, (part.ram_status.as_value() for part in parts)))
