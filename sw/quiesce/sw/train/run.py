"""Train a network by a recipe: real-valued, then on its integers, and write the network file with its model card."""

import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from quiesce import models
from quiesce.sw.data.frames import LabelledFrames, clip_starts
from quiesce.sw.data.images import DATA_VARIABLE, LabelledImages
from quiesce.sw.data.sets import SETS
from quiesce.sw.format.container import save_network
from quiesce.sw.quant.qat import QatModule, prepare
from quiesce.sw.sparsity.method import Metrics
from quiesce.sw.sparsity.selection import prune
from quiesce.sw.sparsity.statistics import statistics
from quiesce.sw.sparsity.temporal import temporal_statistics
from quiesce.sw.train.begin import begin_with, find_start
from quiesce.sw.train.checkpoint import Checkpoint, Tensors
from quiesce.sw.train.errors import RecipeError
from quiesce.sw.train.inputs import judged, real_inputs, starts_of, tensors
from quiesce.sw.train.log import TrainLog
from quiesce.sw.train.loop import Trainer, accuracy, measure
from quiesce.sw.train.methods import Clips, build_methods
from quiesce.sw.train.models import MODELS, build
from quiesce.sw.train.parallel import device, n_processes, one_thread, processes, rank
from quiesce.sw.train.recipe import Recipe, load_recipe
from quiesce.sw.train.report import TrainReport, model_card
from quiesce.sw.train.start import load_start

__all__ = ["train"]

_CALIBRATION_IMAGES = 1000

ModuleType = TypeVar("ModuleType", bound=nn.Module)
State = tuple[str, int, dict[str, Tensors]]
"""What a checkpoint holds: phase, finished epochs and groups of tensors."""


def train(
    recipe: Path,
    out: Path,
    data: Path | None = None,
    *,
    resume: bool = False,
    log: Path | None = None,
    overrides: Sequence[str] = (),
) -> TrainReport:
    """Follow a recipe and write ``out`` and, next to it, a model card ``.md``.

    After every epoch the state goes to a checkpoint next to ``out`` (suffix ``.checkpoint``), which is removed at the end. All
    processes that ``torchrun`` started take part and return the report; the first one writes the files.

    Parameters
    ----------
    recipe : Path
        TOML file, see ``quiesce.sw.train.recipe``.
    out : Path
        The network file, ``.safetensors``.
    data : Path or None
        Folder that holds those of the data sets and of published weights; by default ``$QUIESCE_DATA``.
    resume : bool
        Continue from the checkpoint, if there is one; the result is the same as without the interruption, bit for bit.
    log : Path or None
        Folder for figures of each epoch, see ``quiesce.sw.train.log``.
    overrides : sequence of str
        Values in place of those of the recipe, see ``load_recipe``.

    Raises
    ------
    RecipeError, DatasetError, CheckpointError
        Unusable recipe, data or checkpoint.
    OSError
        ``out`` or ``log`` cannot be written.
    """
    settings = load_recipe(recipe, overrides)
    source = SETS[settings.data.set]
    folder = None if data is None else data / source.folder
    images, test = source.load("train", folder), source.load("test", folder)
    if len(images) < settings.data.images + settings.data.validation:
        raise RecipeError(f"{recipe}: {settings.data.images} + {settings.data.validation} images, the set has {len(images)}")
    held_out = images[len(images) - settings.data.validation :]
    start = None
    if settings.start is not None and settings.start.file:
        # Without the variable, loading the images has failed already.
        start = (data or Path(os.environ[DATA_VARIABLE])) / settings.start.file
    shape = MODELS[settings.model].shape
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out.with_suffix(".checkpoint"), settings.digest())
    with one_thread(), processes():
        if settings.batch // settings.data.frames % n_processes():
            raise RecipeError(f"{recipe}: a batch of {settings.batch} cannot be shared by {n_processes()} processes")
        first = rank() == 0
        run = _Run(settings, images[: settings.data.images], held_out, checkpoint, start)
        real, integer = run.all_phases(resume, log)
        network = run.method.complete(integer.to_network(settings.name))
        acts, labels = judged(source, test, network)
        float_accuracy = accuracy(real, real_inputs(source, acts), torch.tensor(labels, dtype=torch.int64))
        validation = statistics(network, *judged(source, held_out, network))
        measured = statistics(network, acts, labels)
        changing = None
        if isinstance(test, LabelledFrames):
            changing = temporal_statistics(network, source.acts(test, shape), test.labels, test.streams())
    assert validation.accuracy is not None
    assert measured.accuracy is not None
    report = TrainReport(
        name=settings.name, path=out, card=out.with_suffix(".md"), validation_accuracy=validation.accuracy,
        float_accuracy=float_accuracy, int8_accuracy=measured.accuracy, test=measured, changing=changing, epochs=run.trained,
    )  # fmt: skip
    # Wherever this file goes: the same training makes the same file.
    own = _command(recipe, Path(f"{settings.name}{out.suffix}"), overrides)
    metadata = {
        "data": source.title, "recipe": recipe.name, "seed": str(settings.seed), "int8_accuracy": f"{measured.accuracy:.4f}",
        "validation_accuracy": f"{validation.accuracy:.4f}", "epochs": str(run.trained), "command": own,
    }  # fmt: skip
    if not first:
        return report
    save_network(out, replace(network, metadata=metadata))
    report.card.write_text(model_card(report, settings, network, _command(recipe, out, overrides)), encoding="utf-8")
    checkpoint.remove()
    return report


