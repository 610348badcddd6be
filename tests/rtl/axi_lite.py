"""AXI4-Lite master for the Amaranth simulator, and bus channels as streams."""

from random import Random
from types import SimpleNamespace

from amaranth import Cat

from tests.rtl.support import wait_until

__all__ = ["Master", "channel"]


class Master:
    """AXI4-Lite master with a random delay, 0..``delay`` cycles, before every handshake."""

    def __init__(self, axi, seed: int = 0, delay: int = 3):
        self.axi = axi
        self.rng = Random(seed)
        self.delay = delay

    async def write(self, ctx, address: int, value: int, strobes: int = 0xF) -> int:
        """Write and return the response."""
        axi = self.axi
        ctx.set(axi.awaddr, address)
        ctx.set(axi.wdata, value)
        ctx.set(axi.wstrb, strobes)
        wait = {name: self.rng.randint(0, self.delay) for name in ("aw", "w", "b")}
        valid = {"aw": axi.awvalid, "w": axi.wvalid}
        ready = {"aw": axi.awready, "w": axi.wready}
        pending = {"aw", "w"}
        cycle = 0
        while True:
            for channel in ("aw", "w"):
                ctx.set(valid[channel], channel in pending and cycle >= wait[channel])
            ctx.set(axi.bready, cycle >= wait["b"])
            values = await ctx.tick().sample(
                valid["aw"], ready["aw"], valid["w"], ready["w"], axi.bvalid, axi.bready, axi.bresp
            )  # fmt: skip
            aw_valid, aw_ready, w_valid, w_ready, b_valid, b_ready, response = values[2:]
            pending -= {name for name, done in (("aw", aw_valid and aw_ready), ("w", w_valid and w_ready)) if done}
            if b_valid and b_ready:
                assert not pending, "response before the address and the data"
                ctx.set(axi.bready, 0)
                return response
            cycle += 1
            assert cycle < 50, "no response"

    async def read(self, ctx, address: int) -> tuple[int, int]:
        """Read and return the data and the response."""
        axi = self.axi
        await self._pause(ctx)
        ctx.set(axi.araddr, address)
        ctx.set(axi.arvalid, 1)
        await wait_until(ctx, axi.arready)
        ctx.set(axi.arvalid, 0)
        await self._pause(ctx)
        ctx.set(axi.rready, 1)
        for _ in range(50):
            _, _, valid, data, response = await ctx.tick().sample(axi.rvalid, axi.rdata, axi.rresp)
            if valid:
                ctx.set(axi.rready, 0)
                return data, response
        raise AssertionError("no response")

    async def _pause(self, ctx) -> None:
        for _ in range(self.rng.randint(0, self.delay)):
            await ctx.tick()

    async def get(self, ctx, address: int) -> int:
        """Read with an OKAY response."""
        data, response = await self.read(ctx, address)
        assert response == 0
        return data

    async def put(self, ctx, address: int, value: int) -> None:
        """Write with an OKAY response."""
        assert await self.write(ctx, address, value) == 0


def channel(axi, prefix: str, *payload: str) -> SimpleNamespace:
    """A bus channel as a stream, its payload the named fields."""
    return SimpleNamespace(
        valid=getattr(axi, f"{prefix}valid"),
        ready=getattr(axi, f"{prefix}ready"),
        payload=Cat(getattr(axi, f"{prefix}{name}") for name in payload),
    )
