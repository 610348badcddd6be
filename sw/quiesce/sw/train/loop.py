"""One phase of training: epochs of shuffled, augmented batches, and what methods ask for between them."""

from collections.abc import Callable
from math import cos, pi

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from quiesce.sw.data.quality import quality
from quiesce.sw.sparsity.activity import activity
from quiesce.sw.sparsity.method import Method, Metrics, Verdict
from quiesce.sw.train.augment import random_affine, random_crop
from quiesce.sw.train.checkpoint import Tensors, optimiser_state, restore_optimiser
from quiesce.sw.train.models import MODELS
from quiesce.sw.train.parallel import agree, mean, n_processes, rank, share_buffers, shared
from quiesce.sw.train.recipe import Phase, Recipe

__all__ = ["Trainer", "accuracy", "measure"]

_EVALUATION_BATCH = 1000
_SLOTS = {Verdict.KEEP: "kept", Verdict.MARK: "marked"}
"""Where remembered weights are, also in checkpoints."""


def accuracy(module: nn.Module, images: torch.Tensor, labels: torch.Tensor, frames: int = 1) -> float:
    """Quality of the largest logits of images (N, C, H, W) against labels (N,) or (N, H, W), 0..1; in evaluation mode.

    See ``quiesce.sw.data.quality``: the share of right images, or the mean IoU where pixels have labels. Of clips of several
    ``frames`` each, one after the other, the first frames do not count.
    """
    was_training, device = module.training, _device_of(module)
    module.eval()
    with torch.no_grad():
        batches = torch.split(images, _EVALUATION_BATCH // frames * frames)
        found = torch.cat([module(batch.to(device)).argmax(dim=1).cpu() for batch in batches])
    module.train(was_training)
    if frames > 1:
        found, labels = (part.reshape(-1, frames, *part.shape[1:])[:, 1:].flatten(0, 1) for part in (found, labels))
    return quality(found.numpy(), labels.numpy())


def _device_of(module: nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


def measure(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor, epoch: int, loss: float = 0.0, *, frames: int = 1,
    changes: bool = False,
) -> Metrics:  # fmt: skip
    """What methods are told after so many epochs of all phases: accuracy and activity on held-out images (N, C, H, W).

    Parameters
    ----------
    frames : int
        Of each clip, see ``accuracy``.
    changes : bool
        Events are the changes of activations from frame to frame, first frames left out, instead of all nonzeros.
    """
    with activity(module, frames if changes else 1) as counted:
        quality = accuracy(module, images, labels, frames)
    n_images = len(images) * (frames - 1) / frames if changes else len(images)
    events = sum(counted.events.values())
    return agree(Metrics(epoch=epoch, loss=loss, quality=quality, work=counted.work / n_images, events=events / n_images))


class Trainer:
    """Trains a module for one phase, an epoch at a time; all randomness of an epoch follows from seed, phase and epoch.

    Several processes (see ``quiesce.sw.train.parallel``) each take every n-th image of a batch: gradients are those of the batch,
    up to rounding, but batches are normalised in parts.

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
    before : int
        Epochs of the phases before, which the method's epochs count as well.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, phase: Phase, stream: int, method: Method, before: int) -> None:
        self.module, self.recipe, self.phase, self.stream, self.method = module, recipe, phase, stream, method
        self.before, self.device = before, _device_of(module)
        self.shape = MODELS[recipe.model].shape
        self.epoch = self.trained = 0
        self._remembered: dict[str, dict[str, Tensors]] = {}
        self._forward = shared(module)
        self.optimiser = torch.optim.AdamW(module.parameters(), lr=phase.rate, weight_decay=phase.decay, fused=True)

    def images_of_epoch(self, n_images: int) -> int:
        """How many of so many images an epoch takes."""
        return min(self.phase.draw or n_images, n_images)

    def run_epoch(
        self, images: torch.Tensor, labels: torch.Tensor, firsts: torch.Tensor, progress: Callable[[int], None]
    ) -> float:
        """Train on each image once, or on those drawn for the epoch, an incomplete last batch left out.

        Parameters
        ----------
        images, labels : Tensor
            (N, C, H, W) float, parts of which the network is to see, and (N,) int64.
        firsts : Tensor of int64
            Where clips of ``recipe.data.frames`` images begin; they may overlap. Of single images, where these are.
        progress : callable
            Called with the number of images after each step.

        Returns
        -------
        float
            Mean loss, the method's term included.
        """
        batch, frames = self.recipe.batch, self.recipe.data.frames
        generator = torch.Generator().manual_seed((self.recipe.seed * 2 + self.stream) * 1000 + self.epoch)
        order = firsts[torch.randperm(len(firsts), generator=generator)]
        n_clips = batch // frames
        n_steps = min(self.images_of_epoch(len(images)) // batch, len(order) // n_clips)
        total = torch.zeros((), dtype=torch.float64, device=self.device)  # read once: a step does not wait for the device
        self.module.train()
        for step in range(n_steps):
            clips = order[step * n_clips : (step + 1) * n_clips, None] + torch.arange(frames)
            inputs = self._augment(images[clips.flatten()], generator)
            self._set_rate(self.epoch + step / n_steps)
            mine = slice(rank(), None, n_processes())
            part = (
                inputs.reshape(*clips.shape, *inputs.shape[1:])[mine].flatten(0, 1).contiguous(memory_format=torch.channels_last)
            )
            classes = labels[clips[mine].flatten()]
            total += self.step(part.to(self.device), classes.to(self.device), self.before + self.epoch + step / n_steps)
            progress(batch)
        self.epoch += 1
        self.trained += 1
        share_buffers(self.module)
        return mean(total.item() / max(1, n_steps))

    def step(self, inputs: torch.Tensor, labels: torch.Tensor, epochs: float) -> torch.Tensor:
        """Train on one batch of this process after so many epochs of all phases; returns its loss, the method's term included."""
        self.optimiser.zero_grad()
        loss = self._loss(inputs, labels, epochs)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach()

    def _augment(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        data, shape = self.recipe.data, self.shape[:2]
        if data.rotate or data.shift or data.zoom:
            images = random_affine(
                images, rotate=data.rotate, shift=data.shift, zoom=data.zoom, frames=data.frames, generator=generator
            )
        if data.pad or data.flip or images.shape[2:] != shape:
            images = random_crop(images, shape=shape, pad=data.pad, flip=data.flip, frames=data.frames, generator=generator)
        return images

    def _loss(self, inputs: torch.Tensor, labels: torch.Tensor, epochs: float) -> torch.Tensor:
        self.method.begin_step(epochs)
        loss = cross_entropy(self._logits(inputs), labels)
        term = self.method.loss()
        return loss if term is None else loss + term

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bfloat16 and self.stream == 0):
            logits: torch.Tensor = self._forward(inputs)
        return logits.float()

    def _set_rate(self, epochs: float) -> None:
        start = max((restart for restart in self.phase.restarts if restart <= epochs), default=0)
        end = min((restart for restart in self.phase.restarts if restart > epochs), default=self.phase.epochs)
        done = (epochs - start) / (end - start)
        growth = min(1.0, epochs / self.phase.warmup) if self.phase.warmup else 1.0
        for group in self.optimiser.param_groups:
            group["lr"] = self.phase.rate * growth * (1 + cos(pi * done)) / 2

    def follow(self, verdict: Verdict) -> None:
        """Do what the method asks for after an epoch, or before the first."""
        for request in (Verdict.KEEP, Verdict.MARK):
            if request in verdict:
                self._remembered[_SLOTS[request]] = _cloned(self._current())
        for request, source in ((Verdict.ROLL_BACK, Verdict.KEEP), (Verdict.RESTART, Verdict.MARK)):
            if request in verdict and _SLOTS[source] in self._remembered:
                self._return_to(_SLOTS[source])
        if Verdict.STOP in verdict:
            self.epoch = self.phase.epochs

    def finish(self) -> None:
        """End the phase: return to the weights that the method had kept, if it had any."""
        if _SLOTS[Verdict.KEEP] in self._remembered:
            self._return_to(_SLOTS[Verdict.KEEP])

    def _current(self) -> dict[str, Tensors]:
        return {"module": dict(self.module.state_dict()), "optimiser": optimiser_state(self.optimiser)}

    def _return_to(self, slot: str) -> None:
        self._load(_cloned(self._remembered[slot]))

    def _load(self, state: dict[str, Tensors]) -> None:
        self.module.load_state_dict(state["module"])
        restore_optimiser(self.optimiser, state.get("optimiser", {}))

    def state(self) -> dict[str, Tensors]:
        """Tensors to continue from, together with ``epoch``."""
        groups = self._current() | {"method": self.method.state_dict(), "trainer": {"trained": torch.tensor(self.trained)}}
        for slot, held in self._remembered.items():
            groups |= {f"{slot}_{group}": tensors for group, tensors in held.items()}
        return groups

    def restore(self, epoch: int, state: dict[str, Tensors]) -> None:
        """Continue after so many epochs with what ``state`` returned then."""
        self._load(state)
        self.method.load_state_dict(state.get("method", {}))
        self.epoch, self.trained = epoch, int(state["trainer"]["trained"])
        for slot in _SLOTS.values():
            held = {group: state[f"{slot}_{group}"] for group in ("module", "optimiser") if f"{slot}_{group}" in state}
            if held:
                self._remembered[slot] = held


def _cloned(groups: dict[str, Tensors]) -> dict[str, Tensors]:
    return {group: {name: tensor.clone() for name, tensor in tensors.items()} for group, tensors in groups.items()}
