"""Programs read back: the packets of a program with what they cost to load, and the weights that each pass finds on chip."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.isa import CHECKED_HEADER, HEADER, PASS_FIELDS, PASS_WORDS, POSITION_FIELDS, Opcode
from quiesce.sw.compiler import Program

__all__ = ["PassStep", "PacketStep", "decode", "program_beats"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PacketStep:
    """A packet.

    Members
    -------
    opcode : what it does
    takers, cores : bits of those whose sequencers take the packet, and that execute it
    beats : of the bus, header included
    cycles : that a sequencer takes at least
    flush_to : counter set that a barrier moves the counters to
    """

    opcode: int
    takers: int
    cores: int
    beats: int
    cycles: int
    flush_to: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PassStep(PacketStep):
    """The start of a pass of one core, with its fields, its positions (row and column displacement, accumulator offset), and the
    stored weights of all its PEs.

    ``stored`` is (n_pes, mask bits), True for weights that are kept; the same array for passes without a load between them.
    """

    fields: dict[str, int]
    positions: tuple[tuple[int, int, int], ...]
    stored: npt.NDArray[np.bool_]


class _PacketReader:
    """Walks through a program and keeps the weight masks on chip."""

    def __init__(self, program: Program):
        config = self._config = program.config
        shape = (config.n_pes, config.mask_depth * config.mask_width)
        self._stored = [np.zeros(shape, np.bool_) for _ in range(config.n_cores)]
        self._shared = [False] * config.n_cores  # a pass holds the present masks
        self._described: list[tuple[dict[str, int], tuple[tuple[int, int, int], ...]] | None] = [None] * config.n_cores
        self._all = self._cores = (1 << config.n_cores) - 1

    def steps(self, code: bytes) -> Iterator[PacketStep]:
        size, at = self._config.beat_bytes, 0
        while at < len(code):
            word = int.from_bytes(code[at : at + 8], "little")
            head = HEADER.unpack(word)
            opcode, count = Opcode(head["opcode"]), head["count"]
            start, n_bytes, cycles = at + size, 0, 1
            if opcode is Opcode.MASKS:
                n_bytes = count * self._config.mask_width // 8
                self._load(head, code[start : start + n_bytes])
                cycles += ceil_div(n_bytes, size)
            elif opcode is Opcode.VALUES:
                n_bytes, cycles = count * size, 1 + count
            elif opcode in (Opcode.PARAMS, Opcode.PASS):
                n_bytes, cycles = count * 8, 1 + count
            elif opcode is Opcode.CORES:
                self._cores = head["dest"]
            beats = 1 + ceil_div(n_bytes, size)
            at += beats * size
            if opcode is Opcode.PASS:
                self._describe(np.frombuffer(code[start : start + n_bytes], np.uint64))
            if opcode is Opcode.START:
                yield from self._passes(beats, cycles)
                continue
            flush_to = head["dest"] if opcode is Opcode.WAIT and CHECKED_HEADER.unpack(word)["flush"] else None
            if opcode in (Opcode.WAIT, Opcode.ITEM_END):
                self._cores = self._all
            yield PacketStep(opcode=opcode, takers=self._cores, cores=self._cores, beats=beats, cycles=cycles, flush_to=flush_to)

    def _load(self, head: dict[str, int], data: bytes) -> None:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        first = head["dest"] * self._config.mask_width
        for core, stored in enumerate(self._stored):
            if self._cores >> core & 1:
                if self._shared[core]:
                    self._stored[core], self._shared[core] = stored.copy(), False
                self._stored[core][head["pe"], first : first + len(bits)] = bits

    def _describe(self, words: npt.NDArray[np.uint64]) -> None:
        fields: dict[str, int] = {}
        for layout, word in zip(PASS_FIELDS, words, strict=False):
            fields |= layout.unpack(int(word))
        entries = [POSITION_FIELDS.unpack(int(word) >> half & 0xFFFF_FFFF) for word in words[PASS_WORDS:] for half in (0, 32)]
        positions = tuple((entry["dr"], entry["dc"], entry["offset"]) for entry in entries[: fields["n_positions"]])
        for core in range(self._config.n_cores):
            if self._cores >> core & 1:
                self._described[core] = fields, positions

    def _passes(self, beats: int, cycles: int) -> Iterator[PassStep]:
        for core, (stored, described) in enumerate(zip(self._stored, self._described, strict=True)):
            if self._cores >> core & 1 and described:
                self._shared[core] = True
                yield PassStep(
                    opcode=Opcode.START, takers=self._cores, cores=1 << core, beats=beats, cycles=cycles,
                    fields=described[0], positions=described[1], stored=stored,
                )  # fmt: skip
                beats = 0  # one packet for all of them


def decode(program: Program) -> tuple[tuple[PacketStep, ...], tuple[PacketStep, ...]]:
    """The steps of the prologue, and those of the body for one item."""
    reader = _PacketReader(program)
    cut = program.prologue_beats * program.config.beat_bytes
    return tuple(reader.steps(program.image[:cut])), tuple(reader.steps(program.image[cut:]))


def program_beats(program: Program) -> list[int]:
    """Beats of program that the bus moves for each layer and item, however many cores execute them.

    Loads count for the layer of the pass behind them, those of the prologue for none.
    """
    _, body = decode(program)
    beats, pending = [0] * len(program.layers), 0
    layer = 0
    for step in body:
        pending += step.beats
        if isinstance(step, PassStep):
            layer = step.fields["layer"]
            beats[layer] += pending
            pending = 0
    beats[layer] += pending
    return beats
