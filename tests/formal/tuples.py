"""Signals that a module assigns together, ``a, b = Signal(), Signal()``: Amaranth knows the name of the last one only."""

from amaranth import Signal

from formal.harness import Harness

__all__ = ["peek_tuple"]


def peek_tuple(harness: Harness, size: int, *path: str) -> list[Signal]:
    """The ``size`` signals of the assignment whose last one is `Harness.peek` of ``path``."""
    last = harness.peek(*path)
    fragment = harness._fragment
    for part in path[:-1]:
        fragment = next(inner for inner, name, _ in fragment.subfragments if name == part)
    statements = [statement for block in fragment.statements.values() for statement in block]
    together = {
        signal.duid: signal for each in statements for signal in each._lhs_signals()
        if signal.src_loc == last.src_loc and signal.duid <= last.duid
    }  # fmt: skip
    signals = [together[duid] for duid in sorted(together)][-size:]
    assert len(signals) == size and all(signal.name == "$signal" for signal in signals[:-1]), path
    return signals
