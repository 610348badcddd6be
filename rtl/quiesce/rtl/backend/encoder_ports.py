"""What the encoders of row records have in common, with masks and without."""

from amaranth import Module, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.backend.interfaces import chunk_layout
from quiesce.rtl.bus.burst_writer import BurstWriter
from quiesce.rtl.bus.interfaces import Burst, packed_layout
from quiesce.rtl.lib.checked_ram import status_ports
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["bits_of", "connect_writer", "encoder_members", "packer_members"]


def packer_members(config: CoreConfig, **own: wiring.Member) -> dict[str, wiring.Member]:
    """Ports of a packer, which makes beats from chunks: its ``own`` settings, ``i_chunks`` (chunk_layout) and
    ``o_beats`` (packed_layout)."""
    chunks, beats = stream.Signature(chunk_layout(config)), stream.Signature(packed_layout(config))
    return {**own, "i_chunks": In(chunks), "o_beats": Out(beats)}


def encoder_members(config: CoreConfig, n_clients: int, *fields: str) -> dict[str, wiring.Member]:
    """Ports of an encoder that is ``n_clients`` clients of the write DMA and needs the given pass fields besides its own.

    Members
    -------
    start : pulse; the pass before must be done
    config : stable during a pass; offsets and strides are multiples of a beat
    i_chunks : from PostProcess
    request_0, beats_0, ... : clients of the write DMA; a request follows its data
    done : all rows of the pass are handed on; low from ``start`` on, high after reset
    rows_handed : rows of the pass of which the write DMA has taken all bursts
    beats_written : a beat is handed on (the write DMA takes one per cycle, of any client)
    """
    return {
        "start": In(1),
        "config": In(
            pass_layout(
                "n_out_rows",
                "out_region",
                "out_offset",
                "out_row_stride",
                "out_narrow",
                *["out_wide"] * bool(config.state_depth),
                *fields,
            )
        ),
        "i_chunks": In(stream.Signature(chunk_layout(config))),
        **{f"request_{i}": Out(stream.Signature(Burst)) for i in range(n_clients)},
        **{f"beats_{i}": Out(stream.Signature(unsigned(config.data_width))) for i in range(n_clients)},
        "done": Out(1),
        "rows_handed": Out(16),
        "beats_written": Out(1),
        **status_ports(config.ram_check),
    }


def connect_writer(m: Module, encoder: wiring.Component, writer: BurstWriter, client: int, offset: Value) -> None:
    """Let the writer be that client of the encoder, for rows from byte ``offset`` on; its beats are left."""
    config = encoder.config
    connect(m, writer.o_requests, flipped(getattr(encoder, f"request_{client}")))
    connect(m, writer.o_beats, flipped(getattr(encoder, f"beats_{client}")))
    m.d.comb += [
        writer.start.eq(encoder.start),
        writer.config.region.eq(config.out_region),
        writer.config.offset.eq(offset),
        writer.config.stride.eq(config.out_row_stride),
        writer.config.n_rows.eq(config.n_out_rows),
    ]


def bits_of(chunk: data.View) -> list[Value]:
    """The values of a chunk as bit vectors."""
    return [value.as_unsigned() for value in chunk.values]
