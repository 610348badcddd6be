"""Proofs of rtl.psum_registers."""

from amaranth import Array, Const, Mux, Signal

from quiesce.rtl.pe.psum_registers import PsumRegisters
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import tally


class Conserved(Harness):
    """For every accumulator address, what is evicted is the sum, modulo 2^acc_width, or the maximum of the products given since
    its last eviction, so none is lost and none counted twice; a row end is answered once, in order, when everything given
    before it has been evicted."""

    def __init__(self, name: str, maximum: bool, **options):
        self.config, self.maximum = preset(name), maximum
        super().__init__(lambda: PsumRegisters(self.config), **options)

    def describe(self, m):
        dut, depth, width = self.dut, self.config.psum_depth, self.config.acc_width
        bits = depth.bit_length() - 1
        self.free_inputs(m, but=("op_max",))

        def both(a, b):
            """Two sums made one."""
            return Mux(a > b, a, b) if self.maximum else (a + b)[:width]

        lane = 0 if self.config.n_lanes == 1 else self.constant(m, range(self.config.n_lanes), name="lane")
        k = self.constant(m, len(dut.addr), name="k")  # an address
        row_ends = tally(m, dut.row_end, dut.row_done, width=5, name="row_ends")
        since_crowded = Signal(range(9))  # row ends given while crowded
        m.d.sync += since_crowded.eq(Mux(dut.crowded, since_crowded + dut.row_end, 0))
        m.d.comb += [
            self.assume("no row end with an operation", ~(dut.en & dut.row_end)),
            self.assume("few row ends while crowded", ~dut.row_end | (since_crowded < 7) | ~dut.crowded),
        ]

        product = Signal(width)
        m.d.comb += [
            dut.op_max.eq(self.maximum), product.eq(Array(dut.product)[lane]),
            self.assume("no negative product for the maximum", ~(Const(self.maximum) & dut.en & product[-1])),
        ]  # fmt: skip
        here, evicts = dut.en & (dut.addr == k), dut.evict & (dut.evict_addr == k)
        given, since = Signal(), Signal(width)  # address k was given products since its last eviction, and they sum up to this
        left, sent = Signal(), Signal(width)  # evicted in the cycle before, and what should be
        m.d.sync += [left.eq(evicts), sent.eq(since)]
        with m.If(here):
            m.d.sync += [given.eq(1), since.eq(Mux(given & ~evicts, both(since, product), product))]
        with m.Elif(evicts):
            m.d.sync += given.eq(0)

        entries = [self.peek(f"entry_{index}") for index in range(depth)]  # a tag and, above it, the sums
        valid, stale = self.peek("valid"), self.peek("stale")
        entry, sums, tag_bits = Signal.like(entries[0]), Signal(width), len(k) - bits
        m.d.comb += [entry.eq(Array(entries)[k[:bits]]), sums.eq(entry[tag_bits:].word_select(lane, width))]
        holds = valid.bit_select(k[:bits], 1) & (entry[:tag_bits] == k[bits:])
        m.d.comb += [
            self.check("held", holds == given),
            self.check("sum", ~given | (sums == since)),
            self.check("evicted if held", ~evicts | given),
            self.check("evicted", ~left | (Array(dut.evicted)[lane].as_unsigned() == sent)),
            self.check("maximum is small", ~Const(self.maximum) | ((since[15:] == 0) & (sent[15:] == 0))),
            self.check("stale sums are held", (stale & ~valid) == 0),
            self.check("row_ends", (self.peek("row_ends") == row_ends) & (row_ends <= 15)),
            self.check("crowded", dut.crowded == (row_ends >= 8)),
            self.check("few while crowded", ~dut.crowded | (row_ends <= 8 + since_crowded)),
            self.check("busy", dut.busy | ((row_ends == 0) & ~given)),
            self.check("row ends are answered", ~dut.row_done | (row_ends != 0)),
            self.check("stale only behind a row end", (stale == 0) | (row_ends != 0)),
        ]

        # A row end, any one: what address k was given before it has been evicted when it is answered.
        pick, armed = self.free(name="pick"), Signal()
        ahead, old = Signal(5), Signal()  # row ends before it; the sum held has products from before the row end
        with m.If(evicts):
            m.d.sync += old.eq(0)
        with m.If(armed & dut.row_done):
            m.d.sync += [ahead.eq(ahead - 1), armed.eq(ahead != 0)]
        with m.If(~armed & dut.row_end & pick):
            m.d.sync += [armed.eq(1), ahead.eq(row_ends - dut.row_done), old.eq((holds & ~evicts) | here)]
        with m.If(armed):
            m.d.comb += [
                self.check("row end waits", ahead < row_ends),
                self.check("old sums are stale", ~old | (holds & stale.bit_select(k[:bits], 1))),
                self.check("all gone", ~(dut.row_done & (ahead == 0)) | ~old),
            ]


PROOFS = [
    *(Proof(Conserved, {"name": "base", "maximum": maximum}) for maximum in (False, True)),
    *(Proof(Conserved, {"name": "wide", "maximum": maximum}, quick=False) for maximum in (False, True)),
]