class _Run:
    """The phases of one run and where they stand."""

    def __init__(
        self, recipe: Recipe, images: LabelledImages, held_out: LabelledImages, checkpoint: Checkpoint, start: Path | None
    ) -> None:
        self.recipe, self.checkpoint, self.start = recipe, checkpoint, start
        self.source, self.shape = SETS[recipe.data.set], MODELS[recipe.model].shape
        # Training sees other parts of the images each time.
        self.images, self.labels = tensors(self.source, images, self.source.shape)
        self.frames = recipe.data.frames
        self.firsts = torch.from_numpy(clip_starts(starts_of(images), self.frames))
        self.calibration, _ = tensors(self.source, images[:_CALIBRATION_IMAGES], self.shape)
        clips = torch.from_numpy(clip_starts(starts_of(held_out), self.frames, apart=True))[:, None] + torch.arange(self.frames)
        acts, labels = tensors(self.source, held_out, self.shape)
        self.validation = acts[clips.flatten()], labels[clips.flatten()]
        example = Clips(self.frames, self.source.input_scale, self.calibration)
        self.method = build_methods(recipe.methods, lambda module: accuracy(module, *self.validation, self.frames), example)
        self.trained = 0

    def all_phases(self, resume: bool, log: Path | None) -> tuple[nn.Module, QatModule]:
        """The real-valued and the integer network, trained; from the checkpoint on if ``resume``."""
        state = self.checkpoint.load() if resume else None
        before = self.recipe.real.epochs if state is not None and state[0] == "integer" else 0
        with TrainLog(log if rank() == 0 else None, 0 if state is None else before + state[1]) as self.log:
            return self._follow(state)

    def _follow(self, state: State | None) -> tuple[nn.Module, QatModule]:
        real = self._begin()
        if state is not None and state[0] == "integer":
            with self.method.attached(real):  # puts modules in whose state is to be loaded
                pass
            real.load_state_dict(state[2]["real"])
        else:
            self._phase("real", real, real, state)
            state = None
        # Calibration depends on nothing but the real-valued network and the first images, so it is simply repeated.
        integer = _channels_last(prepare(
            real, self.calibration, input_scale=self.source.input_scale, widths=self.recipe.widths,
            calibration=self.recipe.calibration,
        ))  # fmt: skip
        self._phase("integer", integer, real, state)
        return real, integer

    def _begin(self) -> nn.Module:
        """The real-valued network before its training."""
        real = build(self.recipe.model, self.recipe.seed)
        given = self.recipe.start
        if given is not None and given.network:
            begin_with(real, find_start(given.network), self.calibration)
        elif given is not None and self.start is not None:
            load_start(real, self.start, given.sha256)
        if self.recipe.sparsity:
            prune(real, self.recipe.sparsity, balanced=self.recipe.balanced)
        return _channels_last(real)

    def _phase(self, name: str, module: nn.Module, real: nn.Module, state: State | None) -> None:
        phase, stream, before = (self.recipe.real, 0, 0) if module is real else (self.recipe.integer, 1, self.recipe.real.epochs)
        with self.method.attached(module):
            module.to(device())
            trainer = Trainer(module, self.recipe, phase, stream, self.method, before)
            if state is not None:
                trainer.restore(*state[1:])
            else:
                trainer.trained = self.trained
                trainer.follow(self.method.begin(self._measure(module, before)))
            self._epochs(name, trainer, real)
            trainer.finish()
            module.to("cpu")
            self.trained = trainer.trained

    def _measure(self, module: nn.Module, epoch: int, loss: float = 0.0) -> Metrics:
        changes = self.method.counts_changes
        return measure(module, *self.validation, epoch, loss, frames=self.frames, changes=changes)

    def _epochs(self, name: str, trainer: Trainer, real: nn.Module) -> None:
        epochs = trainer.phase.epochs
        images, labels = (tensor[: trainer.phase.images or None] for tensor in (self.images, self.labels))
        firsts = self.firsts[self.firsts + self.frames <= len(images)]
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, disable=rank() > 0) as progress:
            while trainer.epoch < epochs:
                label = f"{name} epoch {trainer.epoch + 1}/{epochs}"
                task = progress.add_task(label, total=trainer.images_of_epoch(len(images)))
                began = time.perf_counter()
                loss = trainer.run_epoch(images, labels, firsts, partial(progress.advance, task))
                metrics = self._measure(trainer.module, trainer.before + trainer.epoch, loss)
                figures = f"loss {loss:.4f}  validation {metrics.quality:.2%}  events {metrics.events:,.0f}"
                progress.update(task, completed=trainer.images_of_epoch(len(images)), description=f"{label}  {figures}")
                seconds = time.perf_counter() - began
                self.log.write(name, metrics.epoch, asdict(metrics) | self.method.scalars() | {"seconds": seconds})
                trainer.follow(self.method.epoch_end(metrics))
                groups = trainer.state()
                if trainer.module is not real:
                    groups["real"] = dict(real.state_dict())
                if rank() == 0:
                    self.checkpoint.save(name, trainer.epoch, groups)


def _channels_last(module: ModuleType) -> ModuleType:
    """The module with its weights in the layout in which convolutions of several channels are up to twice as fast."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _command(recipe: Path, out: Path, overrides: Sequence[str]) -> str:
    """The command that repeats a training."""
    shown = recipe.stem if models.recipe_path(recipe.stem) == recipe else _shown(recipe)
    command = shlex.join(["quiesce", "train", "--recipe", shown, "--out", _shown(out)])
    return command + "".join(f" --set {shlex.quote(override)}" for override in overrides)


def _shown(path: Path) -> str:
    """The path as it may appear in a model card: folders of one machine say nothing elsewhere."""
    return path.name if path.is_absolute() else path.as_posix()
