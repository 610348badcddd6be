"""The part of docs/results.md on streams, from the files of ``quiesce bench delta``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from quiesce.bench.delta import DeltaNetwork, Scene, SweepPoint
from quiesce.sw.files import read_json

__all__ = ["StreamFile", "load_streams", "stream_section"]

_HEAD = (
    "Yousefzadeh and Sifalakis, 2021, report almost 3x in activation sparsity for video classification with temporal and "
    "spatial sparsity together, at less than a point of accuracy. Here, from the files of `quiesce bench delta`: hands are "
    "letters of sign language in 32 x 32 pixels that change every 32 frames; spoken digits are rings of the latest 32 mel "
    "frames, of which one is new in each item. MACs are over all test frames but the first ones of streams, by the integer "
    "reference; cycles and energy over {frames} frames on the Verilog of preset `stream`, all bit-exact. *In full*: each "
    "frame for itself. *Saved* is over the row l1 in full, spatial sparsity alone. Where a row has several seeds, it shows "
    "the mean and, in brackets, the least and the greatest."
)


@dataclass(frozen=True, kw_only=True)
class StreamFile:
    """What ``quiesce bench delta --json`` writes, see ``DeltaResult``."""

    schema: int
    bench: str
    task: str
    config: dict[str, int]
    latency: int
    inputs: str
    networks: tuple[DeltaNetwork, ...]
    scenes: tuple[Scene, ...]
    sweep: tuple[SweepPoint, ...]
    break_even: dict[str, float | None]
    targets: tuple[dict[str, Any], ...]


def load_streams(folder: Path) -> dict[str, list[StreamFile]]:
    """All such files of a folder by task, in the order of their names: seeds, the first one that of the shipped networks.

    Raises
    ------
    FileError
        A file is none of them.
    """
    found: dict[str, list[StreamFile]] = {}
    for path in sorted(folder.glob("*.json")):
        one = read_json(path, StreamFile)
        found.setdefault(one.task, []).append(one)
    return found


def stream_section(files: Mapping[str, Sequence[StreamFile]]) -> Iterator[str]:
    """The section in Markdown, part by part; nothing without files."""
    if not files:
        return
    counts = sorted({one.networks[0].core.frames for found in files.values() for one in found}, reverse=True)
    head = fill(_HEAD.format(frames=" or ".join(map(str, counts))), 130)
    yield f"## Streams: temporal sparsity\n{head}\n"
    for task in sorted(files, reverse=True):
        first = files[task][0]
        yield f"### {first.inputs[0].upper()}{first.inputs[1:]}\n"
        yield _networks(files[task])
        rows = "".join(
            f"- {target['name']}: {target['value']:.3f}, target {'>=' if target['at_least'] else '<='} {target['limit']:g}: "
            f"{'met' if target['met'] else 'missed'}\n"
            for target in first.targets
        )
        yield f"Targets, of the shipped networks:\n\n{rows}"
        yield _scenes(first)


def _over_seeds(values: Sequence[float], form: str) -> str:
    mean = format(float(np.mean(values)), form)
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}} .. {max(values):{form}})"


def _networks(found: Sequence[StreamFile]) -> str:
    heads = ["method", "seeds", "accuracy", "changing"]
    heads += [f"{what}{column}" for what in ("MACs", "cycles", "nJ") for column in (" in full", " as a stream", ", saved")]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    spatial = {index: _role(one, "l1") for index, one in enumerate(found)}
    for role in (network.role for network in found[0].networks):
        own = [_role(one, role) for one in found]
        # A network that does not depend on the seed, such as the baseline that all begin with, is the same in all files.
        keys = [(one.accuracy, one.stream_macs) for one in own]
        distinct = [index for index, key in enumerate(keys) if keys.index(key) == index]

        def cell(values: Mapping[int, float], form: str, distinct: Sequence[int] = distinct) -> str:
            return _over_seeds([values[index] for index in distinct], form)

        columns: list[tuple[dict[int, float], str]] = [
            ({index: one.accuracy for index, one in enumerate(own)}, ".2%"),
            ({index: one.density for index, one in enumerate(own)}, ".1%"),
            ({index: one.full_macs for index, one in enumerate(own)}, ",.0f"),
            ({index: one.stream_macs for index, one in enumerate(own)}, ",.0f"),
            ({index: spatial[index].full_macs / one.stream_macs for index, one in enumerate(own)}, ".2f"),
            ({index: one.core.full.cycles for index, one in enumerate(own)}, ",.0f"),
            ({index: one.core.stream.cycles for index, one in enumerate(own)}, ",.0f"),
            ({index: spatial[index].core.full.cycles / one.core.stream.cycles for index, one in enumerate(own)}, ".2f"),
            ({index: (one.core.full.energy_pj or 0) / 1e3 for index, one in enumerate(own)}, ",.0f"),
            ({index: (one.core.stream.energy_pj or 0) / 1e3 for index, one in enumerate(own)}, ",.0f"),
            ({index: (spatial[index].core.full.energy_pj or 0) / (one.core.stream.energy_pj or 1)
              for index, one in enumerate(own)}, ".2f"),
        ]  # fmt: skip
        cells = [f"{role}, `{own[0].name}`", str(len(distinct)), *(cell(values, form) for values, form in columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _role(one: StreamFile, role: str) -> DeltaNetwork:
    return next(network for network in one.networks if network.role == role)


def _scenes(one: StreamFile) -> str:
    """Where it pays and where it does not."""
    lines = ["A frame of delta + l1 after one that stood still:\n"]
    lines += ["| then | pixels that change | MACs | in full | cycles | in full |", "|" + "---|" * 6]
    for scene in one.scenes:
        now, full = scene.stream, scene.full
        lines.append(
            f"| {scene.name} | {scene.changing:.1%} | {now.effectual_macs:,.0f} | {full.effectual_macs:,.0f} | {now.cycles:,.0f} "
            f"| {full.cycles:,.0f} |"
        )
    shares = {kind: "at no share" if share is None else f"at {share:.0%}" for kind, share in one.break_even.items()}
    text = "; ".join(f"{kind} {share}" for kind, share in shares.items())
    lines.append(f"\nBreak-even in cycles, by the share of pixels that change: {text}.")
    return "\n".join(lines) + "\n"
