"""Where weights lie on chip: some for good, the others in turns at the two ends of what is left, so that they load meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.tile.mapping import TileMapping

__all__ = ["Key", "LoadSchedule", "Sizes", "Step", "capacity", "footprint", "load_beats", "schedule_loads"]

Sizes = npt.NDArray[np.int64]
"""A place or a size in each memory: mask words, parameters (whole rows of them), weight rows of each PE."""

Key = tuple[TileMapping, ...]
"""Mappings that cores use side by side, each in its own memories: they have one place."""

_HISTORY = 8
"""Places given up that a new one is compared with one by one; those before them count as one that fills the memories."""

_NEVER = -2
"""Last use of what no pass has used, nor the last one of the item before (-1)."""


def capacity(config: CoreConfig) -> Sizes:
    """Sizes of the memories, in whole beats of mask words."""
    per_beat = config.data_width // config.mask_width
    params = config.param_depth // config.params_per_row * config.params_per_row
    return np.array([config.mask_depth // per_beat * per_beat, params] + [config.weight_depth] * config.n_pes)


def footprint(mapping: TileMapping) -> Sizes:
    """What the weights and parameters of a mapping take."""
    config, packed = mapping.config, mapping.packed
    per_beat = config.data_width // config.mask_width
    rows = [ceil_div(len(values), config.words_per_row(packed.bits)) for values in packed.values]
    params = ceil_div(len(mapping.outs), config.params_per_row) * config.params_per_row
    return np.array([ceil_div(packed.mask_words, per_beat) * per_beat, params, *rows])


def load_beats(mapping: TileMapping) -> int:
    """Beats of program that load a mapping."""
    config, sizes = mapping.config, footprint(mapping)
    per_pe = sizes[0] * config.mask_width // config.data_width + 2
    return int(sizes[2:].sum() + config.n_pes * per_pe + sizes[1] * 64 // config.data_width + 1)


@dataclass(frozen=True, kw_only=True)
class Step:
    """How the weights of one pass come to their place.

    Members
    -------
    base : the place
    loads : they are loaded for this pass; else they are there
    earliest : first pass before which some of the load may come, see `LoadSchedule.gaps`
    wait : what they overwrite is in use until the pass before has finished
    """

    base: Sizes
    loads: bool = False
    earliest: int = 0
    wait: bool = False


@dataclass(frozen=True, kw_only=True)
class LoadSchedule:
    """Places of all weights and the order of their loads.

    Members
    -------
    resident : the places of those that the prologue loads
    steps : for each pass
    gaps : for each pass the loads in front of it, as (pass that they are for, beats): the stream executes them while the pass
        before runs, and stops at a pass until the one before has finished
    wait_first : the body begins where the last pass's weights are
    cycles : estimate of an item
    """

    resident: dict[Key, Sizes]
    steps: tuple[Step, ...]
    gaps: tuple[tuple[tuple[int, int], ...], ...]
    wait_first: bool
    cycles: int

    @property
    def streams(self) -> bool:
        """Some weights are loaded in every item."""
        return any(step.loads for step in self.steps)


@dataclass
class _Place:
    """A place of streamed mappings and the last pass that used it."""

    key: Key
    base: Sizes
    end: Sizes
    last_use: int = _NEVER

    def overlaps(self, other: "_Place") -> bool:
        return bool(np.any((self.base < other.end) & (other.base < self.end)))


class _Arena:
    """The memories between ``low`` and ``high`` while passes go by."""

    def __init__(self, low: Sizes, high: Sizes):
        self._low, self._high = low, high
        self._live: list[_Place] = []  # still holding what was loaded
        self._past: list[_Place] = []
        self._busy = _NEVER  # last pass that used what is not in these lists

    def find(self, key: Key) -> _Place | None:
        return next((place for place in self._live if place.key == key), None)

    def retire(self, place: _Place) -> None:
        """Only the memory of a place in use remains, not what it holds."""
        self._past.append(place)

    def _last_use(self, new: _Place) -> int:
        """Last pass that used some of a new place."""
        return max((old.last_use for old in self._live + self._past if old.overlaps(new)), default=self._busy)

    def add(self, key: Key, size: Sizes) -> tuple[_Place, int]:
        """Place mappings at the end that has been idle longer; returns its place and the last pass that used some of it."""
        ends = (_Place(key, self._low, self._low + size), _Place(key, self._high - size, self._high))
        place = min(ends, key=self._last_use)
        busy = max(self._last_use(place), self._busy)
        self._past += [old for old in self._live if old.overlaps(place)]
        self._live = [old for old in self._live if not old.overlaps(place)] + [place]
        while len(self._past) > _HISTORY:
            self._busy = max(self._busy, self._past.pop(0).last_use)
        return place, busy


def _steps(
    keys: Sequence[Key], sizes: dict[Key, Sizes], resident: dict[Key, Sizes], arena: _Arena
) -> tuple[list[Step], _Place | None]:
    """Steps of an item, and the place that its last pass leaves in use."""
    steps: list[Step] = []
    place: _Place | None = None
    for index, key in enumerate(keys):
        if key in resident:
            place = None
            steps.append(Step(base=resident[key]))
            continue
        place = arena.find(key)
        if place:
            steps.append(Step(base=place.base))
        else:
            place, busy = arena.add(key, sizes[key])
            steps.append(Step(base=place.base, loads=True, earliest=min(index, max(0, busy + 2)), wait=busy + 2 > index))
        place.last_use = index
    return steps, place


def _spread(steps: Sequence[Step], beats: Sequence[int], hidden: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Spread each load over the passes that run before it is needed, the latest first, as far as they hide it."""
    room = [hidden[index - 1] for index in range(len(steps))]
    gaps: list[list[tuple[int, int]]] = [[] for _ in steps]
    for index in reversed(range(len(steps))):
        left = beats[index] if steps[index].loads else 0
        for gap in range(index, steps[index].earliest - 1, -1):
            part = left if gap == steps[index].earliest else min(left, room[gap])
            if part:
                gaps[gap].insert(0, (index, part))
            left, room[gap] = left - part, max(0, room[gap] - part)
            if not left:
                break
    return gaps


