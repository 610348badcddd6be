"""What a source of activations offers to the scanner, whether it searches masks or counts."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.frontend.interfaces import buffer_signature, found_layout
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["mark_members", "source_members"]


def mark_members(config: CoreConfig) -> dict[str, wiring.Member]:
    """Ports to the marks of winners, if the core has them: ``mark_row`` is read with ``buffers.mask_en``."""
    if not config.winner_depth:
        return {}
    return {"mark_row": Out(bits_for_index(config.winner_rows)), "marks": In(config.detector_width)}


def source_members(config: CoreConfig, *fields: str) -> dict[str, wiring.Member]:
    """Ports of a source that needs the given pass fields.

    Members
    -------
    start : pulse, begin a pass
    emit_zeros : emit activations that are zero, too
    go : the tables are ready and the accumulators of the present row are free
    settled : nothing is left in the pipeline behind
    row_advance : pulse, go to the next row
    o_found : activations, see `found_layout`; a row end behind each row
    buffers : where masks and values come from; the value is that of the activation that is being accepted
    waiting_row, waiting_memory, scanned : why nothing is offered (for the counters)
    """
    return {
        "start": In(1),
        "config": In(pass_layout(*dict.fromkeys(fields))),
        "emit_zeros": In(1),
        "go": In(1),
        "settled": In(1),
        "row_advance": Out(1),
        "o_found": Out(stream.Signature(found_layout(config))),
        "buffers": Out(buffer_signature(config)),
        "waiting_row": Out(1),
        "waiting_memory": Out(1),
        "scanned": Out(1),
        **mark_members(config),
    }
