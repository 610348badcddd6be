"""Which settings of neighbouring passes meet: parts of a core work on different passes at the same time."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from quiesce.sim.cycles.decode import PassStep, decode
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import Program

__all__ = ["SETTINGS", "met_pairs", "possible_pairs"]

Fields = Mapping[str, int]

SETTINGS: dict[str, Callable[[Fields], bool]] = {
    "maximum": lambda f: f["op_max"] == 1,
    "emits zeros": lambda f: f["no_skip"] == 1,
    "drains": lambda f: f["drain"] == 1,
    "targeted": lambda f: f["targeted"] == 1,
    "shared slots": lambda f: f["shared"] == 1,
    "4-bit weights": lambda f: f["weight_log2"] == 1,
    "2-bit weights": lambda f: f["weight_log2"] == 2,
    "4-bit input": lambda f: f["in_narrow"] == 1,
    "4-bit output": lambda f: f["out_narrow"] == 1,
    "several pixels a word": lambda f: f["multi_pixel"] == 1,
    "several input planes": lambda f: f["n_planes"] > 1,
    "several kernel contexts": lambda f: f["n_kctx"] > 1,
    "several group contexts": lambda f: f["n_gctx"] > 1,
    "several groups": lambda f: f["n_groups"] > 1,
    "several chunks a pixel": lambda f: f["chunks"] > 1,
    "stride": lambda f: max(f["row_stride"], f["col_stride"]) > 1,
    "one input row": lambda f: f["n_rows"] == 1,
    "one output row": lambda f: f["n_out_rows"] == 1,
    "first rows need no input": lambda f: f["need_first"] <= 0,
    "ring below the output": lambda f: f["ring_rows"] < f["n_out_rows"],
    "awaits rows": lambda f: f["awaits_rows"] == 1,
    "signed output": lambda f: f["clip_low"] < 0,
    "threshold": lambda f: f["threshold"] > 0,
    "reads winners": lambda f: f["in_ranked"] == 1,
    "keeps maxima": lambda f: f["track_maxima"] == 1,
    "ranks": lambda f: f["n_winners"] > 0,
}
"""What a pass may be, by its fields."""

_OF_WINNERS = {"reads winners", "keeps maxima", "ranks"}
_OF_SKIPPING = {"several pixels a word", "emits zeros"}


def _literals(fields: Fields) -> list[str]:
    return [name if holds(fields) else f"not {name}" for name, holds in SETTINGS.items()]


def possible_pairs(config: CoreConfig) -> set[tuple[str, str]]:
    """All (setting of a pass, setting of the next one), each or its opposite, that a core knows."""
    ranks = config.winner_depth > 0 and config.n_cores == 1
    unknown = (set() if ranks else _OF_WINNERS) | (set() if config.zero_skipping else _OF_SKIPPING)
    known = [name for name in SETTINGS if name not in unknown]
    literals = [text for name in known for text in (name, f"not {name}")]
    return {(before, after) for before in literals for after in literals}


def met_pairs(program: Program) -> Counter[tuple[str, str]]:
    """How often a setting of a pass meets one of the next pass of the same core, over an item and from it to the next."""
    prologue, body = decode(program)
    found: Counter[tuple[str, str]] = Counter()
    for core in range(program.config.n_cores):
        passes = [_literals(step.fields) for step in (*prologue, *body) if isinstance(step, PassStep) and step.cores >> core & 1]
        for before, after in _around(passes):
            found.update((one, other) for one in before for other in after)
    return found


def _around(passes: list[list[str]]) -> Iterable[tuple[list[str], list[str]]]:
    """Each pass with the one after it, and the last with the first of the next item."""
    return pairwise([*passes, *passes[:1]])
