"""Encoder: chunks of activations to row records of masks and packed values."""

from typing import Any

from amaranth import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import connect

from quiesce.rtl.backend.encoder_ports import connect_writer, encoder_members
from quiesce.rtl.backend.mask_packer import MaskPacker
from quiesce.rtl.backend.value_packer import ValuePacker
from quiesce.rtl.bus.burst_writer import BurstWriter
from quiesce.rtl.frontend.record_check import RecordSealer
from quiesce.rtl.lib.checked_ram import join_status
from quiesce.spec.config import CoreConfig

__all__ = ["Encoder"]


class Encoder(wiring.Component):
    """Write the row records of a pass (docs/reference/records.md).

    Row ``r`` of the pass is the record at ``out_offset + r * out_row_stride``: ``out_mask_beats`` beats of mask bits and, from
    ``out_value_offset`` on, as many beats as the nonzero values fill. One chunk per cycle is sustained, rows cost up to one cycle
    more each. Back-pressure from the write DMA reaches ``i_chunks`` when one of the two FIFOs of 32 beats is full.

    For its members see `encoder_members`: client 0 of the write DMA is for masks, client 1 for values.
    """

    N_CLIENTS = 2

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(encoder_members(config, self.N_CLIENTS, "out_value_offset", "out_mask_beats"))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.masks = masks = MaskPacker(self._core)
        m.submodules.values = values = ValuePacker(self._core)
        m.submodules.mask_writer = mask_writer = BurstWriter(self._core)
        m.submodules.value_writer = value_writer = BurstWriter(self._core)
        join_status(m, self, [mask_writer, value_writer])
        connect_writer(m, self, mask_writer, 0, config.out_offset)
        connect_writer(m, self, value_writer, 1, config.out_offset + config.out_value_offset)
        for part, packer, writer in (("mask", masks, mask_writer), ("value", values, value_writer)):
            if self._core.record_check:
                m.submodules[f"{part}_sealer"] = sealer = RecordSealer(self._core)
                connect(m, packer.o_beats, sealer.i_beats)
                connect(m, sealer.o_beats, writer.i_beats)
            else:
                connect(m, packer.o_beats, writer.i_beats)

        if self._core.state_depth:
            m.d.comb += values.wide.eq(config.out_wide)
        # Both packers take every chunk, in the same cycle.
        m.d.comb += self.i_chunks.ready.eq(masks.i_chunks.ready & values.i_chunks.ready)
        for packer in (masks, values):
            m.d.comb += [
                packer.i_chunks.payload.eq(self.i_chunks.payload),
                packer.i_chunks.valid.eq(self.i_chunks.valid & self.i_chunks.ready),
            ]
        m.d.comb += [
            masks.mask_beats.eq(config.out_mask_beats),
            values.narrow.eq(config.out_narrow),
            self.done.eq(mask_writer.done & value_writer.done),
            self.rows_handed.eq(
                Mux(mask_writer.rows_handed < value_writer.rows_handed, mask_writer.rows_handed, value_writer.rows_handed)
            ),
            self.beats_written.eq((self.beats_0.valid & self.beats_0.ready) | (self.beats_1.valid & self.beats_1.ready)),
        ]
        return m
