"""Processing element: event FIFO, operand iterator, weights, multipliers and accumulators."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from quiesce.rtl.accumulator import Accumulator
from quiesce.rtl.bits import bits_for_index, popcount
from quiesce.rtl.events import acc_addr_width, context_layout, event_layout
from quiesce.rtl.psum_registers import PsumRegisters
from quiesce.rtl.walker import Walker
from quiesce.rtl.weight_memory import WeightMemory, mask_beat_layout
from quiesce.sw.config import CoreConfig

__all__ = ["PE", "Multiplier", "load_signature"]


def load_signature(config: CoreConfig) -> wiring.Signature:
    """Write ports of the weight memories, as driven by the loader: a beat of mask entries, a row of weights."""
    return wiring.Signature(
        {
            "mask_en": Out(1),
            "mask_addr": Out(bits_for_index(config.mask_depth)),
            "mask": Out(mask_beat_layout(config)),
            "row_en": Out(1),
            "row_addr": Out(bits_for_index(config.weight_depth)),
            "row": Out(config.data_width),
        }
    )


class Multiplier(wiring.Component):
    """Registered products of one activation with the weights of all lanes.

    Maximum pooling passes ``value + 128``, which is never negative, for lanes whose weight is not zero. Latency one cycle.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "en": In(1),
                "op_max": In(1),
                "value": In(signed(8)),
                "weight": In(8 * config.n_lanes),
                "product": Out(data.ArrayLayout(signed(16), config.n_lanes)),
                "n_effectual": Out(range(config.n_lanes + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        nonzero = Signal(self._config.n_lanes)
        for lane in range(self._config.n_lanes):
            weight = self.weight.word_select(lane, 8).as_signed()
            m.d.comb += nonzero[lane].eq(weight != 0)
            biased = Mux(nonzero[lane], Cat(self.value[:7], ~self.value[7], Const(0)).as_signed(), 0)
            with m.If(self.en):
                m.d.sync += self.product[lane].eq(Mux(self.op_max, biased, self.value * weight))
        m.d.comb += self.n_effectual.eq(Mux(self.en & (self.value != 0), popcount(nonzero), 0))
        return m


class PE(wiring.Component):
    """One processing element.

    Pipeline: event FIFO, walk (see Walker), weight fetch, multiply, combine (see PsumRegisters), accumulate; one operation of all
    lanes per cycle. Events are accepted while both FIFOs have room.

    Members
    -------
    i_event, i_context : from the detector; a context is taken together with an event whose ``first`` is set
    load : write ports of the weight memories
    op_max, dense, slot_log2, weight_log2 : see Walker, WeightMemory and Accumulator; stable during a pass
    position, offset : see Walker
    hold : start no further event
    drain, drain_addr, drain_grant, drained : see Accumulator
    row_end : pulse, every operation of an input row is in the accumulators
    idle : nothing in the FIFO, the pipeline or the registers
    busy_lanes, n_effectual, row_read, mask_read, n_acc_accesses, push : activity of this cycle, for the counters
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "i_event": In(stream.Signature(event_layout(config))),
                "i_context": In(context_layout(config)),
                "load": In(load_signature(config)),
                "op_max": In(1),
                "dense": In(1),
                "slot_log2": In(3),
                "weight_log2": In(2),
                "position": Out(range(config.mask_width)),
                "offset": In(acc_addr_width(config)),
                "hold": In(1),
                "drain": In(1),
                "drain_addr": In(acc_addr_width(config)),
                "drain_grant": Out(1),
                "drained": Out(data.ArrayLayout(signed(config.acc_width), config.n_lanes)),
                "row_end": Out(1),
                "idle": Out(1),
                "busy_lanes": Out(1),
                "n_effectual": Out(range(config.n_lanes + 1)),
                "row_read": Out(1),
                "mask_read": Out(1),
                "n_acc_accesses": Out(range(3)),
                "push": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.walker = walker = Walker(config)
        m.submodules.weights = weights = WeightMemory(config)
        m.submodules.mac = mac = Multiplier(config)
        m.submodules.psums = psums = PsumRegisters(config)
        m.submodules.accumulator = accumulator = Accumulator(config)
        event_width, context_width = event_layout(config).size, context_layout(config).size
        m.submodules.event_fifo = events = SyncFIFO(width=event_width, depth=config.event_fifo_depth)
        m.submodules.context_fifo = contexts = SyncFIFO(width=context_width, depth=config.context_fifo_depth)

        m.d.comb += [
            self.i_event.ready.eq(events.w_rdy & contexts.w_rdy),
            self.push.eq(self.i_event.valid & self.i_event.ready),
            events.w_en.eq(self.push),
            events.w_data.eq(self.i_event.payload),
            contexts.w_en.eq(self.push & self.i_event.payload.first),
            contexts.w_data.eq(self.i_context),
        ]
        m.d.comb += [
            walker.i_event.valid.eq(events.r_rdy & ~self.hold & ~psums.crowded),
            walker.i_event.payload.eq(events.r_data),
            events.r_en.eq(walker.i_event.ready),
            walker.i_context.valid.eq(contexts.r_rdy),
            walker.i_context.payload.eq(contexts.r_data),
            contexts.r_en.eq(walker.i_context.ready),
            walker.dense.eq(self.dense),
            walker.slot_log2.eq(self.slot_log2),
            self.position.eq(walker.position),
            walker.offset.eq(self.offset),
            walker.mask.eq(weights.mask),
            weights.weight_log2.eq(self.weight_log2),
            weights.mask_en.eq(walker.mask_en),
            weights.mask_addr.eq(walker.mask_addr),
            weights.load_mask_en.eq(self.load.mask_en),
            weights.load_mask_addr.eq(self.load.mask_addr),
            weights.load_mask.eq(self.load.mask),
            weights.load_row_en.eq(self.load.row_en),
            weights.load_row_addr.eq(self.load.row_addr),
            weights.load_row.eq(self.load.row),
            weights.index_en.eq(walker.o_valid & ~walker.o.pruned),
            weights.index.eq(walker.o.index),
        ]

        # The operation follows its weight: fetch, multiply, combine.
        fetched, multiplied = Signal(), Signal()
        pruned = Signal(reset_less=True)
        value = Signal(signed(8), reset_less=True)
        addr, product_addr = (Signal(acc_addr_width(config), reset_less=True) for _ in range(2))
        marks = Signal(2)
        m.d.sync += [fetched.eq(walker.o_valid), multiplied.eq(fetched), marks.eq(Cat(walker.row_end, marks))]
        with m.If(walker.o_valid):
            m.d.sync += [pruned.eq(walker.o.pruned), value.eq(walker.o.value), addr.eq(walker.o.addr)]
        with m.If(fetched):
            m.d.sync += product_addr.eq(addr)
        m.d.comb += [
            mac.en.eq(fetched),
            mac.op_max.eq(self.op_max),
            mac.value.eq(value),
            mac.weight.eq(Mux(pruned, 0, weights.weight)),
            psums.en.eq(multiplied),
            psums.addr.eq(product_addr),
            psums.product.eq(mac.product),
            psums.op_max.eq(self.op_max),
            psums.mark.eq(marks[1]),
            accumulator.update.eq(psums.evict),
            accumulator.addr.eq(psums.evict_addr),
            accumulator.sums.eq(psums.evicted),
            accumulator.op_max.eq(self.op_max),
            accumulator.drain.eq(self.drain),
            accumulator.drain_addr.eq(self.drain_addr),
            self.drain_grant.eq(accumulator.drain_grant),
            self.drained.eq(accumulator.drained),
            self.row_end.eq(psums.row_end),
            self.idle.eq(~(events.r_rdy | walker.busy | fetched | multiplied | marks.any() | psums.busy)),
            self.busy_lanes.eq(fetched),
            self.n_effectual.eq(mac.n_effectual),
            self.row_read.eq(weights.row_read),
            self.mask_read.eq(weights.mask_en),
            self.n_acc_accesses.eq(psums.evict + accumulator.drain_grant),
        ]
        return m
