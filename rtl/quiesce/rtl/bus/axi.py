"""AXI4 and AXI4-Lite port signatures with flat member names, as seen from the master."""

from typing import Any

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = [
    "AXI4LiteSignature", "AXI4ReadSignature", "AXI4Signature", "AXI4WriteSignature", "RESP_OKAY", "RESP_SLVERR",
    "connect_half",
]  # fmt: skip

RESP_OKAY = 0
RESP_SLVERR = 2

BURST_INCR = 1
CACHE_NORMAL = 0b0011  # normal, non-cacheable, bufferable: bursts may be merged and split on their way


def _address_members(prefix: str, addr_width: int, data_width: int, id_width: int) -> dict[str, wiring.Member]:
    """One address channel. The constant fields hold their value as initial value; a master leaves them undriven."""
    return {
        f"{prefix}id": Out(id_width),
        f"{prefix}addr": Out(addr_width),
        f"{prefix}len": Out(8),
        f"{prefix}size": Out(3, init=exact_log2(data_width // 8)),
        f"{prefix}burst": Out(2, init=BURST_INCR),
        f"{prefix}lock": Out(1),
        f"{prefix}cache": Out(4, init=CACHE_NORMAL),
        f"{prefix}prot": Out(3),
        f"{prefix}qos": Out(4),
        f"{prefix}valid": Out(1),
        f"{prefix}ready": In(1),
    }


class _BusSignature(wiring.Signature):
    """A bus of ``addr_width`` address bits and ``data_width`` data bits."""

    def __init__(self, addr_width: int, data_width: int, members: dict[str, wiring.Member]):
        self.addr_width = addr_width
        self.data_width = data_width
        super().__init__(members)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.addr_width}, {self.data_width})"


class AXI4ReadSignature(_BusSignature):
    """The AR and R channels of an AXI4 master: INCR bursts of full beats.

    Parameters
    ----------
    addr_width : int
        Byte address, bits.
    data_width : int
        Data beat, bits, a power of two of at least 8.
    id_width : int
        Identifier, bits.
    """

    def __init__(self, addr_width: int, data_width: int, id_width: int = 1):
        super().__init__(addr_width, data_width, {
            **_address_members("ar", addr_width, data_width, id_width),
            "rid": In(id_width),
            "rdata": In(data_width),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        })  # fmt: skip


class AXI4WriteSignature(_BusSignature):
    """The AW, W and B channels of an AXI4 master: INCR bursts of full beats. Parameters as for reading."""

    def __init__(self, addr_width: int, data_width: int, id_width: int = 1):
        super().__init__(addr_width, data_width, {
            **_address_members("aw", addr_width, data_width, id_width),
            "wdata": Out(data_width),
            "wstrb": Out(data_width // 8),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bid": In(id_width),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
        })  # fmt: skip


class AXI4Signature(_BusSignature):
    """A whole AXI4 master: the members of `AXI4WriteSignature` and `AXI4ReadSignature`. Parameters as for these."""

    def __init__(self, addr_width: int, data_width: int, id_width: int = 1):
        halves = [half(addr_width, data_width, id_width) for half in (AXI4WriteSignature, AXI4ReadSignature)]
        super().__init__(addr_width, data_width, {name: half.members[name] for half in halves for name in half.members})


class AXI4LiteSignature(_BusSignature):
    """An AXI4-Lite master; a slave owns ``In(AXI4LiteSignature(...))``.

    Parameters
    ----------
    addr_width : int
        Byte address, bits.
    data_width : int
        Register, bits: 32 or 64.
    """

    def __init__(self, addr_width: int, data_width: int = 32):
        super().__init__(addr_width, data_width, {
            "awaddr": Out(addr_width),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(data_width),
            "wstrb": Out(data_width // 8),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(addr_width),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(data_width),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        })  # fmt: skip


def connect_half(bus: wiring.PureInterface, half: wiring.PureInterface) -> list[Any]:
    """Statements that join the read or write ``half`` owned by a sub-component to the enclosing component's whole ``bus``.

    Both are seen from the enclosing component; ``bus`` is its own port. Use as ``m.d.comb += connect_half(self.axi, dma.axi)``.
    """
    return [
        getattr(bus, name).eq(getattr(half, name)) if member.flow is Out else getattr(half, name).eq(getattr(bus, name))
        for name, member in half.signature.members.items()
    ]
