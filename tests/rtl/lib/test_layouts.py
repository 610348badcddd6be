"""Layouts of pass fields, and what is made of layouts."""

import pytest
from amaranth import Module, Shape, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.layouts import connect_all, connect_fields, field_shape, held, pass_layout, registers
from quiesce.spec.isa import PASS_FIELDS
from tests.rtl.support import simulate


def test_fields_have_their_width_and_sign():
    for word in PASS_FIELDS:
        layout = pass_layout(*word)
        for name, field in word.items():
            assert Shape.cast(layout[name].shape) == field_shape(field) == Shape(field.width, field.signed)
    assert Shape.cast(pass_layout("clip_low")["clip_low"].shape) == signed(8)
    with pytest.raises(KeyError):
        pass_layout("no_such_field")


PAIR = data.StructLayout({"a": 4, "b": signed(3)})


class Connected(wiring.Component):
    """Each output shows the input some cycles later, by one way of connecting."""

    i: In(PAIR)
    write: In(1)
    o_fields: Out(PAIR)
    o_all: Out(PAIR)
    o_held: Out(PAIR)
    o_registers: Out(PAIR)

    def elaborate(self, platform):
        m = Module()
        connect_fields(m.d.comb, self.o_fields, self.i)
        connect_all(m.d.comb, (self.o_all.a, self.o_all.b), (self.i.a, self.i.b))
        whole = held(m, self.o_held, "whole")
        parts = registers(m, self.o_registers, "part")
        assert set(parts) == {"a", "b"} and all(part.reset_less for part in parts.values()) and isinstance(whole, data.View)
        with m.If(self.write):
            m.d.sync += [whole.eq(self.i), *(part.eq(self.i[name]) for name, part in parts.items())]
        return m


def test_what_is_connected_and_what_is_kept():
    dut = Connected()

    async def bench(ctx):
        for a, b in ((5, -3), (9, 2)):
            ctx.set(dut.i, {"a": a, "b": b})
            for output in (dut.o_fields, dut.o_all):
                assert (ctx.get(output.a), ctx.get(output.b)) == (a, b)
            ctx.set(dut.write, 1)
            await ctx.tick()
            ctx.set(dut.write, 0)
            ctx.set(dut.i, {"a": 0, "b": 0})
            await ctx.tick()
            for output in (dut.o_held, dut.o_registers):
                assert (ctx.get(output.a), ctx.get(output.b)) == (a, b)

    simulate(dut, bench)


def test_unequal_numbers_are_no_connection():
    with pytest.raises(ValueError, match="zip"):
        connect_all([], [Signal()], [])
