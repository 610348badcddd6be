"""One phase of training: epochs of shuffled, augmented batches."""

from collections.abc import Callable
from math import cos, pi

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from quiesce.sw.sparsity.method import Method
from quiesce.sw.train.augment import random_affine, random_crop
from quiesce.sw.train.checkpoint import Tensors, optimiser_state, restore_optimiser
from quiesce.sw.train.models import MODELS
from quiesce.sw.train.recipe import Phase, Recipe

__all__ = ["Trainer", "accuracy"]

_EVALUATION_BATCH = 1000


def accuracy(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images (N, C, H, W) whose largest logit is that of their label (N,), 0..1; in evaluation mode."""
    was_training = module.training
    module.eval()
    with torch.no_grad():
        batches = zip(torch.split(images, _EVALUATION_BATCH), torch.split(labels, _EVALUATION_BATCH), strict=True)
        right = sum(int((module(batch).argmax(dim=1) == classes).sum()) for batch, classes in batches)
    module.train(was_training)
    return right / len(labels)


class Trainer:
    """Trains a module for one phase, an epoch at a time; all randomness of an epoch follows from seed, phase and epoch.

    Parameters
    ----------
    module : nn.Module
        What to train: images (N, C, H, W) to logits (N, 10).
    recipe : Recipe
        Batch size, augmentation, seed.
    phase : Phase
        Epochs and learning rate.
    stream : int
        Distinguishes the random draws of the phases.
    method : Method
        Attached to the module.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, phase: Phase, stream: int, method: Method) -> None:
        self.module, self.recipe, self.phase, self.stream, self.method = module, recipe, phase, stream, method
        self.shape = MODELS[recipe.model].shape
        self.epoch = 0
        self.optimiser = torch.optim.AdamW(module.parameters(), lr=phase.rate, weight_decay=phase.decay)

    def run_epoch(self, images: torch.Tensor, labels: torch.Tensor, progress: Callable[[int], None]) -> float:
        """Train on each image once, an incomplete last batch left out.

        Parameters
        ----------
        images, labels : Tensor
            (N, C, H, W) float, parts of which the network is to see, and (N,) int64.
        progress : callable
            Called with the number of images after each step.

        Returns
        -------
        float
            Mean loss, the method's term included.
        """
        batch = self.recipe.batch
        generator = torch.Generator().manual_seed((self.recipe.seed * 2 + self.stream) * 1000 + self.epoch)
        order = torch.randperm(len(images), generator=generator)
        n_steps = len(images) // batch
        total = 0.0
        self.module.train()
        for step in range(n_steps):
            chosen = order[step * batch : (step + 1) * batch]
            inputs = self._augment(images[chosen], generator).contiguous(memory_format=torch.channels_last)
            self._set_rate((self.epoch + step / n_steps) / self.phase.epochs)
            loss = self._loss(inputs, labels[chosen], self.epoch + step / n_steps)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += loss.item()
            progress(batch)
        self.epoch += 1
        return total / max(1, n_steps)

    def _augment(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        data, shape = self.recipe.data, self.shape[:2]
        if data.rotate or data.shift or data.zoom:
            images = random_affine(images, rotate=data.rotate, shift=data.shift, zoom=data.zoom, generator=generator)
        if data.pad or data.flip or images.shape[2:] != shape:
            images = random_crop(images, shape=shape, pad=data.pad, flip=data.flip, generator=generator)
        return images

    def _loss(self, inputs: torch.Tensor, labels: torch.Tensor, epochs: float) -> torch.Tensor:
        self.method.begin_step(epochs)
        loss = cross_entropy(self._logits(inputs), labels)
        term = self.method.loss()
        return loss if term is None else loss + term

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16 and self.stream == 0):
            logits: torch.Tensor = self.module(inputs)
        return logits.float()

    def _set_rate(self, done: float) -> None:
        growth = min(1.0, done * self.phase.epochs / self.phase.warmup) if self.phase.warmup else 1.0
        for group in self.optimiser.param_groups:
            group["lr"] = self.phase.rate * growth * (1 + cos(pi * done)) / 2

    def state(self) -> dict[str, Tensors]:
        """Tensors to continue from, together with ``epoch``."""
        return {"module": dict(self.module.state_dict()), "optimiser": optimiser_state(self.optimiser)}

    def restore(self, epoch: int, state: dict[str, Tensors]) -> None:
        """Continue after so many epochs with what ``state`` returned then."""
        self.module.load_state_dict(state["module"])
        restore_optimiser(self.optimiser, state.get("optimiser", {}))
        self.epoch = epoch
