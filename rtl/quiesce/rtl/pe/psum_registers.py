"""Write-combining registers between the multipliers and the accumulator memory of a PE."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import encode_onehot, lowest_set, select_onehot, sum_or_maximum
from quiesce.rtl.lib.layouts import held
from quiesce.rtl.pe.interfaces import acc_addr_width
from quiesce.spec.config import CoreConfig

__all__ = ["PsumRegisters"]

_ROW_ENDS_HELD = 8


class PsumRegisters(wiring.Component):
    """Direct-mapped partial sums: the low bits of an accumulator address select a register, the others are its tag.

    A product joins the sum of its address if that is held; otherwise it replaces the held sum, which is *evicted*: added to the
    accumulator memory. Products are exact in any order, so the memory ends up with the same sums as without the registers.
    The maximum of non-negative products works alike, as the memory starts from zero.

    After the last operation of an input row all held sums are *stale*; each cycle in which no product evicts, one of them is
    evicted. Throughput: one product per cycle, never a stall; at most one eviction per cycle. A sum is evicted in the cycle of
    the operation that replaces it.

    Members
    -------
    en, addr, product : an operation; ``op_max`` takes the maximum instead of the sum
    row_end : the operations of an input row have all been given; not together with ``en``
    evict, evict_addr : add to this accumulator now ...
    evicted : ... these sums, one cycle later
    row_done : pulse for each ``row_end``: the sums of its row have been evicted
    crowded : give no further row ends before this falls, but those under way (up to 7)
    busy : sums are held, or a row end is unanswered
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "en": In(1),
                "addr": In(acc_addr_width(config)),
                "product": In(data.ArrayLayout(signed(config.product_width), config.n_lanes)),
                "op_max": In(1),
                "row_end": In(1),
                "evict": Out(1),
                "evict_addr": Out(acc_addr_width(config)),
                "evicted": Out(data.ArrayLayout(signed(config.acc_width), config.n_lanes)),
                "row_done": Out(1),
                "crowded": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        depth = config.psum_depth
        index_width = depth.bit_length() - 1
        index, tag = self.addr[:index_width], self.addr[index_width:]
        sums = data.ArrayLayout(signed(config.acc_width), config.n_lanes)
        entry = data.StructLayout({"tag": unsigned(len(tag)), "sums": sums})
        registers = [Signal(entry, reset_less=True, name=f"entry_{index}") for index in range(depth)]
        read = Signal(entry)
        oldest = Signal(entry)
        write = Signal(entry)

        valid = Signal(depth)
        stale = Signal(depth)  # these are valid
        here = Signal(depth)
        lowest = Signal(depth)
        occupied = Signal()
        same = Signal()
        replaces = Signal()
        background = Signal()
        keep = Signal()
        removed = Signal(depth)
        m.d.comb += [
            lowest.eq(lowest_set(stale)),
            read.eq(select_onehot(here, registers)),
            oldest.eq(select_onehot(lowest, registers)),
            here.eq(Mux(self.en, Const(1, depth) << index, 0)),
            occupied.eq((valid & here).any()),
            same.eq(read.tag == tag),
            replaces.eq(occupied & ~same),
            background.eq(stale.any() & ~replaces),
            removed.eq(Mux(background, lowest, 0)),
            keep.eq(occupied & same & ~(removed & here).any()),
            self.evict.eq(replaces | background),
            self.evict_addr.eq(Mux(replaces, Cat(index, read.tag), Cat(encode_onehot(lowest), oldest.tag))),
            write.tag.eq(tag),
        ]
        self._join(m, keep, read, write)
        for register, chosen in zip(registers, here, strict=True):
            with m.If(chosen):
                m.d.sync += register.eq(write)
        evicted = held(m, self.evicted, "evicted_held")
        with m.If(self.evict):
            m.d.sync += evicted.eq(Mux(replaces, read.sums.as_value(), oldest.sums.as_value()))

        # A sum that is joined while stale stays stale; one that replaces it is not. Most operations change neither.
        valid_next = (valid & ~removed) | here
        with m.If((self.en & ~occupied) | background):
            m.d.sync += valid.eq(valid_next)
        with m.If(self.row_end):
            m.d.sync += stale.eq(valid_next)
        with m.Elif(stale.any()):
            m.d.sync += stale.eq(stale & ~removed & ~(here & ~keep.replicate(depth)))

        self._count_row_ends(m, valid, stale)
        return m

    def _join(self, m: Module, keep: Signal, old: data.View, new: data.View) -> None:
        """The sums of the register that the product goes to: ``keep`` what it holds and add, or begin with the product."""
        for lane in range(self._config.n_lanes):
            with m.If(keep):
                sum_or_maximum(m, new.sums[lane], self.op_max, old.sums[lane], self.product[lane])
            with m.Else():
                m.d.comb += new.sums[lane].eq(self.product[lane])

    def _count_row_ends(self, m: Module, valid: Signal, stale: Signal) -> None:
        """A row end is answered when no sum is stale."""
        row_ends = Signal(range(2 * _ROW_ENDS_HELD))
        with m.If(self.row_end | self.row_done):
            m.d.sync += row_ends.eq(row_ends + self.row_end - self.row_done)
        m.d.comb += [
            self.row_done.eq((row_ends != 0) & (stale == 0)),
            self.crowded.eq(row_ends >= _ROW_ENDS_HELD),
            self.busy.eq((row_ends != 0) | valid.any()),
        ]
