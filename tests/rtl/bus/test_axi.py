"""Bus signatures: the two DMAs as halves of one AXI4 port."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bus.axi import AXI4LiteSignature, AXI4ReadSignature, AXI4Signature, AXI4WriteSignature, connect_half
from quiesce.rtl.bus.read_dma import ReadDMA
from quiesce.rtl.bus.write_dma import WriteDMA
from quiesce.spec.config import CoreConfig
from tests.rtl.support import AXI4Memory, StreamDriver, StreamMonitor, simulate, wait_until


class BothDMAs(wiring.Component):
    def __init__(self, config: CoreConfig):
        self.read = ReadDMA(config, 1)
        self.write = WriteDMA(config, 1)
        super().__init__({"axi": Out(AXI4Signature(config.addr_width, config.data_width))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.read = self.read
        m.submodules.write = self.write
        m.d.comb += connect_half(self.axi, self.read.axi) + connect_half(self.axi, self.write.axi)
        return m


def test_halves_make_the_whole():
    whole = dict(AXI4Signature(32, 64).members.items())
    read = dict(AXI4ReadSignature(32, 64).members.items())
    write = dict(AXI4WriteSignature(32, 64).members.items())
    assert whole == read | write
    assert not read.keys() & write.keys()
    assert whole["awaddr"].flow is Out and whole["awready"].flow is In
    assert whole["arsize"].init == 3 and AXI4ReadSignature(32, 128).members["arsize"].init == 4
    assert repr(AXI4LiteSignature(12)) == "AXI4LiteSignature(12, 32)"


def test_reads_see_what_was_written_over_one_port():
    dut = BothDMAs(CoreConfig())
    memory = AXI4Memory(dut.axi, seed=4, stall=0.3, latency=(1, 8))
    burst = {"region": 3, "offset": 0x80, "beats": 16}
    words = [0x0123_4567_89AB_CDEF ^ beat << 24 for beat in range(16)]
    received = StreamMonitor(dut.read.data_0, 16, stall=0.3)

    async def regions(ctx) -> None:
        for dma in (dut.read, dut.write):
            ctx.set(dma.region_base[3], 0x1000)
            ctx.set(dma.region_size[3], 0x100)
        await StreamDriver(dut.write.request_0, [burst]).run(ctx)
        await wait_until(ctx, dut.write.idle)
        await StreamDriver(dut.read.request_0, [burst]).run(ctx)

    simulate(dut, regions, StreamDriver(dut.write.data_0, words), received, background=[memory.reads, memory.writes])
    assert received.items == words
    assert memory.read_bursts == memory.write_bursts == [(0x1080, 16)]
