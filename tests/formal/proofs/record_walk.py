"""Proofs of rtl.record_walk."""

from amaranth import Signal, signed

from quiesce.rtl.frontend.record_walk import RecordWalk
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable


class InOrder(Harness):
    """Records are offered once each, rows outside and planes inside, at ``in_offset + row * in_row_stride + plane *
    in_plane_stride``, and none of a row that is awaited and not written."""

    def __init__(self, **options):
        super().__init__(RecordWalk, **options)

    def describe(self, m):
        dut, config = self.dut, self.dut.config
        self.free_inputs(m)
        row, plane, begun = Signal(len(config.n_rows)), Signal(len(config.n_planes)), Signal()
        of_row, of_plane = Signal(32), Signal(32)  # row * in_row_stride, plane * in_plane_stride
        stable(self, m, config, "config", when=begun)
        m.d.comb += [
            self.assume("some rows and planes", (config.n_rows != 0) & (config.n_planes != 0)),
            self.assume("next record", ~dut.next | dut.active),
            self.assume("begins when all is done", ~dut.start | ~begun),
        ]
        with m.If(dut.next):
            m.d.sync += [plane.eq(plane + 1), of_plane.eq(of_plane + config.in_plane_stride)]
            with m.If(plane + 1 == config.n_planes):
                m.d.sync += [plane.eq(0), of_plane.eq(0), row.eq(row + 1), of_row.eq(of_row + config.in_row_stride)]
                m.d.sync += begun.eq(row + 1 != config.n_rows)
        with m.If(dut.start):
            m.d.sync += [row.eq(0), plane.eq(0), of_row.eq(0), of_plane.eq(0), begun.eq(1)]
        needed = Signal(signed(20))
        rows_left, planes_left = self.peek("rows_left"), self.peek("planes_left")
        m.d.comb += [
            needed.eq(config.rows_awaited + row),  # rows that are to be in memory
            self.check("nothing left", begun | (rows_left == 0)),
            self.check("done", dut.done == ~begun),
            self.check("active", dut.active == (begun & (~config.awaits_rows | dut.all_written | (needed <= dut.rows_written)))),
        ]
        with m.If(begun):
            m.d.comb += [
                self.check("offset", dut.offset == (config.in_offset + of_row + of_plane)[:32]),
                self.check("row offset", self.peek("row_offset") == (config.in_offset + of_row)[:32]),
                self.check("inside", (row < config.n_rows) & (plane < config.n_planes)),
                self.check("left", (rows_left == config.n_rows - row) & (planes_left == config.n_planes - plane)),
                self.check("awaited", self.peek("awaited") == needed),
            ]


PROOFS = [Proof(InOrder)]
