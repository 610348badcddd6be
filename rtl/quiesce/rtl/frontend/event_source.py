"""From compressed rows in the activation buffers to the activations in them."""

from typing import Any

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from quiesce.rtl.frontend.detector import Detector, detector_fields
from quiesce.rtl.frontend.source_ports import source_members
from quiesce.rtl.frontend.word_fetch import WordFetch, fetch_fields
from quiesce.rtl.lib.layouts import connect_fields
from quiesce.spec.config import CoreConfig

__all__ = ["EventSource"]


class EventSource(wiring.Component):
    """WordFetch and Detector: finds the activations that are not zero, one per cycle; for its members see `source_members`."""

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(source_members(config, *fetch_fields(config), *detector_fields(config)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, buffers = self._config, self.buffers
        m.submodules.fetch = fetch = WordFetch(core)
        m.submodules.detector = detector = Detector(core)
        for part in (fetch, detector):
            connect_fields(m.d.comb, part.config, self.config)
        if core.winner_depth:
            m.d.comb += [self.mark_row.eq(fetch.mark_row), detector.marks.eq(self.marks)]
        connect(m, fetch.o_words, detector.i_words)
        connect(m, detector.o_found, flipped(self.o_found))
        m.d.comb += [
            fetch.start.eq(self.start),
            fetch.go.eq(self.go),
            fetch.settled.eq(~detector.busy & self.settled),
            self.row_advance.eq(fetch.row_advance),
            fetch.mask_written.eq(buffers.mask_written),
            buffers.mask_en.eq(fetch.mask_en),
            buffers.mask_addr.eq(fetch.mask_addr),
            detector.mask_data.eq(buffers.mask_data),
            detector.emit_zeros.eq(self.emit_zeros),
            detector.value_written.eq(buffers.value_written),
            buffers.mask_freed.eq(detector.mask_freed),
            buffers.value_freed.eq(detector.value_freed),
            buffers.value_en.eq(detector.value_en),
            buffers.value_addr.eq(detector.value_addr),
            buffers.value_narrow.eq(detector.value_narrow),
            self.waiting_memory.eq(fetch.waiting_masks | detector.waiting_values),
            self.waiting_row.eq(fetch.waiting_row),
            self.scanned.eq(fetch.scanned & ~detector.busy),
        ]
        if self._config.state_depth:
            m.d.comb += buffers.value_wide.eq(detector.value_wide)
        return m
