"""Train a network by a recipe: real-valued, then on its integers, and write the network file with its model card."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from quiesce.sw.data import mnist
from quiesce.sw.format.container import save_network
from quiesce.sw.quant.qat import QatModule, prepare
from quiesce.sw.train.checkpoint import Checkpoint
from quiesce.sw.train.errors import RecipeError
from quiesce.sw.train.loop import Trainer, accuracy
from quiesce.sw.train.models import build
from quiesce.sw.train.recipe import Recipe, load_recipe
from quiesce.sw.train.report import TrainReport, evaluate, model_card

__all__ = ["train"]

_CALIBRATION_IMAGES = 1000


def train(recipe: Path, out: Path, data: Path | None = None, *, resume: bool = False) -> TrainReport:
    """Follow a recipe and write ``out`` and, next to it, a model card ``.md``.

    After every epoch the state goes to a checkpoint next to ``out`` (suffix ``.checkpoint``), which is removed at the end.

    Parameters
    ----------
    recipe : Path
        TOML file, see ``quiesce.sw.train.recipe``.
    out : Path
        The network file, ``.safetensors``.
    data : Path or None
        Folder that holds ``mnist/``; by default ``$QUIESCE_DATA``.
    resume : bool
        Continue from the checkpoint, if there is one; the result is the same as without the interruption, bit for bit.

    Raises
    ------
    RecipeError, DatasetError, CheckpointError
        Unusable recipe, data or checkpoint.
    OSError
        ``out`` cannot be written.
    """
    settings = load_recipe(recipe)
    folder = None if data is None else data / "mnist"
    digits, test = mnist.load("train", folder), mnist.load("test", folder)
    if len(digits) < settings.data.images + settings.data.validation:
        raise RecipeError(f"{recipe}: {settings.data.images} + {settings.data.validation} images, the set has {len(digits)}")
    held_out = digits[len(digits) - settings.data.validation :]
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out.with_suffix(".checkpoint"), settings.digest())
    with _one_thread():
        run = _Run(settings, digits[: settings.data.images], held_out, checkpoint)
        real, integer = run.all_phases(resume)
        network = integer.to_network(settings.name)
        float_accuracy = accuracy(real, *_tensors(test))
        validation, _ = evaluate(network, mnist.quantize_images(held_out.images), held_out.labels)
        int8_accuracy, layers = evaluate(network, mnist.quantize_images(test.images), test.labels)
    report = TrainReport(
        name=settings.name, path=out, card=out.with_suffix(".md"), validation_accuracy=validation,
        float_accuracy=float_accuracy, int8_accuracy=int8_accuracy, n_test=len(test), layers=layers,
    )  # fmt: skip
    metadata = {"data": "MNIST", "recipe": recipe.name, "seed": str(settings.seed), "int8_accuracy": f"{int8_accuracy:.4f}"}
    save_network(out, replace(network, metadata=metadata))
    command = f"quiesce train --recipe {_shown(recipe)} --out {_shown(out)}"
    report.card.write_text(model_card(report, settings, network, command), encoding="utf-8")
    checkpoint.remove()
    return report


class _Run:
    """The phases of one run and where they stand."""

    def __init__(self, recipe: Recipe, digits: mnist.Mnist, held_out: mnist.Mnist, checkpoint: Checkpoint) -> None:
        self.recipe, self.checkpoint = recipe, checkpoint
        self.images, self.labels = _tensors(digits)
        self.validation = _tensors(held_out)

    def all_phases(self, resume: bool) -> tuple[nn.Module, QatModule]:
        """The real-valued and the integer network, trained; from the checkpoint on if ``resume``."""
        real = build(self.recipe.model, self.recipe.seed)
        state = self.checkpoint.load() if resume else None
        if state is not None and state[0] == "integer":
            real.load_state_dict(state[2]["real"])
        else:
            trainer = Trainer(real, self.recipe, self.recipe.real, stream=0)
            if state is not None:
                trainer.restore(*state[1:])
            self._phase("real", trainer, real)
            state = None
        # Calibration depends on nothing but the real-valued network and the first images, so it is simply repeated.
        integer = prepare(real, self.images[:_CALIBRATION_IMAGES], input_scale=mnist.INPUT_SCALE)
        trainer = Trainer(integer, self.recipe, self.recipe.integer, stream=1)
        if state is not None:
            trainer.restore(*state[1:])
        self._phase("integer", trainer, real)
        return real, integer

    def _phase(self, name: str, trainer: Trainer, real: nn.Module) -> None:
        epochs = trainer.phase.epochs
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns) as progress:
            while trainer.epoch < epochs:
                label = f"{name} epoch {trainer.epoch + 1}/{epochs}"
                task = progress.add_task(label, total=len(self.images))
                loss = trainer.run_epoch(self.images, self.labels, partial(progress.advance, task))
                right = accuracy(trainer.module, *self.validation)
                progress.update(task, completed=len(self.images), description=f"{label}  loss {loss:.4f}  validation {right:.2%}")
                groups = trainer.state()
                if trainer.module is not real:
                    groups["real"] = dict(real.state_dict())
                self.checkpoint.save(name, trainer.epoch, groups)


def _tensors(digits: mnist.Mnist) -> tuple[torch.Tensor, torch.Tensor]:
    """Real-valued images (N, 1, 28, 28), exactly what the integers stand for, and labels (N,) int64."""
    acts = torch.from_numpy(mnist.quantize_images(digits.images)).permute(0, 3, 1, 2)
    return acts.float() * mnist.INPUT_SCALE, torch.tensor(digits.labels, dtype=torch.int64)


def _shown(path: Path) -> str:
    """The path as it may appear in a model card: folders of one machine say nothing elsewhere."""
    return path.name if path.is_absolute() else path.as_posix()


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread: sums are then always taken in the same order, and networks this small are no faster with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