def _cycles(gaps: Sequence[Sequence[tuple[int, int]]], waits: Sequence[bool], compute: Sequence[int]) -> int:
    """Cycles of an item in a long run of items."""
    stream = end = 0
    for _ in range(2):
        begin = end
        for gap, wait, cycles in zip(gaps, waits, compute, strict=True):
            stream = max(stream, end) if wait else stream
            stream = end_before = max(stream + sum(beats for _, beats in gap), end)
            end = end_before + cycles
    return end - begin


def _planned(
    resident: dict[Key, Sizes],
    steps: Sequence[Step],
    beats: Sequence[int],
    compute: Sequence[int],
    hidden: Sequence[int],
    *,
    wait_first: bool,
) -> LoadSchedule:
    gaps = _spread(steps, beats, hidden)
    waits = [step.wait or (index == 0 and wait_first) for index, step in enumerate(steps)]
    return LoadSchedule(
        resident=resident, steps=tuple(steps), gaps=tuple(tuple(gap) for gap in gaps), wait_first=wait_first,
        cycles=_cycles(gaps, waits, compute),
    )  # fmt: skip


def _side_by_side(keys: Sequence[Key], sizes: dict[Key, Sizes]) -> list[Step]:
    """Steps of an item for which everything is loaded, each to a place of its own."""
    places, end = dict[Key, Sizes](), np.zeros_like(sizes[keys[0]])
    steps = []
    for key in keys:
        loads = key not in places
        if loads:
            places[key], end = end, end + sizes[key]
        steps.append(Step(base=places[key], loads=loads))
    return steps


def schedule_loads(
    config: CoreConfig,
    mappings: Sequence[Key],
    compute: Sequence[int],
    act_beats: Sequence[int],
    *,
    cold: bool = False,
) -> LoadSchedule:
    """Place the weights of all passes, in the order of the passes.

    All mappings stay if they fit. Else memory that streaming does not need keeps the mappings whose load nothing hides, and then
    as many others as fit. The rest alternate between the two ends of what is left; one that is there already is not loaded again.

    Parameters
    ----------
    mappings : sequence of tuple of Mapping
        Of each pass, or of the passes that cores run side by side.
    compute : sequence of int
        Estimated cycles of each pass.
    act_beats : sequence of int
        Estimated beats of activations that each pass reads meanwhile, over the bus that brings the weights.
    cold : bool
        Nothing stays: each item loads all weights, the later ones while the first passes run.
    """
    keys, total = list(mappings), capacity(config)
    known = dict.fromkeys(keys)
    sizes = {key: np.max([footprint(mapping) for mapping in key], axis=0) for key in known}
    beats = {key: sum(load_beats(mapping) for mapping in key) for key in known}
    hidden = [max(0, cycles - busy) for cycles, busy in zip(compute, act_beats, strict=True)]
    fits = bool(np.all(sum(sizes.values()) <= total))
    if cold:
        steps = _side_by_side(keys, sizes) if fits else _steps(keys, sizes, {}, _Arena(np.zeros_like(total), total))[0]
        return _planned({}, steps, [beats[key] for key in keys], compute, hidden, wait_first=True)

    changes = [index for index, key in enumerate(keys) if index == 0 or key != keys[index - 1]]
    exposed, arena = dict.fromkeys(known, 0), np.zeros_like(total)
    for index in [] if fits else changes:
        size, pair = sizes[keys[index]], sizes[keys[index]] + sizes[keys[index - 1]]
        exposed[keys[index]] += max(0, beats[keys[index]] - compute[index - 1])
        arena = np.maximum(arena, pair if np.all(pair <= total) else size)

    low, resident = np.zeros_like(total), dict[Key, Sizes]()
    for key in sorted(known, key=lambda key: -exposed[key] / max(1, beats[key])):
        if np.all(low + sizes[key] + arena <= total):
            resident[key], low = low, low + sizes[key]

    steps, last = _steps(keys, sizes, resident, _Arena(low, total))
    wait_first = False
    if last:
        after_item = _Arena(low, total)
        after_item.retire(replace(last, last_use=-1))
        steps, again = _steps(keys, sizes, resident, after_item)
        wait_first = again is not None and bool(np.any(last.base != again.base))
    return _planned(resident, steps, [beats[key] for key in keys], compute, hidden, wait_first=wait_first)
