"""A campaign of faults on a network: what they are, and what becomes of the answer."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sim.build import build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.errors import SimError
from quiesce.sim.faults.experiment import BusFault, Experiment, Fault, FaultKind
from quiesce.sim.faults.setting import Setting, sound_run
from quiesce.sim.faults.state import list_state
from quiesce.sim.job import Bus
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region
from quiesce.sw.format.network import Network

__all__ = ["CLASSES", "UNDETECTED", "Campaign", "FaultTrial", "faults"]

CLASSES = ("program", "inputs", "maps", "outputs", "rams", "flip-flops", "errors", "responses", "resets")
"""Classes of faults. A bit flips: of the program, before the start; of an input or an intermediate map, when the core is about to
read it (padding of records included); of an output, after the run; of the RAMs or the flip-flops, at any time. The bus answers
with an error. A response is lost, repeated, late or out of order. The host resets the core during a run and starts it again."""

UNDETECTED = ("wrong", "hang", "outside")
"""Verdicts that must not be: a wrong answer without a word, no end, and a write outside the regions."""

_STATE_CLASSES = ("rams", "flip-flops")
_LATE = 2000  # cycles, at most


@dataclass(frozen=True)
class FaultTrial:
    """A fault and what became of it.

    Attributes
    ----------
    class_ : str
    fault : str
        In words.
    verdict : str
        See ``Setting.verdict``.
    """

    class_: str
    fault: str
    verdict: str


@dataclass(frozen=True)
class Campaign:
    """All trials of a campaign, which its seed repeats."""

    network: str
    config: dict[str, int]
    seed: int
    images: int
    cycles: int
    trials: tuple[FaultTrial, ...]

    def count(self, class_: str) -> Counter[str]:
        """Trials of a class by verdict."""
        return Counter(trial.verdict for trial in self.trials if trial.class_ == class_)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "network": self.network, "config": self.config, "seed": self.seed, "images": self.images, "cycles": self.cycles,
            "counts": {name: dict(count) for name in CLASSES if (count := self.count(name))},
            "trials": [[trial.class_, trial.fault, trial.verdict] for trial in self.trials],
        }  # fmt: skip


def _flip(setting: Setting, time: int, address: int, rng: Random) -> tuple[str, Experiment]:
    bit = rng.randrange(8)
    return f"bit {bit} of byte {address:#x} at cycle {time}", setting.experiment(Fault(FaultKind.MEMORY, time, address, 0, bit))


def _draw(setting: Setting, class_: str, rng: Random) -> tuple[str, Experiment]:
    """A fault of a class, in words and as an experiment."""
    time = rng.randrange(setting.first, setting.last)
    if class_ in ("program", "outputs"):
        time, region = (0, Region.PROGRAM) if class_ == "program" else (setting.last, Region.OUTPUT)
        base, size = setting.deployment.regions[region]
        return _flip(setting, time, base + rng.randrange(size), rng)
    if class_ in ("inputs", "maps"):
        beats = setting.beats_of(Region.INPUT if class_ == "inputs" else Region.SCRATCH)
        if not len(beats):
            raise SimError(f"{setting.deployment.program.network.name}: the core reads nothing of the {class_}")
        time, base = map(int, rng.choice(beats))
        return _flip(setting, time, base + rng.randrange(setting.deployment.program.config.beat_bytes), rng)
    if class_ in _STATE_CLASSES:
        chosen = [index for index, state in enumerate(setting.states) if state.is_ram == (class_ == "rams")]
        (index,) = rng.choices(chosen, [setting.states[index].n_bits for index in chosen])
        state = setting.states[index]
        word, bit = rng.randrange(state.words), rng.randrange(state.bits)
        words = f"{state.path} word {word} bit {bit} at cycle {time}"
        return words, setting.experiment(Fault(FaultKind.STATE, time, index, word, bit))
    if class_ == "resets":
        return f"{time - setting.first} cycles after the start", setting.experiment(reset_after=time - setting.first)
    kind = rng.choice((FaultKind.READ, FaultKind.WRITE))
    number = rng.randrange(setting.n_beats if kind is FaultKind.READ else setting.n_responses)
    what = BusFault.ERROR if class_ == "errors" else rng.choice(list(BusFault)[1:])
    delay = rng.randrange(1, _LATE) if what is BusFault.LATE else 0
    words = f"{kind.name.lower()} {number} {what.name.lower()}" + (f" by {delay} cycles" if delay else "")
    return words, setting.experiment(Fault(kind, 0, number, delay, what))


def _report(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)


def faults(
    network: Network,
    inputs: npt.NDArray[np.int8],
    *,
    config: CoreConfig,
    n: int,
    seed: int,
    classes: Sequence[str] = CLASSES,
    latency: int = 32,
    progress: Callable[[int], None] | None = None,
) -> Campaign:
    """Run a network with one fault at a time.

    Parameters
    ----------
    network : Network
    inputs : ndarray
        int8, (N, rows, cols, chans), N at least 1: the images of each run.
    config : CoreConfig
    n : int
        Faults of each class.
    seed : int
        Of the faults; those of a class do not depend on which other classes there are.
    classes : sequence of str
        Of CLASSES.
    latency : int
        Of the memory, cycles.
    progress : callable, optional
        Called with the number of runs that are done.

    Raises
    ------
    SimError
        The core reads nothing of a class, or the simulator could not be built or run.
    CoreError
        The run without faults is wrong.
    CompileError, FormatError
        The network cannot be compiled, or the inputs are not what it takes.
    """
    verilog = core_text(config).verilog
    plain = build_simulator(verilog, main="faults")
    setting, opened = sound_run(network, inputs, config, Bus(latency=latency), plain), plain
    if any(name in _STATE_CLASSES for name in classes):
        opened, states = list_state(verilog)
        setting = replace(setting, states=states)
    trials: list[FaultTrial] = []
    for name in classes:
        rng = Random(f"{seed} {name}")
        drawn = [_draw(setting, name, rng) for _ in range(n)]
        outcomes = setting.run(
            opened if name in _STATE_CLASSES else plain,
            [experiment for _, experiment in drawn],
            partial(_report, progress, len(trials)) if progress else None,
        )
        trials += [FaultTrial(name, words, setting.verdict(outcome)) for (words, _), outcome in zip(drawn, outcomes, strict=True)]
    return Campaign(network.name, config.to_dict(), seed, len(inputs), setting.last - setting.first, tuple(trials))
