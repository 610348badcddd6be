"""One core of a cluster: everything between the AXI4 master and the program."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.backend.drain import Drain
from quiesce.rtl.backend.postprocess import PostProcess
from quiesce.rtl.backend.winners import Winners
from quiesce.rtl.bus.axi import AXI4Signature, connect_half
from quiesce.rtl.bus.read_dma import ReadDMA
from quiesce.rtl.bus.write_dma import WriteDMA
from quiesce.rtl.core.counters import CounterBank
from quiesce.rtl.core.item_control import ItemControl
from quiesce.rtl.core.pass_control import PassControl
from quiesce.rtl.core.pass_stages import PassStages
from quiesce.rtl.core.row_tracker import RowTracker
from quiesce.rtl.core.variants import variant
from quiesce.rtl.frontend.scanner import Scanner
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import Burst, connect_all, connect_fields
from quiesce.rtl.program.sequencer import Sequencer
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region
from quiesce.spec.performance import COUNTER_WIDTH, Counter
from quiesce.spec.registers import ErrorCode

__all__ = ["Core"]


def _fields(*parts) -> tuple[str, ...]:
    """Pass fields that the parts use."""
    return tuple(dict.fromkeys(name for part in parts for name, _ in part.config.shape()))


class Core(wiring.Component):
    """Executes a program: sequencer, activation reader, scanner, PE array, drain, post-processing, encoder, counters.

    A core that is alone adds its counters to the set of a pass's layer when the pass ends; one of several does so at barriers
    only, which are in the same cycles for all.

    Members
    -------
    axi : memory
    i_program : packets to execute
    program_request, program_data : a client of the read DMA, behind the activations
    start : pulse, clear accumulators and counters and run the program
    finished : level, all items are done (or there are none)
    halt : issue no more bus transactions, finish those begun
    bus_idle : no transaction is under way
    error : registers.ErrorCode, level until reset
    idle : all packets have been executed, and their passes are done
    progress : pulse, the program moves on
    dense, n_items, input_stride, output_stride, region_base, region_size, counter_select, counter_value, items_done : registers,
        see registers.Register; ``counter_select`` within this core
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        regions = data.ArrayLayout(unsigned(32), len(Region))
        beats = stream.Signature(unsigned(config.data_width))
        super().__init__(
            {
                "axi": Out(AXI4Signature(config.addr_width, config.data_width)),
                "i_program": In(beats),
                "program_request": In(stream.Signature(Burst)),
                "program_data": Out(beats),
                "start": In(1),
                "finished": Out(1),
                "halt": In(1),
                "bus_idle": Out(1),
                "error": Out(8),
                "idle": Out(1),
                "progress": Out(1),
                "dense": In(1),
                "n_items": In(32),
                "items_done": Out(32),
                "input_stride": In(32),
                "output_stride": In(32),
                "region_base": In(regions),
                "region_size": In(regions),
                "counter_select": In(16),
                "counter_value": Out(COUNTER_WIDTH),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform):
        m = Module()
        core, parts = self._config, variant(self._config)
        m.submodules.read_dma = read_dma = ReadDMA(core, n_clients=2)
        m.submodules.write_dma = write_dma = WriteDMA(core, n_clients=parts.encoder.N_CLIENTS)
        m.submodules.sequencer = sequencer = Sequencer(core)
        m.submodules.reader = reader = parts.reader(core)
        m.submodules.scanner = scanner = Scanner(core)
        m.submodules.array = array = parts.array(core)
        m.submodules.drain = drain = Drain(core)
        m.submodules.post = post = PostProcess(core)
        m.submodules.encoder = encoder = parts.encoder(core)
        m.submodules.counters = counters = CounterBank(core)
        m.submodules.tracker = tracker = RowTracker(write_dma.OPEN_BITS)
        m.submodules.control = control = PassControl()
        m.submodules.items = items = ItemControl()
        ram_parts = [reader, scanner, array, post, encoder, counters]
        back_parts = [post, encoder]
        if core.winner_depth:
            m.submodules.winners = winners = Winners(core)
            back_parts.append(winners)
            ram_parts.append(winners)
        join_status(m, self, ram_parts)
        m.submodules.stages = stages = PassStages(
            core,
            reader_fields=_fields(reader),
            front_fields=_fields(scanner),
            array_fields=("layer", *_fields(array, drain)),
            back_fields=_fields(*back_parts),
        )

        self._connect_memory(m, read_dma, write_dma, reader, encoder)
        self._connect_program(m, sequencer, array, post)

        self._connect_passes(m, control, stages, items, sequencer, scanner, encoder, write_dma)
        clearing = Signal()
        m.d.sync += clearing.eq(self.start | (clearing & ~drain.done))
        # What a part is given at its start is there one cycle later.
        reader_begins = Signal()
        front_begins = Signal()
        array_begins = Signal()
        back_begins = Signal()
        m.d.sync += [
            reader_begins.eq(control.reader_start), front_begins.eq(control.front_start),
            array_begins.eq(control.array_start), back_begins.eq(control.back_start),
        ]  # fmt: skip
        rows_done = Signal(16)
        with m.If(control.array_start | array.row_done):
            m.d.sync += rows_done.eq(Mux(control.array_start, 0, rows_done + array.row_done))

        for part, source in (
            (reader, stages.reader), (scanner, stages.front), (array, stages.array), (drain, stages.array),
            *((part, stages.back) for part in back_parts),
        ):  # fmt: skip
            connect_fields(m.d.comb, part.config, source)
        m.d.comb += [
            control.array_done.eq(array.idle & drain.done & (rows_done == stages.array.n_rows)),
            control.ready.eq(~clearing),
            control.counters_ready.eq(~counters.busy),
            sequencer.counters_ready.eq(~counters.busy),
            reader.start.eq(reader_begins),
            control.reader_done.eq(reader.done & ~reader_begins),
            reader.rows_written.eq(Mux(control.behind, tracker.rows, 0)),
            reader.all_written.eq(Mux(control.behind, control.complete, tracker.older_done)),
            scanner.start.eq(front_begins),
            scanner.dense.eq(self.dense),
            scanner.drained.eq(Mux(control.ahead | array_begins, 0, drain.rows)),
            scanner.release.eq(~control.ahead),
            scanner.exists.eq(stages.exists),
            array.dense.eq(self.dense),
            array.drain.eq(drain.drain),
            array.drain_addr.eq(drain.addr),
            drain.grant.eq(array.drain_grant),
            drain.drained.eq(array.drained),
            drain.start.eq(array_begins),
            drain.clear.eq(self.start),
            drain.rows_done.eq(rows_done),
            post.start.eq(back_begins),
            encoder.start.eq(back_begins),
            tracker.start.eq(control.back_start),
            tracker.rows_handed.eq(encoder.rows_handed),
            tracker.open_bursts.eq(write_dma.open_bursts),
            tracker.answered.eq(write_dma.answered),
            control.older_done.eq(tracker.older_done),
            items.older_done.eq(tracker.older_done),
        ]
        connect_all(m.d.comb, stages.positions, sequencer.positions)
        connect_all(m.d.comb, (*scanner.dr, *scanner.dc, *array.offset), (*stages.dr, *stages.dc, *stages.offset))
        connect(m, scanner.buffers, reader.buffers)
        connect(m, scanner.o_events, array.i_events)
        connect(m, drain.o_psums, post.i_psums)
        connect(m, post.o_chunks, encoder.i_chunks)
        m.d.comb += control.back_done.eq(encoder.done)
        if core.winner_depth:
            m.d.comb += [
                winners.start.eq(back_begins),
                winners.taken.eq(post.o_chunks.valid & post.o_chunks.ready),
                winners.chunk.eq(post.o_chunks.payload),
                winners.mark_en.eq(scanner.buffers.mask_en),
                winners.mark_row.eq(scanner.mark_row),
                scanner.marks.eq(winners.marks),
                # A ranking that the scanned pass itself has begun is not one that it waits for.
                scanner.ranked.eq(~winners.pending | (control.back_current & ~control.ahead)),
                control.back_done.eq(encoder.done & ~winners.pending),
                counters.increments[Counter.RANKING].eq(winners.ranking),
                counters.increments[Counter.MAXIMA_ACCESSES].eq(winners.access),
            ]

        m.d.comb += [
            self.items_done.eq(items.items_done),
            self.finished.eq((self.items_done == self.n_items) & ~control.running & ~counters.busy & ~self.start & ~clearing),
            self.bus_idle.eq(read_dma.idle & write_dma.idle),
            self.idle.eq(sequencer.idle & control.idle & items.ready),
            self.progress.eq(sequencer.progress | control.pass_end | sequencer.item_end),
            counters.clear.eq(self.start),
            counters.flush.eq((control.pass_end if core.n_cores == 1 else 0) | sequencer.flush),
            counters.layer.eq(Mux(control.pass_end, stages.array.layer, sequencer.flush_layer)),
            counters.select.eq(self.counter_select),
            self.counter_value.eq(counters.value),
        ]
        errors = [
            (sequencer.bad_packet, ErrorCode.BAD_PACKET),
            (read_dma.error_bounds | write_dma.error_bounds, ErrorCode.BOUNDS),
            (read_dma.error_bus, ErrorCode.BUS_READ),
            (write_dma.error_bus, ErrorCode.BUS_WRITE),
        ]
        if core.record_check:
            errors.append((reader.damaged, ErrorCode.RECORD_CHECK))
        if core.ram_check:
            damaged = Signal()
            with m.If(self.ram_status.error):
                m.d.sync += damaged.eq(1)
            errors.insert(0, (damaged, ErrorCode.RAM_CHECK))
        for condition, code in reversed(errors):
            with m.If(condition):
                m.d.comb += self.error.eq(code)

        self._connect_counters(m, counters, control, scanner, array, reader, encoder, sequencer)
        return m

    def _connect_passes(self, m, control, stages, items, sequencer, scanner, encoder, write_dma):
        """From the sequencer through the stages of a pass, and what these wait for."""
        m.d.comb += [
            control.described.eq(sequencer.described),
            control.offered.eq(sequencer.offered),
            control.writes.eq(sequencer.config.drain),
            control.scanned.eq(scanner.scanned),
            control.written.eq(write_dma.idle),
            sequencer.taken.eq(control.array_start),
            sequencer.passes_done.eq(control.idle),
            sequencer.params_ready.eq(~control.back_lags),
            sequencer.item_ready.eq(items.ready),
            stages.offered.eq(sequencer.config),
            stages.reader_start.eq(control.reader_start),
            stages.front_start.eq(control.front_start),
            stages.array_start.eq(control.array_start),
            stages.back_start.eq(control.back_start),
            stages.input_offset.eq(items.input_offset),
            stages.output_offset.eq(items.output_offset),
            items.start.eq(self.start),
            items.item_end.eq(sequencer.item_end),
            items.back_start.eq(control.back_start),
            items.back_waits.eq(control.back_waits),
            items.complete.eq(control.complete),
            items.input_stride.eq(self.input_stride),
            items.output_stride.eq(self.output_stride),
        ]

    def _connect_memory(self, m, read_dma, write_dma, reader, encoder):
        """Clients of the bus: activations before the program; the encoder's in their order."""
        connect(m, reader.request, read_dma.request_0)
        connect(m, read_dma.data_0, reader.data)
        connect(m, flipped(self.program_request), read_dma.request_1)
        connect(m, read_dma.data_1, flipped(self.program_data))
        for i in range(encoder.N_CLIENTS):
            connect(m, getattr(encoder, f"request_{i}"), getattr(write_dma, f"request_{i}"))
            connect(m, getattr(encoder, f"beats_{i}"), getattr(write_dma, f"data_{i}"))
        for dma in (read_dma, write_dma):
            m.d.comb += [
                dma.region_base.eq(self.region_base),
                dma.region_size.eq(self.region_size),
                dma.halt.eq(self.halt),
            ]
            m.d.comb += connect_half(self.axi, dma.axi)

    def _connect_program(self, m, sequencer, array, post):
        connect(m, flipped(self.i_program), sequencer.i_beats)
        for name in sequencer.load.signature.members:
            m.d.comb += getattr(array.load, name).eq(getattr(sequencer.load, name))
        m.d.comb += [
            array.load_pe.eq(sequencer.load_pe),
            post.param_en.eq(sequencer.param_en),
            post.param_chan.eq(sequencer.param_chan),
            post.param_data.eq(sequencer.param_data),
        ]

    def _connect_counters(self, m, counters, control, scanner, array, reader, encoder, sequencer):
        """What each counter counts; an idle lane-cycle has one cause."""
        core, activity, count = self._config, array.activity, counters.increments
        idle = Signal(range(core.lanes + 1))
        cause = Signal(Counter, init=Counter.IDLE_STARVED)
        m.d.comb += idle.eq(core.lanes - activity.busy * core.n_lanes)
        with m.If(~control.running | control.ahead | scanner.scanned | scanner.preparing):
            m.d.comb += cause.eq(Counter.IDLE_DRAIN)
        with m.Elif(array.blocked):
            m.d.comb += cause.eq(Counter.IDLE_IMBALANCE)
        with m.Elif(scanner.waiting_memory):
            m.d.comb += cause.eq(Counter.IDLE_MEMORY)
        with m.Elif(scanner.waiting_row):
            m.d.comb += cause.eq(Counter.IDLE_POST)
        for counter in Counter:
            if counter.name.startswith("IDLE_"):
                m.d.comb += count[counter].eq(Mux(cause == counter, idle, 0))
        m.d.comb += [
            count[Counter.CYCLES].eq(~self.finished),
            count[Counter.EVENTS].eq(scanner.event_found),
            count[Counter.MACS].eq(activity.busy * core.n_lanes),
            count[Counter.EFFECTUAL_MACS].eq(activity.n_effectual),
            count[Counter.ACC_ACCESSES].eq(activity.acc_accesses),
            count[Counter.WEIGHT_READS].eq(activity.row_reads),
            count[Counter.MASK_READS].eq(activity.mask_reads),
            count[Counter.BEATS_READ].eq(reader.beats_read),
            count[Counter.BEATS_WRITTEN].eq(encoder.beats_written),
            count[Counter.FIFO_PUSHES].eq(activity.pushes),
            count[Counter.PROGRAM_BEATS].eq(sequencer.i_beats.valid & sequencer.i_beats.ready),
        ]
