"""Rules that many modules share, as statements of a harness."""

from amaranth import Cat, Module, Signal, Value

from tests.formal.harness import Harness

__all__ = ["InOrder", "held_bits", "stable", "stream_held", "tally"]


def stream_held(harness: Harness, m: Module, stream, name: str, *, assume: bool = False, unless=0) -> None:
    """While valid and not ready, valid stays and the payload does not change; not into a cycle of ``unless``."""
    held_bits(harness, m, name, stream.valid, stream.ready, stream.payload, assume=assume, unless=unless)


def held_bits(harness: Harness, m: Module, name: str, valid, ready, *payload, assume: bool = False, unless=0) -> None:
    """The same for loose signals, such as a channel of AXI4."""
    raw = Cat(*map(Value.cast, payload))
    waits, before = Signal(name=f"{name}_waits"), Signal(len(raw), name=f"{name}_before")
    m.d.sync += [waits.eq(valid & ~ready), before.eq(raw)]
    statement = harness.assume if assume else harness.check
    with m.If(waits & ~Value.cast(unless).bool()):
        m.d.comb += [statement(f"{name} keeps valid", valid), statement(f"{name} keeps payload", raw == before)]


def stable(harness: Harness, m: Module, value, name: str, *, when=1) -> None:
    """Assume that ``value`` does not change from one cycle to the next, if ``when`` holds in the later one."""
    before = Signal(len(Value.cast(value)), name=f"{name}_before", reset_less=True)
    known = Signal(name=f"{name}_known", reset_less=True)
    m.d.sync += [before.eq(value), known.eq(1)]
    with m.If(known & Value.cast(when).bool()):
        m.d.comb += harness.assume(f"{name} is stable", Value.cast(value) == before)


def tally(m: Module, up, down=0, *, width: int, name: str) -> Signal:
    """A counter: what has come less what has gone, before this cycle."""
    count = Signal(width, name=name)
    m.d.sync += count.eq(count + up - down)
    return count


class InOrder:
    """A scoreboard: what is put comes out once, unchanged and in order. It follows one item, any one.

    Parameters
    ----------
    put, value : an item goes in
    take, taken : an item comes out
    capacity : most items inside
    pick : restricts which item may be followed

    Members
    -------
    inside : items put and not taken
    followed, ahead, item : an item is followed and inside, behind so many others
    """

    def __init__(self, harness: Harness, m: Module, name: str, *, put, value, take, taken, capacity: int, pick=1):
        value, taken = Value.cast(value), Value.cast(taken)
        self.inside = tally(m, put, take, width=(capacity + 1).bit_length(), name=f"{name}_inside")
        self.followed, self.item = Signal(name=f"{name}_followed"), Signal(len(value), name=f"{name}_item")
        self.ahead = Signal.like(self.inside, name=f"{name}_ahead")
        chosen = harness.free(name=f"{name}_pick")
        with m.If(self.followed & take):
            m.d.sync += [self.ahead.eq(self.ahead - 1), self.followed.eq(self.ahead != 0)]
        with m.If(~self.followed & put & chosen & pick):
            m.d.sync += [self.followed.eq(1), self.ahead.eq(self.inside - take), self.item.eq(value)]
        m.d.comb += [
            harness.check(f"{name} holds no more", self.inside <= capacity),
            harness.check(f"{name} gives nothing of its own", ~take | (self.inside != 0)),
            harness.check(f"{name} follows", ~self.followed | (self.ahead < self.inside)),
        ]
        with m.If(self.followed & (self.ahead == 0) & take):
            m.d.comb += harness.check(f"{name} gives what is next", taken == self.item)
