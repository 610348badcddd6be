"""Packets of a program as bytes."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.checksums import beats_check, header_parity
from quiesce.spec.config import CoreConfig
from quiesce.spec.fields import Layout
from quiesce.spec.isa import BARRIERS, CHECKED_HEADER, HEADER, PARAM_FIELDS, PASS_FIELDS, POSITION_FIELDS, Opcode
from quiesce.sw.format.integers import pack_integers

__all__ = ["PacketWriter"]


class PacketWriter:
    """Appends packets to a byte string; every packet fills whole beats.

    Packets with a check belong into the writer of a whole prologue or body: it is of all beats since the last barrier.

    Parameters
    ----------
    cores : int, optional
        Bit mask of the cores that the packets are for; by default all.
    """

    def __init__(self, config: CoreConfig, cores: int | None = None):
        self._config = config
        self._chunks: list[bytes] = []
        self._n_bytes = 0
        self._check = 0
        self._all = (1 << config.n_cores) - 1
        self._selected = self._all if cores is None else cores

    @property
    def n_beats(self) -> int:
        return self._n_bytes // self._config.beat_bytes

    def getvalue(self) -> bytes:
        return b"".join(self._chunks)

    def append(self, packets: "PacketWriter") -> None:
        """The packets of another writer, for its cores."""
        self.cores(packets._selected)
        self._append(packets.getvalue())

    def _append(self, data: bytes) -> None:
        beats = data + bytes(-len(data) % self._config.beat_bytes)
        self._chunks.append(beats)
        self._n_bytes += len(beats)
        self._check = beats_check(beats, self._check)

    def _append_header(self, layout: Layout, fields: Mapping[str, int]) -> None:
        header = layout.pack({**fields, "parity": 0})
        self._append((header | header_parity(header) << layout["parity"].low).to_bytes(8, "little"))

    def _header(self, opcode: Opcode, *, pe: int = 0, dest: int = 0, count: int = 0, aux: int = 0) -> None:
        self._append_header(HEADER, {"opcode": int(opcode), "pe": pe, "dest": dest, "count": count, "aux": aux})

    def _checked_header(self, opcode: Opcode, *, dest: int = 0, flush: bool = False) -> None:
        fields = {"opcode": int(opcode), "flush": int(flush), "dest": dest, "check": self._check}
        self._append_header(CHECKED_HEADER, fields)
        if opcode in BARRIERS:
            self._check = 0
            self._selected = self._all

    def cores(self, mask: int) -> None:
        """Let the cores of a bit mask execute what follows, until ``wait`` or ``item_end``."""
        if mask != self._selected:
            self._header(Opcode.CORES, dest=mask)
            self._selected = mask

    def masks(self, pe: int, word: int, first_value: int, masks: npt.NDArray[np.bool_]) -> None:
        """Mask words (n, mask_width) of a PE from ``word`` on; ``first_value`` is the index of their first packed weight."""
        if len(masks):
            self._header(Opcode.MASKS, pe=pe, dest=word, count=len(masks), aux=first_value)
            self._append(np.packbits(masks, axis=1, bitorder="little").tobytes())

    def values(self, pe: int, row: int, values: npt.NDArray[np.int8], bits: int) -> None:
        """Packed weight words (n, n_lanes), ``bits`` a weight, of a PE from memory row ``row`` on."""
        if len(values):
            self._header(Opcode.VALUES, pe=pe, dest=row, count=ceil_div(len(values), self._config.words_per_row(bits)))
            self._append(pack_integers(values.astype("<i2").ravel(), bits).tobytes())

    def params(self, first: int, params: Iterable[tuple[int, int, int]]) -> None:
        """(bias, multiplier, shift) of consecutive channels, from parameter ``first`` on."""
        words = [PARAM_FIELDS.pack(dict(zip(PARAM_FIELDS, entry, strict=True))) for entry in params]
        self._header(Opcode.PARAMS, dest=first, count=len(words))
        self._append(b"".join(word.to_bytes(8, "little") for word in words))

    def describe_pass(self, fields: dict[str, int], positions: Iterable[tuple[int, int, int]]) -> None:
        """A pass with all PASS_FIELDS, and its (offset, dr, dc) positions, for ``start`` to run."""
        words = [layout.pack(fields) for layout in PASS_FIELDS]
        entries = [POSITION_FIELDS.pack(dict(zip(POSITION_FIELDS, entry, strict=True))) for entry in positions]
        entries += [0] * (len(entries) % 2)
        words += [low | high << 32 for low, high in zip(entries[::2], entries[1::2], strict=True)]
        self._header(Opcode.PASS, count=len(words))
        self._append(b"".join(word.to_bytes(8, "little") for word in words))

    def start(self) -> None:
        """Run the pass described."""
        self._checked_header(Opcode.START)

    def wait(self, flush_to: int | None = None) -> None:
        """Wait for the passes in flight; then add the counters so far to a set of their own."""
        self._checked_header(Opcode.WAIT, dest=flush_to or 0, flush=flush_to is not None)

    def item_end(self) -> None:
        """End the item."""
        self._checked_header(Opcode.ITEM_END)
