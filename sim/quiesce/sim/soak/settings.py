"""Which settings of neighbouring passes meet: parts of a core work on different passes at the same time."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import joblib

from quiesce.sim.cycles.decode import PassStep, decode
from quiesce.sim.soak.campaign import seeds_by_core
from quiesce.sim.soak.case import case_of
from quiesce.sim.soak.networks import Limits
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import CompileError, Program

__all__ = ["SETTINGS", "MetSettings", "measure_settings", "met_pairs", "possible_pairs"]

Fields = Mapping[str, int]
Pairs = Counter[tuple[str, str]]
_CHUNK = 50
"""Cases of a job: seconds."""

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


def _known(config: CoreConfig) -> list[str]:
    """Settings that passes of a core may have."""
    ranks = config.winner_depth > 0 and config.n_cores == 1
    unknown = (set() if ranks else _OF_WINNERS) | (set() if config.zero_skipping else _OF_SKIPPING)
    return [name for name in SETTINGS if name not in unknown]


def possible_pairs(config: CoreConfig) -> set[tuple[str, str]]:
    """All (setting of a pass, setting of the next one), each or its opposite, that a core knows."""
    literals = [text for name in _known(config) for text in (name, f"not {name}")]
    return {(before, after) for before in literals for after in literals}


def met_pairs(program: Program) -> Pairs:
    """How often a setting of a pass meets one of the next pass of the same core, over an item and from it to the next."""
    prologue, body = decode(program)
    found: Pairs = Counter()
    known = _known(program.config)
    for core in range(program.config.n_cores):
        passes = [
            [name if SETTINGS[name](step.fields) else f"not {name}" for name in known]
            for step in (*prologue, *body)
            if isinstance(step, PassStep) and step.cores >> core & 1
        ]
        for before, after in _around(passes):
            found.update((one, other) for one in before for other in after)
    return found


def _around(passes: list[list[str]]) -> Iterable[tuple[list[str], list[str]]]:
    """Each pass with the one after it, and the last with the first of the next item."""
    return pairwise([*passes, *passes[:1]])


@dataclass(frozen=True, kw_only=True)
class MetSettings:
    """What settings of neighbouring passes met on a core.

    Attributes
    ----------
    core : str
    networks : int
        That were compiled.
    pairs : Counter
        How often a setting of a pass met one of the next.
    unmet : tuple of (str, str)
        Pairs that never did.
    """

    core: str
    networks: int
    pairs: Pairs
    unmet: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, object]:
        """For JSON: pairs as texts."""
        pairs = {f"{before}, then {after}": count for (before, after), count in sorted(self.pairs.items())}
        unmet = [f"{before}, then {after}" for before, after in self.unmet]
        return {"core": self.core, "networks": self.networks, "pairs": pairs, "unmet": unmet}


def _count(name: str, config: CoreConfig, seeds: Iterable[int], limits: Limits) -> tuple[str, int, Pairs]:
    """Compile the cases of a core that it does not refuse."""
    pairs: Pairs = Counter()
    n_networks = 0
    for seed in seeds:
        try:
            pairs.update(met_pairs(case_of(seed, config, limits).deploy(config).program))
        except CompileError:
            continue
        n_networks += 1
    return name, n_networks, pairs


def measure_settings(
    seeds: Iterable[int], cores: Mapping[str, CoreConfig], *, limits: Limits | None = None, jobs: int | None = None
) -> list[MetSettings]:
    """Which settings met in the cases of a soak: they are compiled, not simulated, and go through joblib.

    Parameters are those of ``soak``.
    """
    by_core = seeds_by_core(seeds, tuple(cores))
    chunks = ((name, some[at : at + _CHUNK]) for name, some in by_core.items() for at in range(0, len(some), _CHUNK))
    work = (joblib.delayed(_count)(name, cores[name], chunk, limits or Limits()) for name, chunk in chunks)
    networks: Counter[str] = Counter()
    pairs: dict[str, Pairs] = {name: Counter() for name in by_core}
    for name, n_networks, found in joblib.Parallel(n_jobs=jobs)(work):
        networks[name] += n_networks
        pairs[name].update(found)
    return [
        MetSettings(core=name, networks=networks[name], pairs=met, unmet=tuple(sorted(possible_pairs(cores[name]) - set(met))))
        for name, met in pairs.items()
    ]
