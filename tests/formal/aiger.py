"""AIGER's binary format: inputs made constant."""

import re

__all__ = ["fix_inputs"]


def fix_inputs(data: bytes, values: dict[int, int]) -> bytes:
    """The same file with the value of each input, by its number, in place of the input, which stays as one without effect."""
    constant = {2 * number + 2: value for number, value in values.items()}
    constant |= {literal + 1: 1 - value for literal, value in constant.items()}
    head, rest = data.split(b"\n", 1)
    _, n_inputs, n_latches, n_outputs, n_gates = map(int, head.split()[1:6])
    *lines, rest = rest.split(b"\n", n_latches + n_outputs)
    fixed = [re.sub(rb"^\d+", lambda literal: b"%d" % constant.get(int(literal[0]), int(literal[0])), line) for line in lines]
    gates, at = bytearray(), 0
    for gate in range(n_inputs + n_latches + 1, n_inputs + n_latches + 1 + n_gates):
        difference, at = _decode(rest, at)
        a = 2 * gate - difference
        difference, at = _decode(rest, at)
        b = a - difference
        b, a = sorted((constant.get(a, a), constant.get(b, b)))
        gates += _encode(2 * gate - a) + _encode(a - b)
    return b"\n".join([head, *fixed, bytes(gates) + rest[at:]])


def _decode(data: bytes, at: int) -> tuple[int, int]:
    """A number, seven bits a byte and the low ones first, and where the next one begins."""
    number, shift = 0, 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1


def _encode(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
