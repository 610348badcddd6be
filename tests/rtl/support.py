"""Stream drivers, monitors and rule checkers, and an AXI4 memory, for the Amaranth simulator."""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

from amaranth.hdl import Const, Elaboratable, Value
from amaranth.sim import Simulator

__all__ = ["AXI4Memory", "StreamDriver", "StreamMonitor", "simulate", "stream_rule", "wait_until"]

PERIOD = 1e-6


def simulate(
    dut: Elaboratable, *testbenches: Any, background: Iterable[Any] = (), limit: int = 20_000, vcd: Path | None = None
) -> None:
    """Run ``dut`` until every one of ``testbenches`` has returned; ``background`` ones run along, and ``vcd`` is written.

    A test bench is an asynchronous function of the simulator's context, or an object whose ``run`` is one. After a clock edge the
    background ones go first, so the others see what these recorded of that edge.

    Raises
    ------
    AssertionError
        Not finished after ``limit`` cycles, or raised by a test bench.
    """
    sim = Simulator(dut)
    sim.add_clock(PERIOD)
    for testbench in background:
        sim.add_testbench(getattr(testbench, "run", testbench), background=True)
    for testbench in testbenches:
        sim.add_testbench(getattr(testbench, "run", testbench))

    async def timeout(ctx) -> None:
        for _ in range(limit):
            await ctx.tick()
        raise AssertionError(f"not finished after {limit} cycles")

    sim.add_testbench(timeout, background=True)
    with nullcontext() if vcd is None else sim.write_vcd(str(vcd)):
        sim.run()


async def wait_until(ctx, condition, limit: int = 2000) -> int:
    """Wait for the first clock edge that samples ``condition`` true; return how many cycles later that is than the next edge."""
    for cycle in range(limit):
        _, _, true = await ctx.tick().sample(condition)
        if true:
            return cycle
    raise AssertionError(f"{condition!r} not seen in {limit} cycles")


def stream_rule(stream, unless=None) -> Callable:
    """A background test bench: while valid and not ready, valid stays and the payload does not change.

    ``unless`` is a signal that suspends the rule in the cycles in which it is high, such as a halt or a reset.
    """
    raw = Value.cast(stream.payload)
    suspended = Const(0) if unless is None else unless

    async def check(ctx) -> None:
        held = None
        while True:
            _, _, exempt, valid, ready, payload = await ctx.tick().sample(suspended, stream.valid, stream.ready, raw)
            if held is not None and not exempt:
                assert valid, f"{stream!r}: valid fell without a transfer"
                assert payload == held, f"{stream!r}: payload changed from {held:#x} to {payload:#x} without a transfer"
            held = payload if valid and not ready and not exempt else None

    return check


