"""Seconds and memory of training steps: plain PyTorch beside the trainer with each method at work, in turns in one run."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from quiesce.bench.memory import peak_bytes
from quiesce.sw.data.sets import SETS
from quiesce.sw.quant.qat import prepare
from quiesce.sw.sparsity.method import Metrics
from quiesce.sw.train.errors import RecipeError
from quiesce.sw.train.loop import Trainer, accuracy
from quiesce.sw.train.methods import build_methods
from quiesce.sw.train.models import MODELS, build
from quiesce.sw.train.parallel import device, one_thread
from quiesce.sw.train.recipe import Data, Phase, Recipe

__all__ = ["CONTENDERS", "PLAIN", "Contender", "StepFigures", "measure_steps"]

_EPOCH = 1
_EPOCHS = 1.5
"""When the steps take place, counted over all phases: methods have begun after epoch 1."""
_WARMUP = 4
"""Steps before the first that counts; winners are chosen in the second of them."""
_SAMPLE_SECONDS = 0.05
"""Least duration of the plain steps that are timed together."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A way to train: the tables ``[[methods]]`` of a recipe, in the first or the second phase of its training."""

    methods: tuple[Mapping[str, Any], ...] = ()
    integer: bool = False


def _penalty(regulariser: str) -> Contender:
    return Contender(methods=({"kind": "penalty", "regulariser": regulariser, "coefficient": 1e-2},))


_TL1 = _penalty("tl1")
_DUAL = {"kind": "dual", "thinning": 1, "weight_coefficient": 1e-2, "threshold": 1e-3, "coefficient": 1e-2, "b": 0.1}

PLAIN = "plain"
CONTENDERS: Mapping[str, Contender] = {
    "trainer": Contender(),
    "l1": _penalty("l1"),
    "partial_l1": _penalty("partial_l1"),
    "hoyer": _penalty("hoyer"),
    "count": _penalty("count"),
    "tl1": _TL1,
    "arts": Contender(methods=({"kind": "arts", "coefficient": 1e-2, "tolerance": 0.01, "search": 9},)),
    "grid": Contender(methods=({"kind": "grid", "coefficients": [1e-2], "tolerance": 0.01, "share": 9},)),
    "prune": Contender(methods=({"kind": "prune", "sparsity": 0.5},)),
    "weight_penalty": Contender(methods=({"kind": "weight_penalty", "coefficient": 1e-2},)),
    "dual-weights": Contender(methods=(_DUAL | {"dense": 1},)),
    "dual": Contender(methods=(_DUAL | {"dense": 0},)),
    "balance": Contender(methods=({"kind": "balance", "coefficient": 1e-2},)),
    "fatrelu": Contender(methods=({"kind": "fatrelu", "allowed": 0.01, "steps": 1},)),
    "winners": Contender(methods=({"kind": "winners", "tolerance": 0.01, "theta": 0.9, "images": 1},)),
    "int8": Contender(integer=True),
    "int8-tl1": Contender(methods=_TL1.methods, integer=True),
}
"""What is compared with plain PyTorch, by name; ``trainer`` is the trainer without methods, ``dual-weights`` the second of the
three stages of dual sparse training and ``dual`` the third."""


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """Figures of one way to train one model.

    Parameters
    ----------
    model, contender : str
        A key of ``MODELS``; ``PLAIN`` or a key of ``CONTENDERS``.
    seconds : float
        Of a step, the best of the repeats; on a processor the time that it spent on it, one thread.
    ratio : float
        To that of plain PyTorch.
    peak_bytes : int
        Memory at most allocated during a step beyond what was before it, see ``peak_bytes``.
    memory_ratio : float
        To that of plain PyTorch.
    """

    model: str
    contender: str
    seconds: float
    ratio: float
    peak_bytes: int
    memory_ratio: float


@dataclass
class _Lane:
    """A step ready to be run, and how long it took."""

    step: Callable[[], object]
    peak_bytes: int = 0
    seconds: list[float] = field(default_factory=list)


