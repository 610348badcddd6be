"""What the register bank tells the cores, and what it shows of them."""

from typing import Any

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bus.interfaces import REGIONS
from quiesce.spec.performance import COUNTER_WIDTH

__all__ = ["RegisterSignature", "set_registers"]


class RegisterSignature(wiring.Signature):
    """Registers that the work of a core depends on, as seen from the bank; see registers.Register.

    Members
    -------
    dense : Out(1)
        Compute zeros, too.
    continues : Out(1)
        The first item of a run follows the last one of the run before; zero without state between items.
    delta_threshold : Out(8)
        Least delta threshold, likewise.
    n_items : Out(32)
    prologue_beats, body_beats : Out(32)
        Parts of the program.
    input_stride, output_stride : Out(32)
        Bytes from the maps of an item to those of the next.
    region_base, region_size : Out(REGIONS)
    counter_select : Out(16)
    counter_value : In(COUNTER_WIDTH)
        Valid 2 cycles after ``counter_select`` changed.
    items_done : In(32)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "dense": Out(1),
                "continues": Out(1),
                "delta_threshold": Out(8),
                "n_items": Out(32),
                "prologue_beats": Out(32),
                "body_beats": Out(32),
                "input_stride": Out(32),
                "output_stride": Out(32),
                "region_base": Out(REGIONS),
                "region_size": Out(REGIONS),
                "counter_select": Out(16),
                "counter_value": In(COUNTER_WIDTH),
                "items_done": In(32),
            }
        )


def set_registers(core: wiring.PureInterface, bank: wiring.PureInterface) -> list[Any]:
    """Assignments of what the ``bank`` tells several cores to one of them; what is shown of them is left."""
    names = (name for name, member in RegisterSignature().members.items() if member.flow is Out)
    return [getattr(core, name).eq(getattr(bank, name)) for name in names]
