"""One activation on its way through a core: what happens to it in which cycle, measured, and the picture of that.

``python -m tests.rtl.core.one_activation`` writes docs/one-activation.svg and prints the table of docs/architecture.md.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from vcd.reader import TokenKind, tokenize

from quiesce.spec.config import preset
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from tests.networks import conv, network
from tests.rtl.core_bench import Machine

__all__ = ["PICTURE", "Step", "draw", "measure", "table"]

PICTURE = Path(__file__).parents[3] / "docs" / "one-activation.svg"

ROW, COL, CHAN, VALUE = 1, 2, 1, 5
"""The activation that is followed: the only nonzero one of the map."""
KEPT = ((0, 0), (1, 1), (2, 0), (2, 2))
"""Kernel entries of its channel that output channel 0 keeps; the last one leads to output pixel (0, 1), which is followed."""
LATENCY = 8


@dataclass(frozen=True)
class Step:
    """Something that happens to the activation, in ``part``, from cycle ``first`` to ``last``."""

    part: str
    text: str
    first: int
    last: int


class Trace:
    """All signals of a run, as each clock edge saw them, by their name below the top: ``scanner.o_events__valid`` in the core."""

    _CORE = "cluster.core_0."

    def __init__(self, vcd: Path):
        self._edges: list[int] = []
        self._changes: dict[str, list[tuple[int, int]]] = {}
        with vcd.open("rb") as file:
            self._read(tokenize(file))

    def _read(self, tokens) -> None:
        scope: list[str] = []
        names: dict[str, str] = {}
        now = 0
        clock = ""
        for token in tokens:
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR:
                name = ".".join([*scope[2:], token.var.reference.removeprefix("\\")])
                name = re.sub(r"\$\d+", "", name).removeprefix(self._CORE)
                names[name] = token.var.id_code
                clock = token.var.id_code if name == "clk" else clock
            elif token.kind is TokenKind.CHANGE_TIME:
                now = token.time_change
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR else token.vector_change
                self._changes.setdefault(change.id_code, []).append((now, int(change.value)))
        self._edges = [time for time, value in self._changes[clock] if value]
        self._names = names

    def values(self, name: str) -> np.ndarray:
        """The value in each cycle, just before the edge that ends it."""
        times, values = np.array(self._changes[self._names[name]]).T
        return values[np.searchsorted(times, self._edges) - 1]

    def taken(self, stream: str, separator: str = "__") -> np.ndarray:
        """Cycles in which a stream hands something on, or with an empty separator a channel of the bus."""
        valid, ready = (self.values(f"{stream}{separator}{name}") for name in ("valid", "ready"))
        return np.flatnonzero(valid & ready)

    def first(self, cycles: np.ndarray, name: str, value: int) -> int:
        """The first of these cycles in which a signal has this value."""
        return cycles[self.values(name)[cycles] == value][0]


def _run(vcd: Path) -> None:
    """A convolution 3 x 3 over a map of 4 x 4 x 4 with one nonzero activation, on preset ``tiny``."""
    rng = np.random.default_rng(1)
    layer = conv(rng, "conv", "input", 4, 4, (3, 3), pad=(1, 1, 1, 1))
    weight = layer.weight.copy()
    weight[0, ..., CHAN] = 0
    weight[0, *zip(*KEPT, strict=True), CHAN] = 40
    net = network([replace(layer, weight=weight)], (4, 4, 4))
    item = np.zeros((1, 4, 4, 4), np.int8)
    item[0, ROW, COL, CHAN] = VALUE
    # Few accumulators, so that their clearing at the very start is over before the activation comes.
    program = compile_network(net, preset("tiny", acc_depth=64))
    outputs, _ = Machine(program, latency=(LATENCY, LATENCY)).run(item, vcd=vcd)
    np.testing.assert_array_equal(outputs, reference.run(net, item).outputs)


def _steps(trace: Trace) -> list[Step]:
    """In cycles since the request for the mask of the activation's row."""
    requests, beats = (trace.taken(f"m_axi__{channel}", "")[-5:] for channel in ("ar", "r"))  # four masks, then one row's value
    word = trace.first(trace.taken("scanner.source.fetch.o_words"), "scanner.buffers__mask_data", 1 << COL * 4 + CHAN)
    found = trace.first(trace.taken("scanner.source.detector.o_found"), "scanner.source.detector.o_found__payload.nonzero", 1)
    door = trace.first(trace.taken("scanner.o_events"), "scanner.o_events__payload.event.value", VALUE)
    walk = trace.first(trace.taken("array.pe_0.walker.i_event"), "array.pe_0.walker.i_event__payload.value", VALUE)
    issued, fetched, multiplied, evicted = (
        np.flatnonzero(trace.values(f"array.pe_0.{name}"))
        for name in ("walker.o_valid", "lanes.fetched", "lanes.multiplied", "lanes.evict")
    )
    address = trace.values("array.pe_0.walker.o.addr")[issued[-1]]  # of output pixel (0, 1)
    evict = trace.first(evicted, "array.pe_0.lanes.evict_addr", address)
    own_row_done, row_done = (np.flatnonzero(trace.values(name))[ROW] for name in ("array.pe_0.row_done", "array.row_done"))
    granted = np.flatnonzero(trace.values("array.pe_0.drain_grant"))
    drained = trace.first(granted[granted > row_done], "array.pe_0.drain_addr", address)
    group = trace.taken("post.i_psums")[1]
    chunk = trace.taken("post.o_chunks")[4]  # channels of pixel (0, 0) come before
    written, answered = (trace.taken(f"m_axi__{channel}", "")[:2] for channel in ("w", "b"))
    steps = [
        ("bus", "the mask of row 1 is requested", requests[ROW]),
        ("bus", "the beat with the mask arrives", beats[ROW]),
        ("reader", "its one bit is counted: a beat of values is requested", requests[-1]),
        ("front", "the mask word with the bit is at the detector", word),
        ("bus", "the beat with the value arrives", beats[-1]),
        ("front", "the detector finds the activation: value, channel, column", found),
        ("front", "with its context, the event is taken by all PEs", door),
        ("PE 0", "the event leaves the FIFO; its mask word is read", walk),
        ("PE 0", "the walker issues an operation for each of 4 weights", issued[0], issued[-1]),
        ("PE 0", "weights are there, and multiplied with the value", fetched[0], fetched[-1]),
        ("PE 0", "products join partial sums in registers", multiplied[0], multiplied[-1]),
        ("PE 0", "the sum of pixel (0, 1) goes to the accumulators", evict, evict + 1),
        ("PE 0", "its sums of input row 1 are in the accumulators", own_row_done),
        ("array", "and those of all PEs: output row 0 is complete", row_done),
        ("drain", "the sums of pixel (0, 1) are read from all PEs", drained),
        ("back", "post-processing takes them", group),
        ("back", "channel 0 of the pixel, an activation again, is at the encoder", chunk),
        ("bus", "mask and values of output row 0 are written", written[0], written[-1]),
        ("bus", "memory has answered both", answered[0], answered[-1]),
    ]
    return [Step(part, text, *(int(cycle - requests[ROW]) for cycle in (at[0], at[-1]))) for part, text, *at in steps]


