"""The parts of a core; reader, array and encoder are others in a plain dense core than in one with zero-skipping."""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module
from amaranth.lib import data, wiring

from quiesce.rtl.backend.drain import Drain
from quiesce.rtl.backend.encoder import Encoder
from quiesce.rtl.backend.postprocess import PostProcess
from quiesce.rtl.backend.winners import Winners
from quiesce.rtl.bus.read_dma import ReadDMA
from quiesce.rtl.bus.write_dma import WriteDMA
from quiesce.rtl.core.counters import CounterBank
from quiesce.rtl.core.item_control import ItemControl
from quiesce.rtl.core.pass_control import PassControl
from quiesce.rtl.core.pass_stages import PassStages
from quiesce.rtl.core.row_tracker import RowTracker
from quiesce.rtl.frontend.act_reader import ActReader
from quiesce.rtl.frontend.scanner import Scanner
from quiesce.rtl.pe.pe_array import PEArray
from quiesce.rtl.plain.plain_array import PlainArray
from quiesce.rtl.plain.plain_encoder import PlainEncoder
from quiesce.rtl.plain.plain_reader import PlainReader
from quiesce.rtl.program.sequencer import Sequencer
from quiesce.spec.config import CoreConfig

__all__ = ["Parts", "make_parts"]


def _fields(*parts: wiring.Component) -> tuple[str, ...]:
    """Pass fields that the parts use."""
    return tuple(dict.fromkeys(name for part in parts for name, _ in part.config.shape()))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Sub-modules of a core. The two readers have the same ports but for the fields of a pass that they need, and so have the two
    arrays and, but for their number of clients of the write DMA, the two encoders."""

    read_dma: ReadDMA
    write_dma: WriteDMA
    sequencer: Sequencer
    reader: ActReader | PlainReader
    scanner: Scanner
    array: PEArray | PlainArray
    drain: Drain
    post: PostProcess
    encoder: Encoder | PlainEncoder
    counters: CounterBank
    tracker: RowTracker
    control: PassControl
    items: ItemControl
    winners: Winners | None  # with ``winner_depth`` only
    stages: PassStages

    @property
    def back(self) -> tuple[wiring.Component, ...]:
        """Those that begin a pass with post-processing."""
        return (self.post, self.encoder) if self.winners is None else (self.post, self.encoder, self.winners)

    @property
    def with_rams(self) -> tuple[wiring.Component, ...]:
        """Those that have RAMs inside."""
        return self.reader, self.scanner, self.array, self.counters, *self.back

    @property
    def settings(self) -> Iterator[tuple[wiring.Component, data.View]]:
        """Those that work on passes, and where the settings of each come from."""
        stages = self.stages
        yield self.reader, stages.reader
        yield self.scanner, stages.front
        yield self.array, stages.array
        yield self.drain, stages.array
        yield from ((part, stages.back) for part in self.back)


def make_parts(m: Module, config: CoreConfig) -> Parts:
    """Add the parts of the core that ``config`` describes to ``m``."""
    skipping = config.zero_skipping
    m.submodules.reader = reader = ActReader(config) if skipping else PlainReader(config)
    m.submodules.scanner = scanner = Scanner(config)
    m.submodules.array = array = PEArray(config) if skipping else PlainArray(config)
    m.submodules.drain = drain = Drain(config)
    m.submodules.post = post = PostProcess(config)
    m.submodules.encoder = encoder = Encoder(config) if skipping else PlainEncoder(config)
    winners = None
    if config.winner_depth:
        m.submodules.winners = winners = Winners(config)
    m.submodules.read_dma = read_dma = ReadDMA(config, n_clients=2)
    m.submodules.write_dma = write_dma = WriteDMA(config, n_clients=encoder.N_CLIENTS)
    m.submodules.sequencer = sequencer = Sequencer(config)
    m.submodules.counters = counters = CounterBank(config)
    m.submodules.tracker = tracker = RowTracker(write_dma.OPEN_BITS)
    m.submodules.control = control = PassControl()
    m.submodules.items = items = ItemControl(config)
    m.submodules.stages = stages = PassStages(
        config,
        reader_fields=_fields(reader),
        front_fields=_fields(scanner),
        array_fields=("layer", *_fields(array, drain)),
        back_fields=_fields(post, encoder) if winners is None else _fields(post, encoder, winners),
    )
    return Parts(
        read_dma=read_dma, write_dma=write_dma, sequencer=sequencer, reader=reader, scanner=scanner, array=array, drain=drain,
        post=post, encoder=encoder, counters=counters, tracker=tracker, control=control, items=items, winners=winners,
        stages=stages,
    )  # fmt: skip
