"""One core of a cluster: everything between the AXI4 master and the program."""

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.act_reader import ActReader
from quiesce.rtl.axi import AXI4Signature, connect_half
from quiesce.rtl.counters import CounterBank
from quiesce.rtl.drain import Drain
from quiesce.rtl.encoder import Encoder
from quiesce.rtl.layouts import Burst, connect_fields
from quiesce.rtl.pe_array import PEArray
from quiesce.rtl.postprocess import PostProcess
from quiesce.rtl.read_dma import ReadDMA
from quiesce.rtl.scanner import Scanner
from quiesce.rtl.sequencer import Sequencer
from quiesce.rtl.write_dma import WriteDMA
from quiesce.sw.config import CoreConfig
from quiesce.sw.isa import COUNTER_WIDTH, Counter, ErrorCode, Region

__all__ = ["Engine"]


class Engine(wiring.Component):
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
    error : isa.ErrorCode, level until reset
    idle : all packets have been executed, and their passes are done
    progress : pulse, the program moves on
    dense, n_items, input_stride, output_stride, region_base, region_size, counter_select, counter_value, items_done : registers,
        see isa.Register; ``counter_select`` within this core
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
            }
        )

    def elaborate(self, platform):
        m = Module()
        core = self._config
        m.submodules.read_dma = read_dma = ReadDMA(core, n_clients=2)
        m.submodules.write_dma = write_dma = WriteDMA(core, n_clients=2)
        m.submodules.sequencer = sequencer = Sequencer(core)
        m.submodules.reader = reader = ActReader(core)
        m.submodules.scanner = scanner = Scanner(core)
        m.submodules.array = array = PEArray(core)
        m.submodules.drain = drain = Drain(core)
        m.submodules.post = post = PostProcess(core)
        m.submodules.encoder = encoder = Encoder(core)
        m.submodules.counters = counters = CounterBank(core)
        config = sequencer.config

        self._connect_memory(m, read_dma, write_dma, reader, encoder)
        self._connect_program(m, sequencer, array, post)

        # A pass: start everything, and wait until the last output is in memory.
        running, starting, rows_done = Signal(), Signal(), Signal(16)
        pass_start, pass_end = sequencer.pass_start, Signal()
        m.d.comb += pass_end.eq(
            running & ~starting & scanner.scanned & array.idle & drain.done
            & (rows_done == config.n_rows) & (~config.drain | (encoder.done & write_dma.idle))
        )  # fmt: skip
        m.d.sync += starting.eq(pass_start)
        with m.If(pass_start):
            m.d.sync += [running.eq(1), rows_done.eq(0)]
        with m.Else():
            m.d.sync += rows_done.eq(rows_done + array.row_done)
            with m.If(pass_end):
                m.d.sync += running.eq(0)

        # Regions of input and output move on from item to item.
        item_input, item_output = Signal(32), Signal(32)
        clearing = Signal()
        m.d.sync += clearing.eq(self.start | (clearing & (counters.busy | ~drain.done)))
        with m.If(self.start):
            m.d.sync += [self.items_done.eq(0), item_input.eq(0), item_output.eq(0)]
        with m.Elif(sequencer.item_end):
            m.d.sync += [
                self.items_done.eq(self.items_done + 1),
                item_input.eq(item_input + self.input_stride),
                item_output.eq(item_output + self.output_stride),
            ]

        for part in (reader, scanner, array, drain, post, encoder):
            connect_fields(m.d.comb, part.config, config)
        with m.If(config.in_region == Region.INPUT):
            m.d.comb += reader.config.in_offset.eq(config.in_offset + item_input)
        with m.If(config.out_region == Region.OUTPUT):
            m.d.comb += encoder.config.out_offset.eq(config.out_offset + item_output)

        m.d.comb += [
            sequencer.pass_ready.eq(~running & ~starting & ~clearing),
            sequencer.counters_ready.eq(~counters.busy),
            reader.start.eq(pass_start),
            scanner.start.eq(pass_start),
            scanner.dense.eq(self.dense),
            scanner.drained.eq(drain.rows),
            scanner.exists.eq((Const(1, core.mask_width + 1) << config.n_positions[: core.mask_width.bit_length()]) - 1),
            scanner.dr.eq(sequencer.positions.dr),
            scanner.dc.eq(sequencer.positions.dc),
            scanner.mask_data.eq(reader.mask_data),
            scanner.mask_written.eq(reader.mask_written),
            scanner.value_data.eq(reader.value_data),
            scanner.value_written.eq(reader.value_written),
            reader.mask_en.eq(scanner.mask_en),
            reader.mask_addr.eq(scanner.mask_addr),
            reader.mask_freed.eq(scanner.mask_freed),
            reader.value_en.eq(scanner.value_en),
            reader.value_addr.eq(scanner.value_addr),
            reader.value_narrow.eq(scanner.value_narrow),
            reader.value_freed.eq(scanner.value_freed),
            array.dense.eq(self.dense),
            array.offset.eq(sequencer.positions.offset),
            array.drain.eq(drain.drain),
            array.drain_addr.eq(drain.addr),
            drain.grant.eq(array.drain_grant),
            drain.drained.eq(array.drained),
            drain.start.eq(pass_start),
            drain.clear.eq(self.start),
            drain.rows_done.eq(rows_done),
            post.start.eq(pass_start & config.drain),
            encoder.start.eq(pass_start & config.drain),
        ]
        connect(m, scanner.o_events, array.i_events)
        connect(m, drain.o_psums, post.i_psums)
        connect(m, post.o_chunks, encoder.i_chunks)

        m.d.comb += [
            self.finished.eq((self.items_done == self.n_items) & ~self.start & ~clearing),
            self.bus_idle.eq(read_dma.idle & write_dma.idle),
            self.idle.eq(sequencer.idle & sequencer.pass_ready),
            self.progress.eq(sequencer.progress | pass_end | sequencer.item_end),
            counters.clear.eq(self.start),
            counters.flush.eq((pass_end if core.n_cores == 1 else 0) | sequencer.flush),
            counters.layer.eq(Mux(pass_end, config.layer, sequencer.flush_layer)),
            counters.select.eq(self.counter_select),
            self.counter_value.eq(counters.value),
        ]
        with m.If(sequencer.bad_packet):
            m.d.comb += self.error.eq(ErrorCode.BAD_PACKET)
        with m.Elif(read_dma.error_bounds | write_dma.error_bounds):
            m.d.comb += self.error.eq(ErrorCode.BOUNDS)
        with m.Elif(read_dma.error_bus):
            m.d.comb += self.error.eq(ErrorCode.BUS_READ)
        with m.Elif(write_dma.error_bus):
            m.d.comb += self.error.eq(ErrorCode.BUS_WRITE)

        self._connect_counters(m, counters, running, scanner, array, reader, encoder, sequencer)
        return m

    def _connect_memory(self, m, read_dma, write_dma, reader, encoder):
        """Clients of the bus: activations before the program, masks before values."""
        connect(m, reader.request, read_dma.request_0)
        connect(m, read_dma.data_0, reader.data)
        connect(m, flipped(self.program_request), read_dma.request_1)
        connect(m, read_dma.data_1, flipped(self.program_data))
        connect(m, encoder.mask_request, write_dma.request_0)
        connect(m, encoder.mask_beats, write_dma.data_0)
        connect(m, encoder.value_request, write_dma.request_1)
        connect(m, encoder.value_beats, write_dma.data_1)
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

    def _connect_counters(self, m, counters, running, scanner, array, reader, encoder, sequencer):
        """What each counter counts; an idle lane-cycle has one cause."""
        core, activity, count = self._config, array.activity, counters.increments
        idle = Signal(range(core.lanes + 1))
        cause = Signal(Counter, init=Counter.IDLE_STARVED)
        m.d.comb += idle.eq(core.lanes - activity.busy * core.n_lanes)
        with m.If(~running | scanner.scanned | scanner.preparing):
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
