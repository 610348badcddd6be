"""Corner cases of a core as expressions over its nets, counted while it runs."""

import re
from dataclasses import dataclass

__all__ = ["COVERS", "Cover", "cover_text"]


@dataclass(frozen=True, kw_only=True)
class Cover:
    """A corner case.

    Attributes
    ----------
    name : str
        What happens, for reports.
    when : str
        Verilog expression; nets in braces, by their path within the first core, as in ``{array.pe_0.walker.take}``.
    """

    name: str
    when: str


_CORE = "cluster.core_0"
_WORD = "{scanner.source.detector.valid} && !{scanner.source.detector.word_row_end}"
_MASK = "{scanner.source.detector.stored}"
_WALKED = "$past({array.pe_0.walker.take}) && !{array.pe_0.walker.fetch_row_end}"
_FIFO = "{array.pe_0.event_fifo.level}"

COVERS: tuple[Cover, ...] = tuple(
    Cover(name=name, when=when)
    for name, when in {
        # Passes that overlap.
        "reader a pass ahead of the front, back a pass behind": "{control.reading} && {control.back_lags}",
        "front a pass ahead of the array, back a pass behind": "{control.ahead} && {control.back_lags}",
        "a pass waits in the array for the back": "{control.back_waits} && {control.array_done}",
        "a pass waits for its weights": "{control.running} && {control.array_done} && !{control.offered}",
        "the first rows of an input are awaited": "!{reader.done} && {control.behind} && {control.back_lags}",
        "an item begins while the last one is written": "{sequencer.item_end} && !{control.complete}",
        "weights load while the array works": "{sequencer.load__row_en} && {array.busy}",
        # Words and events.
        "mask word: no activation": f"{_WORD} && {_MASK} == 0",
        "mask word: all activations": f"{_WORD} && &{_MASK}",
        "mask word: the last activation alone": f"{_WORD} && {_MASK} == (1 << ($bits({_MASK}) - 1))",
        "mask words: none, then all": f"{_WORD} && &{_MASK} && $past({_WORD} && {_MASK} == 0)",
        "mask words: two without activations": f"{_WORD} && {_MASK} == 0 && $past({_WORD} && {_MASK} == 0)",
        "the detector waits for values": "{scanner.source.detector.waiting_values}",
        "the first event waits at the array's door": "{scanner.source.detector.o_found__valid} && {control.ahead}",
        "a row begins without its accumulators": "{scanner.waiting_row} && !{scanner.preparing}",
        # PEs.
        "event FIFO full as the front begins a pass": "{control.front_start} && !{array.pe_0.event_fifo.w_rdy}",
        "event FIFO empty as the front begins a pass": f"{{control.front_start}} && {_FIFO} == 0 && {{control.running}}",
        # Not as a pass begins: the row end behind its last context needs room, too.
        "context FIFO full": "!{array.pe_0.context_fifo.w_rdy}",
        "event FIFO full as the back begins a pass": "{control.back_start} && !{array.pe_0.event_fifo.w_rdy}",
        "one PE idle, the FIFO of another full": f"{{array.blocked}} && {_FIFO} == 0",
        "event without any weight": f"{_WALKED} && {{array.pe_0.walker.wanted}} == 0",
        "event with weights at all positions": f"{_WALKED} && &{{array.pe_0.walker.wanted}}",
        "a row ends while older operations go on": "{array.pe_0.walker.fetch_row_end} && !{array.pe_0.walker.walk_last}",
        "PE held up by sums that leave": "{array.pe_0.lanes.crowded}",
        "a sum is evicted while a row drains": "{array.pe_0.lanes.evict} && {array.pe_0.drain}",
        "drain and update want the same bank": "{array.pe_0.drain} && !{array.pe_0.drain_grant}",
        # Draining and post-processing.
        "a row drains before the first input row is done": "{drain.walk.next} && {drain.rows_done} == 0",
        "sums arrive before post-processing has begun the pass": "{post.i_psums__valid} && {control.back_waits}",
        "sums wait for post-processing": "{drain.words.level} == 2 && !{post.i_psums__ready}",
        "the encoder holds post-processing up": "{post.o_chunks__valid} && !{post.o_chunks__ready}",
        # Winners.
        "a pass waits for its reader's ranking": "{winners.pending} && {control.ahead} && {scanner.waiting_row}",
        "a pass runs that will rank its own map": "{winners.pending} && {control.back_current} && {array.busy}",
        "a ranking holds the next pass up in the back": "{winners.pending} && {control.back_waits}",
        # The bus.
        "all reads under way": "!{reader.tags.w_rdy}",
    }.items()
)
"""All corner cases."""


def _exists(bodies: dict[str, str], path: str) -> bool:
    """Whether there is a net of this path, of instances and a name, from the top on."""
    module, *_ = bodies
    *instances, name = path.split(".")
    for instance in instances:
        found = re.search(rf"^  (\S+) +{instance} *\($", bodies[module], re.MULTILINE)
        if found is None:
            return False
        module = found[1]
    declaration = rf"^  (?:wire|reg|input|output) (?:\[\d+:\d+\] )?{name}(?: =[^;]*)?;"
    return re.search(declaration, bodies[module], re.MULTILINE) is not None


def cover_text(verilog: str) -> tuple[str, list[Cover]]:
    """SystemVerilog for the bench that counts the corner cases that a core can have, a line for each, and those."""
    bodies = dict(re.findall(r"(?ms)^module (\w+) ?(\(.*?)^endmodule", verilog))
    bodies = {"quiesce": bodies.pop("quiesce"), **bodies}
    lines, possible = [], []
    for index, cover in enumerate(COVERS):
        nets = re.findall(r"\{([^}]*)\}", cover.when)
        if all(_exists(bodies, f"{_CORE}.{net}") for net in nets):
            when = re.sub(r"\{([^}]*)\}", rf"dut.{_CORE}.\1", cover.when)
            lines.append(f"cover_{index}: cover property (@(posedge clk) disable iff (core_rst) ({when}));")
            possible.append(cover)
    return "\n".join(lines) + "\n", possible