class StreamDriver:
    """Sends ``items`` with random gaps.

    Parameters
    ----------
    stream
        A stream interface whose ``valid`` and ``payload`` the driver owns.
    items : iterable
        Payloads: integers, or dictionaries for a structure. Taken one by one, so a generator may look at the test's state.
    gap : float
        Probability of an idle cycle, 0..1 (below 1).
    """

    def __init__(self, stream, items: Iterable[Any], *, seed: int = 0, gap: float = 0.0):
        self.stream = stream
        self.items = items
        self.rng = Random(seed)
        self.gap = gap

    async def run(self, ctx) -> None:
        for item in self.items:
            while self.rng.random() < self.gap:
                await ctx.tick()
            ctx.set(self.stream.payload, item)
            ctx.set(self.stream.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(self.stream.ready)
            ctx.set(self.stream.valid, 0)


class StreamMonitor:
    """Receives with random stalls; ``items`` holds the payloads as integers, ``cycles`` the clock edge that took each.

    Parameters
    ----------
    stream
        A stream interface whose ``ready`` the monitor owns.
    count : int or None
        Return after so many items; None runs for ever (a background test bench).
    stall : float
        Probability of a cycle without ready, 0..1 (below 1 unless in the background).
    """

    def __init__(self, stream, count: int | None = None, *, seed: int = 0, stall: float = 0.0):
        self.stream = stream
        self.count = count
        self.rng = Random(seed)
        self.stall = stall
        self.items: list[int] = []
        self.cycles: list[int] = []

    async def run(self, ctx) -> None:
        raw = Value.cast(self.stream.payload)
        cycle = 0
        while self.count is None or len(self.items) < self.count:
            ready = self.rng.random() >= self.stall
            ctx.set(self.stream.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(self.stream.valid, raw)
            if valid and ready:
                self.items.append(payload)
                self.cycles.append(cycle)
            cycle += 1
        ctx.set(self.stream.ready, 0)


class AXI4Memory:
    """An AXI4 slave over a bytearray, which asserts the rules that a master must keep.

    Run `reads` and `writes` as background test benches. Bursts are answered after a random latency, in order; those of different
    identifiers in any order if ``mixed``, and then also beat by beat in turns.

    Parameters
    ----------
    bus
        An AXI4 master's port, or its read or write half.
    size : int
        Bytes, from address 0 on.
    seed : int
        Of the stalls and latencies.
    stall : float
        Probability of a cycle without ready or without data, for each channel alone; 0..1 (below 1).
    latency : tuple[int, int]
        Fewest and most cycles from the address to the first beat, or from the last beat to the response.
    write_latency : tuple[int, int], optional
        That of writes, if it differs.
    faults : range
        Addresses answered with SLVERR.
    mixed : bool
        Answer bursts of different identifiers in any order.
    """

    def __init__(
        self, bus, size: int = 1 << 16, *, seed: int = 0, stall: float = 0.0, latency: tuple[int, int] = (1, 1),
        write_latency: tuple[int, int] | None = None, faults: range = range(0), mixed: bool = False,
    ):  # fmt: skip
        self.bus = bus
        self.mixed = mixed
        self.rng = Random(seed)
        self.data = bytearray(self.rng.randbytes(size))
        self.stall = stall
        self.latency = latency
        self.write_latency = write_latency or latency
        self.unanswered: list[tuple[int, int]] = []
        """First and last address of each write without response: nobody may read there."""
        self.faults = faults
        self.read_bursts: list[tuple[int, int]] = []
        """Address and beats of every read burst accepted."""
        self.write_bursts: list[tuple[int, int]] = []
        self.read_cycles: list[int] = []
        """Clock edge of every beat read."""
        self.write_cycles: list[int] = []
        self.peak_reads = 0
        """Most read bursts under way at once."""
        self.peak_writes = 0

    def word(self, address: int) -> int:
        """The beat at a byte address."""
        return int.from_bytes(self.data[address : address + self.beat_bytes], "little")

    @property
    def beat_bytes(self) -> int:
        return self.bus.signature.data_width // 8

    def _next(self, queue: list) -> int:
        """Index of the entry of ``queue`` to answer now; entries begin with their identifier, whose order is kept."""
        if not self.mixed or not queue:
            return 0
        identifier = self.rng.choice(queue)[0]
        return next(index for index, entry in enumerate(queue) if entry[0] == identifier)

    def _go(self) -> bool:
        return self.rng.random() >= self.stall

    def _response(self, address: int) -> int:
        return 2 if address in self.faults else 0

    def _check_address(self, channel: str, held: tuple | None, valid: int, ready: int, fields: tuple) -> tuple | None:
        """Check one cycle of an address channel; return what the next cycle must show."""
        if held is not None:
            assert valid, f"{channel}valid fell before {channel}ready"
            assert fields == held, f"{channel} changed before {channel}ready"
        if not valid:
            return None
        address, length, size, burst, identifier = fields
        n_bytes = (length + 1) * self.beat_bytes
        assert burst == 1 and 1 << size == self.beat_bytes
        assert address % self.beat_bytes == 0, f"unaligned burst at {address:#x}"
        assert address // 4096 == (address + n_bytes - 1) // 4096, f"burst at {address:#x} crosses a 4 KiB boundary"
        assert address + n_bytes <= len(self.data), f"burst at {address:#x} beyond the memory"
        return None if ready else fields

    async def reads(self, ctx) -> None:
        """Serve the AR and R channels."""
        bus = self.bus
        address_fields = (bus.araddr, bus.arlen, bus.arsize, bus.arburst, bus.arid)
        bursts: list[list[int]] = []  # identifier, next address, beats left, first cycle
        held, showing, now, cycle = None, False, 0, 0
        while True:
            ready = self._go()
            ctx.set(bus.arready, ready)
            now = now if showing else self._next(bursts)
            if not showing and bursts and cycle >= bursts[now][3] and self._go():
                identifier, address, left, _ = bursts[now]
                showing = True
                ctx.set(bus.rid, identifier)
                ctx.set(bus.rdata, self.word(address))
                ctx.set(bus.rlast, left == 1)
                ctx.set(bus.rresp, self._response(address))
            ctx.set(bus.rvalid, showing)
            _, _, valid, taken, *fields = await ctx.tick().sample(bus.arvalid, bus.rready, *address_fields)
            if showing and taken:
                self.read_cycles.append(cycle)
                showing = False
                bursts[now][1] += self.beat_bytes
                bursts[now][2] -= 1
                if not bursts[now][2]:
                    bursts.pop(now)
            held = self._check_address("ar", held, valid, ready, tuple(fields))
            if valid and ready:
                last = fields[0] + (fields[1] + 1) * self.beat_bytes - 1
                late = [hex(at) for at, end in self.unanswered if at <= last and fields[0] <= end]
                assert not late, f"burst at {fields[0]:#x} reads what is being written at {late}"
                bursts.append([fields[4], fields[0], fields[1] + 1, cycle + self.rng.randint(*self.latency)])
                self.read_bursts.append((fields[0], fields[1] + 1))
                self.peak_reads = max(self.peak_reads, len(bursts))
            cycle += 1

    async def writes(self, ctx) -> None:
        """Serve the AW, W and B channels. Data may come before their address."""
        bus = self.bus
        address_fields = (bus.awaddr, bus.awlen, bus.awsize, bus.awburst, bus.awid)
        open_bursts: deque[tuple[int, int, int]] = deque()  # identifier, address, beats
        beats: deque[tuple[int, int, int]] = deque()
        responses: list[tuple[int, int, int, tuple[int, int]]] = []  # identifier, first cycle, response, addresses
        held, held_beat, showing, now, cycle = None, None, False, 0, 0
        while True:
            address_ready, data_ready = self._go(), self._go()
            ctx.set(bus.awready, address_ready)
            ctx.set(bus.wready, data_ready)
            now = now if showing else self._next(responses)
            if not showing and responses and cycle >= responses[now][1] and self._go():
                showing = True
                ctx.set(bus.bid, responses[now][0])
                ctx.set(bus.bresp, responses[now][2])
            ctx.set(bus.bvalid, showing)
            _, _, valid, answered, beat_valid, *fields = await ctx.tick().sample(
                bus.awvalid, bus.bready, bus.wvalid, *address_fields, bus.wdata, bus.wstrb, bus.wlast
            )
            beat = tuple(fields[5:])
            if showing and answered:
                self.unanswered.remove(responses.pop(now)[3])
                showing = False
            if held_beat is not None:
                assert beat_valid and beat == held_beat, "w changed before wready"
            held_beat = beat if beat_valid and not data_ready else None
            if beat_valid and data_ready:
                beats.append(beat)
                self.write_cycles.append(cycle)
            held = self._check_address("aw", held, valid, address_ready, tuple(fields[:5]))
            if valid and address_ready:
                open_bursts.append((fields[4], fields[0], fields[1] + 1))
                self.unanswered.append((fields[0], fields[0] + (fields[1] + 1) * self.beat_bytes - 1))
                self.write_bursts.append((fields[0], fields[1] + 1))
            self.peak_writes = max(self.peak_writes, len(open_bursts) + len(responses))
            while open_bursts and len(beats) >= open_bursts[0][2]:
                identifier, address, count = open_bursts.popleft()
                self._store(address, [beats.popleft() for _ in range(count)])
                due, written = cycle + self.rng.randint(*self.write_latency), (address, address + count * self.beat_bytes - 1)
                responses.append((identifier, due, self._response(address), written))
            cycle += 1

    def _store(self, address: int, beats: list[tuple[int, int, int]]) -> None:
        for index, (word, strobes, last) in enumerate(beats):
            assert last == (index == len(beats) - 1), f"wlast is wrong in beat {index} of the burst at {address:#x}"
            for lane, byte in enumerate(word.to_bytes(self.beat_bytes, "little")):
                if strobes >> lane & 1:
                    self.data[address + index * self.beat_bytes + lane] = byte
