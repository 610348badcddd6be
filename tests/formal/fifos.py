"""FIFOs inside a design under proof: a scoreboard together with the invariants that prove it."""

from amaranth import Const, Module, Mux, Signal, Value

from tests.formal.harness import Harness
from tests.formal.rules import InOrder

__all__ = ["follow"]

# Of each kind: the sub-module with the memory; the row that leaves it next, the next free one, the words in the memory, and that
# there is room; and whether one more word waits at its output.
_KINDS = {
    "RamFifo": (("ram",), "first", "last", "stored", "i_words__ready", True),
    "SyncFIFOBuffered": ((), "consume", "produce", "inner_level", "w_rdy", True),
    "SyncFIFO": ((), "consume", "produce", "level", "w_rdy", False),
}


def follow(
    harness: Harness, m: Module, name: str, *path: str, kind: str, rows: int, put, value, valid, take, taken
) -> InOrder:  # fmt: skip
    """A scoreboard of the FIFO of a ``kind`` at ``path`` whose memory has ``rows`` rows.

    ``put``, ``value``, ``take`` and ``taken`` are as for `InOrder`; ``valid`` says that it offers ``taken``.
    """
    memory, *names, buffered = _KINDS[kind]
    k = harness.constant(m, range(rows), name=f"{name}_k")  # the row of the memory that the word followed lies in
    word = harness.one_word(m, *path, *memory, at=k)
    first, last, stored, room = (harness.peek(*path, signal) for signal in names)
    order = InOrder(
        harness, m, name, put=put, value=value, take=take, taken=taken, capacity=rows + buffered, pick=last == k
    )  # fmt: skip
    shown, distance = valid if buffered else Const(0), Signal(range(rows + 1), name=f"{name}_distance")
    held = Signal(name=f"{name}_held")  # the memory held a word in the cycle before
    m.d.sync += held.eq(stored != 0)
    m.d.comb += [
        distance.eq(Mux(k >= first, k - first, k + rows - first)),
        harness.assume(f"{name} has row k", k < rows),
        harness.check(f"{name} level", order.inside == stored + shown),
        harness.check(f"{name} has room", room == (stored != rows)),
        harness.check(f"{name} is prompt", valid | ~(held if buffered else stored != 0)),
        harness.check(f"{name} rows", (first < rows) & (last < rows) & (stored <= rows)),
        harness.check(f"{name} pointers", last == Mux(first + stored >= rows, first + stored - rows, first + stored)),
    ]
    with m.If(order.followed & ((order.ahead != 0) | ~shown)):
        m.d.comb += harness.check(
            f"{name} stored", (word == order.item) & (order.ahead == distance + shown) & (distance < stored)
        )  # fmt: skip
    with m.If(order.followed & (order.ahead == 0) & valid):
        m.d.comb += harness.check(f"{name} shown", Value.cast(taken) == order.item)
    return order