def measure_steps(
    models: Sequence[str], contenders: Sequence[str], *, batch: int = 128, repeat: int = 5, bfloat16: bool = False
) -> list[StepFigures]:
    """Train on random images, each way in turns with the others, each on a network of its own with the same weights.

    Parameters
    ----------
    models, contenders : sequence of str
        Keys of ``MODELS`` and ``CONTENDERS``; plain PyTorch comes first in any case.
    batch : int
        Images of a step.
    repeat : int
        Times that each way is measured, at least 1.
    bfloat16 : bool
        Multiply in bfloat16, all but the integer phase.

    Returns
    -------
    list of StepFigures

    Raises
    ------
    RecipeError
        No such model or contender, or a batch that no recipe may have.
    """
    for name, known in ((models, MODELS), (contenders, CONTENDERS)):
        if unknown := [one for one in name if one not in known]:
            raise RecipeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
    with one_thread():
        return [
            figures for name in models for figures in _compare(name, contenders, batch=batch, repeat=repeat, bfloat16=bfloat16)
        ]


def _compare(name: str, contenders: Sequence[str], *, batch: int, repeat: int, bfloat16: bool) -> list[StepFigures]:
    recipe = _recipe(name, batch, bfloat16)
    rows, cols, chans = MODELS[name].shape
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(batch, chans, rows, cols, generator=generator).contiguous(memory_format=torch.channels_last)
    n_classes, shape = (2, (batch, rows, cols)) if MODELS[name].maps else (10, (batch,))
    labels = torch.randint(n_classes, shape, generator=generator)
    inputs, labels = inputs.to(device()), labels.to(device())
    lanes = {PLAIN: _Lane(_plain(recipe, inputs, labels))}
    lanes |= {one: _Lane(_trained(recipe, CONTENDERS[one], inputs, labels)) for one in contenders}
    for lane in lanes.values():
        _run(lane.step, _WARMUP)
        lane.peak_bytes = peak_bytes(lane.step, device())
    n_steps = max(1, round(_SAMPLE_SECONDS / _run(lanes[PLAIN].step, 1)))
    for _ in range(repeat):
        for lane in lanes.values():
            lane.seconds.append(_run(lane.step, n_steps) / n_steps)
    plain = lanes[PLAIN]
    return [
        StepFigures(
            model=name, contender=contender, seconds=min(lane.seconds), ratio=min(lane.seconds) / min(plain.seconds),
            peak_bytes=lane.peak_bytes, memory_ratio=lane.peak_bytes / plain.peak_bytes,
        )
        for contender, lane in lanes.items()
    ]  # fmt: skip


def _recipe(name: str, batch: int, bfloat16: bool) -> Recipe:
    model, phase = MODELS[name], Phase(epochs=9, rate=1e-4)
    data = next(key for key, one in SETS.items() if one.fits(model.shape) and (one.metric != "accuracy") == model.maps)
    return Recipe(
        name="steps", model=name, seed=1, batch=batch, real=phase, integer=phase, bfloat16=bfloat16, data=Data(set=data)
    )


def _plain(recipe: Recipe, inputs: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """The step as one writes it in PyTorch, in the memory layout that is faster."""
    module = _module(recipe, inputs)
    optimiser = torch.optim.AdamW(module.parameters(), lr=recipe.real.rate, weight_decay=recipe.real.decay)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=recipe.bfloat16):
            logits = module(inputs)
        cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _trained(recipe: Recipe, contender: Contender, inputs: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """The step of ``quiesce train``, its methods attached."""
    module = _module(recipe, inputs)
    if contender.integer:
        calibrated = prepare(module.cpu().eval(), inputs.cpu()).train()
        module = calibrated.to(inputs.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    cpu_inputs, cpu_labels = inputs.cpu(), labels.cpu()
    method = build_methods(contender.methods, lambda one: accuracy(one, cpu_inputs, cpu_labels))
    method.attach(module)
    module.to(inputs.device)
    phase, stream = (recipe.integer, 1) if contender.integer else (recipe.real, 0)
    trainer = Trainer(module, recipe, phase, stream, method, _EPOCH)
    method.begin(Metrics(epoch=_EPOCH, loss=0.0, quality=1.0, work=1.0, events=1.0))
    return lambda: trainer.step(inputs, labels, _EPOCHS)


def _module(recipe: Recipe, inputs: torch.Tensor) -> nn.Module:
    module = build(recipe.model, recipe.seed).train()
    return module.to(inputs.device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _run(step: Callable[[], object], n_steps: int) -> float:
    """Seconds of so many steps: of the clock with a CUDA device, else of the processor, on which others may run as well."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    _wait()
    began = clock()
    for _ in range(n_steps):
        step()
    _wait()
    return clock() - began


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
