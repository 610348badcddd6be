"""Helpers on bit vectors against integers."""

from functools import partial
from random import Random

import pytest
from amaranth import Cat, Module, Signal, Value, signed
from amaranth.sim import Simulator

from quiesce.rtl.lib import bits


def _lowest(word: int) -> int:
    return word & -word


def _bytes_counted(word: int, width: int) -> int:
    return sum((word >> at & 0xFF).bit_count() << at for at in range(0, width, 8))


def _prefixes(value) -> Value:
    """All counts side by side, a byte each."""
    return Cat(Cat(count, Signal(8))[:8] for count in bits.prefix_counts(value))


HELPERS = {
    "popcount": (bits.popcount, lambda word, width: word.bit_count()),
    "byte counts": (bits.byte_counts, _bytes_counted),
    "prefix counts": (
        _prefixes,
        lambda word, width: sum((word & ((1 << at) - 1)).bit_count() << 8 * at for at in range(width)),
    ),
    "from lowest": (bits.from_lowest, lambda word, width: (-_lowest(word) & ((1 << width) - 1)) if word else 0),
    "lowest set": (bits.lowest_set, lambda word, width: _lowest(word)),
}


def evaluate(circuit, width: int, words: list[int]) -> list[int]:
    """What the combinational ``circuit`` makes of each word."""
    m, word, seen = Module(), Signal(width), []
    result = circuit(word)
    out = Signal(len(result))
    m.d.comb += out.eq(result)

    async def bench(ctx):
        for each in words:
            ctx.set(word, each)
            await ctx.delay(1e-9)
            seen.append(ctx.get(out))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def words_of(width: int, seed: int) -> list[int]:
    rng = Random(seed)
    sparse = [rng.getrandbits(width) & rng.getrandbits(width) & rng.getrandbits(width) for _ in range(60)]
    return [0, 1, 1 << (width - 1), (1 << width) - 1, *sparse, *(rng.getrandbits(width) for _ in range(60))]


@pytest.mark.parametrize("width", [8, 16, 24, 64])
@pytest.mark.parametrize("name", HELPERS)
def test_helpers(name, width):
    circuit, model = HELPERS[name]
    words = words_of(width, seed=width)
    assert evaluate(circuit, width, words) == [model(word, width) for word in words]


@pytest.mark.parametrize("width", [1, 2, 5, 16])
def test_encode_onehot(width):
    words = [0, *(1 << bit for bit in range(width))]
    assert evaluate(bits.encode_onehot, width, words) == [0, *range(width)]


@pytest.mark.parametrize("width", [1, 3, 8])
def test_select_onehot(width):
    values = [37 * bit % 101 for bit in range(width)]
    circuit = partial(bits.select_onehot, words=values)
    assert evaluate(circuit, width, [0, *(1 << bit for bit in range(width))]) == [0, *values]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 256, 257])
def test_bits_for_index(depth):
    n_bits = bits.bits_for_index(depth)
    assert depth <= 1 << n_bits and (n_bits == 1 or depth > 1 << (n_bits - 1))


@pytest.mark.parametrize("maximum", [0, 1])
def test_sum_or_maximum(maximum):
    """The sum modulo 2^width, or the larger one; operands of different widths."""
    rng, m = Random(maximum), Module()
    old, new, out, choice = Signal(signed(12)), Signal(signed(8)), Signal(signed(12)), Signal()
    bits.sum_or_maximum(m, out, choice, old, new)
    corners = [(-2048, -128), (-2048, 127), (2047, 127), (2047, -128), (5, 5), (-1, 0), (0, -1)]
    pairs = corners + [(rng.randint(-2048, 2047), rng.randint(-128, 127)) for _ in range(300)]

    async def bench(ctx):
        ctx.set(choice, maximum)
        for a, b in pairs:
            ctx.set(old, a)
            ctx.set(new, b)
            await ctx.delay(1e-9)
            wanted = max(a, b) if maximum else (a + b + 2048) % 4096 - 2048
            assert ctx.get(out) == wanted, (a, b)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
