"""Proofs of rtl.burst_writer."""

from amaranth import Cat, Const, Mux, Signal
from amaranth.lib import data

from quiesce.rtl.bus.burst_writer import BurstWriter
from quiesce.rtl.bus.interfaces import Burst
from quiesce.spec.config import preset
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable, stream_held


class Written(Harness):
    """Every beat of a row is requested once, at its own place in its row; no burst crosses a multiple of 16 beats; requests and
    beats leave in order and unchanged, a request after its beats are here; rows count as handed on after their last request."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: BurstWriter(self.config), **options)

    def describe(self, m):
        dut, item, run = self.dut, self.dut.i_beats.payload, self.dut.config
        bits = (self.config.data_width // 8).bit_length() - 1
        self.free_inputs(m)
        stream_held(self, m, dut.i_beats, "i_beats", assume=True)
        stream_held(self, m, dut.o_beats, "o_beats")
        stream_held(self, m, dut.o_requests, "o_requests")
        began = Signal()  # a pass has begun in the cycle before, or goes on
        m.d.sync += began.eq(1)
        stable(self, m, Cat(run.region, run.stride), "run", when=began & ~dut.start)
        take = dut.i_beats.valid & dut.i_beats.ready
        row, place, count, rows_left = Signal(32 - bits), Signal(32 - bits), Signal(5), Signal(16)  # beats; of the burst so far
        fresh, was_done = Signal(init=1), Signal(init=1)  # at the begin of a row
        m.d.sync += was_done.eq(dut.done)
        m.d.comb += [
            self.assume("start when done", ~dut.start | (was_done & ~dut.i_beats.valid)),
            self.assume("no more rows than there are", ~dut.i_beats.valid | (rows_left != 0)),
            self.assume("a row without beats", ~(dut.i_beats.valid & item.empty) | (item.last & fresh)),
        ]
        next_row, closes = Signal.like(row), item.last | (place[:4] == 15)
        m.d.comb += next_row.eq(row + (run.stride >> bits))
        with m.If(take):
            m.d.sync += [
                fresh.eq(item.last), place.eq(Mux(item.last, next_row, place + 1)), count.eq(Mux(closes, 0, count + 1)),
                rows_left.eq(rows_left - item.last),
            ]  # fmt: skip
            with m.If(item.last):
                m.d.sync += row.eq(next_row)
        with m.If(dut.start):
            m.d.sync += [
                row.eq(run.offset >> bits), place.eq(run.offset >> bits), count.eq(0), rows_left.eq(run.n_rows), fresh.eq(1),
            ]  # fmt: skip

        request, put = data.View(Burst, self.peek("w_data")), self.peek("beats", "put")  # into the two FIFOs
        requested, taken = self.peek("w_en") & self.peek("requests", "w_rdy"), dut.o_requests.valid & dut.o_requests.ready
        beats = follow(
            self, m, "beats", "beats", kind="RamFifo", rows=dut.DEPTH - 1, put=put, value=item.beat, valid=dut.o_beats.valid,
            take=dut.o_beats.valid & dut.o_beats.ready, taken=dut.o_beats.payload,
        )  # fmt: skip
        m.d.comb += [
            self.check("beats", put == (take & ~item.empty)),
            self.check("requests", requested == (take & closes & ~item.empty)),
            self.check("done", dut.done == ((rows_left == 0) & (beats.inside == 0) & ~dut.start)),
            self.check("own place", Cat(self.peek("count"), Const(0, 1)) == count),
            self.check("own rows", self.peek("rows_left") == rows_left),
            self.check("inside a block", (count <= place[:4]) & (count < 16)),
            self.check("fresh", ~fresh | (count == 0)),
        ]
        active = Signal()  # a pass has begun since reset
        with m.If(dut.start):
            m.d.sync += active.eq(1)
        m.d.comb += self.check("in a pass", active | (rows_left == 0))
        with m.If(active):
            m.d.comb += [
                self.check("own first", self.peek("first") == (place - count)[: len(place)]),
                self.check("own row", self.peek("row") == row),
            ]
        with m.If(requested):
            m.d.comb += [
                self.check("region", request.region == run.region),
                self.check("offset", request.offset == (place - count)[: len(place)] << bits),
                self.check("length", request.beats == count + 1),
            ]
        order = follow(
            self, m, "requests_out", "requests", kind="SyncFIFOBuffered", rows=dut.N_REQUESTS - 1, put=requested, value=request,
            valid=dut.o_requests.valid, take=taken, taken=dut.o_requests.payload,
        )  # fmt: skip
        self.handed(m, take & item.last, requested, taken, order.inside)

    def handed(self, m, closed, requested, taken, inside):
        """Row r counts as handed on only once its last request and all before it are taken."""
        dut, r = self.dut, self.constant(m, 16, name="r")
        rows, under_way, ahead, done = Signal(16), Signal(), Signal.like(inside), Signal()
        m.d.sync += rows.eq(rows + closed)
        before = Signal.like(inside)
        m.d.comb += [before.eq(inside + requested - taken), self.assume("no more than 65535 rows", rows < 0xFFFF)]
        with m.If(under_way & taken):
            m.d.sync += [ahead.eq(ahead - 1), under_way.eq(ahead != 1), done.eq(ahead == 1)]
        with m.If(closed & (rows == r)):
            m.d.sync += [under_way.eq(before != 0), ahead.eq(before), done.eq(before == 0)]
        with m.If(dut.start):
            m.d.sync += [rows.eq(0), under_way.eq(0), done.eq(0)]
        m.d.comb += [
            self.check("handed", (dut.rows_handed <= r) | done),
            self.check("closed", (rows > r) == (under_way | done)),
            self.check("one of them", ~(under_way & done)),
            self.check("ahead", ~under_way | ((ahead != 0) & (ahead <= inside))),
            self.check("own count of rows", self.peek("closed") == rows),
        ]


PROOFS = [Proof(Written, {"name": name}) for name in ("base", "wide")]
