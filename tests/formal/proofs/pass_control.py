"""Proofs of rtl.pass_control."""

from amaranth import Signal

from quiesce.rtl.core.pass_control import PassControl
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import tally


class Order(Harness):
    """Reader, front, array and back begin each pass in this order, each exactly when its condition holds; reader and front are at
    most one pass ahead of the array, the back at most one writing pass behind; a pass ends once.

    Passes are numbered modulo 2^bits, which tells all apart that can be under way.
    """

    def __init__(self, bits: int, **options):
        self.bits = bits
        super().__init__(PassControl, **options)

    def describe(self, m):
        dut, bits = self.dut, self.bits
        self.free_inputs(m)
        reader = tally(m, dut.reader_start, width=bits, name="reader")  # passes begun
        front = tally(m, dut.front_start, width=bits, name="front")
        array = tally(m, dut.array_start, width=bits, name="array")
        ended = tally(m, dut.pass_end, width=bits, name="ended")
        # Pass numbers: the last that writes of those begun in the array, the last begun in the back, both if any.
        writing, back = Signal(bits), Signal(bits)
        any_reader, any_writing, current, behind = Signal(), Signal(), Signal(), Signal()
        own = Signal()  # the writing pass begun last in the array is that of the reader
        waits = Signal()  # the last writing pass has not begun in the back
        with m.If(dut.back_start):
            m.d.sync += [back.eq(writing), waits.eq(0), current.eq(1), behind.eq(0)]
        with m.If(dut.reader_start):
            m.d.sync += [behind.eq(1), own.eq(0), any_reader.eq(1)]
        with m.If(dut.array_start):
            m.d.sync += current.eq(0)
            with m.If(dut.writes):
                m.d.sync += [writing.eq(array + 1), any_writing.eq(1), own.eq(1), waits.eq(1)]

        ahead = (reader - array)[:bits]
        done, none = dut.back_done & dut.written, (front == array) & ~dut.offered  # no pass is next
        m.d.comb += [
            self.assume("a pass offered is described", ~dut.offered | dut.described),
            self.check("reader ahead", ahead <= 1),
            self.check("front", (front == array) | (front == reader)),
            self.check("ahead", dut.ahead == (front != array)),
            self.check("reading", self.peek("reading") == (reader != front)),
            self.check(
                "reader begins", dut.reader_start == (dut.described & dut.reader_done & dut.older_done & (ahead == 0) & ~waits)
            ),
            self.check("front begins", dut.front_start == (dut.offered & dut.scanned & dut.ready & (front != reader))),
            self.check("front behind the array", (front == reader) | (front == array)),
            self.check(
                "array begins",
                dut.array_start
                == ((front == (array + 1)[:bits]) & ~waits & ((ended == array) | (dut.array_done & dut.counters_ready))),
            ),
            self.check("reader and front", (front == array) | (reader == front)),
            self.check("back begins", dut.back_start == (waits & dut.back_done)),
            self.check("running", dut.running == (ended != array)),
            self.check("ends once", (ended == array) | ((ended + 1)[:bits] == array)),
            self.check(
                "ends",
                dut.pass_end
                == (dut.running & dut.array_done & dut.counters_ready & (dut.array_start | (dut.scanned & done & ~waits & none))),
            ),
            self.check("waits", dut.back_waits == waits),
            self.check("front waits for the back", ~(dut.ahead & dut.back_waits)),
            self.check("waits for one", ~waits | (any_writing & (writing == array))),
            self.check("begun in the back", waits | ~any_writing | (back == writing)),
            self.check("nothing to write", any_writing | ~(waits | own)),
            self.check("current", dut.back_current == current),
            self.check("current pass", ~current | (back == array)),
            self.check("lags", dut.back_lags == (~dut.back_done & ~current)),
            self.check("complete", dut.complete == (done & ~waits)),
            self.check("behind", dut.behind == behind),
            self.check("own", ~own | (writing == reader)),
            self.check("behind the reader", ~any_reader | ~any_writing | (behind == (own == waits))),
            self.check("idle", dut.idle == (none & (ended == array) & ~waits & done)),
        ]


PROOFS = [Proof(Order, {"bits": 3})]