def measure() -> list[Step]:
    """What happens to the activation, in order."""
    with TemporaryDirectory() as folder:
        vcd = Path(folder) / "run.vcd"
        _run(vcd)
        return _steps(Trace(vcd))


def _cycles(step: Step) -> str:
    return str(step.first) if step.first == step.last else f"{step.first}..{step.last}"


def table(steps: list[Step]) -> str:
    """Rows of a Markdown table."""
    return "".join(f"| {_cycles(step)} | {step.part} | {step.text} |\n" for step in steps)


def draw(steps: list[Step]) -> str:
    """An SVG with a bar for each step over an axis of cycles."""
    left, scale, height, top = 480, 6, 22, 34
    colours = {"bus": "#7f7f7f", "PE 0": "#d62728", "array": "#d62728", "drain": "#2ca02c", "back": "#2ca02c"}
    last = max(step.last for step in steps)
    width, bottom = left + scale * (last + 12), top + height * len(steps)
    size, font = f'width="{width}" height="{bottom + 12}"', 'font-family="sans-serif" font-size="12"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="14" fill="#555">cycle</text>',
    ]
    for cycle in range(0, last + 1, 10):
        x = left + scale * cycle
        lines.append(f'<path d="M{x} {top - 2}V{bottom}" stroke="#ddd"/><text x="{x}" y="28" text-anchor="middle">{cycle}</text>')
    for index, step in enumerate(steps):
        y, x, length = top + height * index, left + scale * step.first, scale * (step.last - step.first + 1)
        lines += [
            f'<text x="8" y="{y + 15}" fill="#555">{step.part}</text><text x="64" y="{y + 15}">{step.text}</text>',
            f'<rect x="{x}" y="{y + 4}" width="{length}" height="14" fill="{colours.get(step.part, "#1f77b4")}"/>',
            f'<text x="{x + length + 4}" y="{y + 15}" fill="#555">{_cycles(step)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    measured = measure()
    PICTURE.write_text(draw(measured), encoding="utf-8")
    print(table(measured), end="")
