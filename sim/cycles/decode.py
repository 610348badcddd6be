"""Programs read back: the packets of a program with what they cost to load, and the weights that each pass finds on chip."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sw.compiler import Program
from quiesce.sw.isa import HEADER, PASS_FIELDS, PASS_WORDS, POSITION_FIELDS, Field, Opcode

__all__ = ["PassStep", "Step", "decode"]

_SIGNED = {"row_quot", "col_quot", "row_reach_hi", "row_reach_lo", "col_reach_hi", "col_reach_lo"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """A packet.

    Members
    -------
    opcode : what it does
    beats : of the bus, header included
    cycles : that the sequencer takes at least
    """

    opcode: int
    beats: int
    cycles: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PassStep(Step):
    """A pass with its fields, its positions (row and column displacement), and the stored weights of all PEs when it runs.

    ``stored`` is (n_pes, mask bits), True for weights that are kept; the same array for passes without a load between them.
    """

    fields: dict[str, int]
    positions: tuple[tuple[int, int], ...]
    stored: npt.NDArray[np.bool_]


def _unpack(layout: Mapping[str, Field], word: int) -> dict[str, int]:
    fields = {}
    for name, (low, width) in layout.items():
        value = word >> low & ((1 << width) - 1)
        fields[name] = value - (1 << width) if name in _SIGNED and value >> (width - 1) else value
    return fields


class _Reader:
    """Walks through a program and keeps the weight masks on chip."""

    def __init__(self, program: Program):
        self._config = program.config
        self._stored = np.zeros((program.config.n_pes, program.config.mask_depth * program.config.mask_width), np.bool_)
        self._shared = False  # a pass holds the present masks

    def steps(self, code: bytes) -> Iterator[Step]:
        size, at = self._config.beat_bytes, 0
        while at < len(code):
            head = _unpack(HEADER, int.from_bytes(code[at : at + 8], "little"))
            opcode, count = Opcode(head["opcode"]), head["count"]
            body = code[at + size :]
            n_bytes, cycles = 0, 1
            if opcode is Opcode.MASKS:
                n_bytes = count * self._config.mask_width // 8
                self._load(head, body[:n_bytes])
                cycles += -(-n_bytes // size)
            elif opcode is Opcode.VALUES:
                n_bytes, cycles = count * size, 1 + count
            elif opcode in (Opcode.PARAMS, Opcode.PASS):
                n_bytes, cycles = count * 8, 1 + count
            beats = 1 + -(-n_bytes // size)
            if opcode is Opcode.PASS:
                yield self._pass(np.frombuffer(body[:n_bytes], np.uint64), beats, cycles)
            else:
                yield Step(opcode=opcode, beats=beats, cycles=cycles)
            at += beats * size

    def _load(self, head: dict[str, int], data: bytes) -> None:
        if self._shared:
            self._stored, self._shared = self._stored.copy(), False
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        first = head["dest"] * self._config.mask_width
        self._stored[head["pe"], first : first + len(bits)] = bits

    def _pass(self, words: npt.NDArray[np.uint64], beats: int, cycles: int) -> PassStep:
        fields: dict[str, int] = {}
        for layout, word in zip(PASS_FIELDS, words, strict=False):
            fields |= _unpack(layout, int(word))
        entries = [_unpack(POSITION_FIELDS, int(word) >> half & 0xFFFF_FFFF) for word in words[PASS_WORDS:] for half in (0, 32)]
        self._shared = True
        return PassStep(
            opcode=Opcode.PASS,
            beats=beats,
            cycles=cycles,
            fields=fields,
            positions=tuple((entry["dr"], entry["dc"]) for entry in entries[: fields["n_positions"]]),
            stored=self._stored,
        )


def decode(program: Program) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps of the prologue, and those of the body for one item."""
    reader = _Reader(program)
    cut = program.prologue_beats * program.config.beat_bytes
    return tuple(reader.steps(program.image[:cut])), tuple(reader.steps(program.image[cut:]))
