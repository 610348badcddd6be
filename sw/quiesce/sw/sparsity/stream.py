"""Running a module of torch on changes from frame to frame: what its layers receive, and what they make of it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from quiesce.sw.quant.forms import form_of_module
from quiesce.sw.sparsity.activity import clips_of
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.sites import activation_layers

__all__ = ["StreamHooks", "sent_frames"]

_ROUNDING = 2.0**-20
"""Of the largest activation of a map."""

Hold = Callable[[RemovableHandle], None]


def sent_frames(frames: torch.Tensor, scale: float, threshold: int, before: torch.Tensor | None = None) -> torch.Tensor:
    """What a host has sent of clips once it holds small changes back, as ``quiesce.sw.stream.DeltaInput``.

    Parameters
    ----------
    frames : Tensor, shape (N, frames, ...)
        Clips; values are multiples of ``scale``.
    scale : float
        Real value of one step.
    threshold : int
        Changes of at most so many steps are held back.
    before : Tensor or None, shape (N, ...)
        What had been sent before; by default all of the first frame is sent.
    """
    if not threshold:
        return frames
    sent, least = [], (threshold + 0.5) * scale
    for now in frames.unbind(dim=1):
        before = now if before is None else torch.where((now - before).abs() > least, now, before)
        sent.append(before)
    return torch.stack(sent, dim=1)


@dataclass
class _Kept:
    """State of one call of a layer in each forward pass: sums of the changes received, and outputs of the last frame."""

    sums: torch.Tensor | None = None
    last: torch.Tensor | None = None


class StreamHooks:
    """Hooks with which a module computes on changes, while ``active``; without state they do nothing.

    The module gets one more item, of zeros: layers between two nonlinear ones are affine, and what they make of zeros is what has
    to be added once, not in every frame::

        s_t = sum_{u <= t} (A(d_u) - A(0)) + A(0)        y_t = f(s_t)        d_t = y_t - y_{t-1}

    Sums are float64, and nonlinear layers are modules of ReLU of any kind and maximum pools.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode while it runs on changes.
    hold : callable
        Takes the handles of the hooks.
    """

    def __init__(self, module: nn.Module, hold: Hold) -> None:
        self.active = self.background = False
        self.frames = 1
        self._kept: dict[tuple[str, int], _Kept] = {}
        self._calls: dict[str, int] = {}
        hold(module.register_forward_pre_hook(self._enter))
        for name, layer in _nonlinear(module).items():
            hold(layer.register_forward_pre_hook(self._sum(name)))
            hold(layer.register_forward_hook(self._difference(name)))
        hold(module.register_forward_hook(self._leave))

    def reset(self) -> None:
        """Forget all state: the next frames are first ones."""
        self._kept.clear()

    def _of(self, name: str, shape: torch.Size) -> _Kept:
        """State of the present call of a layer for so many streams."""
        kept = self._kept.setdefault((name, self._calls.get(name, 0)), _Kept())
        known = kept.sums if kept.last is None else kept.last
        if known is not None and known.shape != shape:
            raise MethodError(f"{name}: maps {tuple(shape)} after maps {tuple(known.shape)}: reset the streams first")
        return kept

    def _enter(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        if not self.active:
            return None
        if module.training:
            raise MethodError("training on changes: only frames by themselves are trained on")
        self._calls.clear()
        return self._changed("input", clips_of(args[0], self.frames)), *args[1:]

    def _changed(self, name: str, frames: torch.Tensor) -> torch.Tensor:
        """Changes of frames (N, frames, ...), followed by an item of zeros."""
        kept = self._of(name, frames[:, 0].shape)
        first = frames[:, 0] if self.background else torch.zeros_like(frames[:, 0])
        before = first if kept.last is None else kept.last
        kept.last = frames[:, -1]
        found = torch.diff(frames, dim=1, prepend=before[:, None]).flatten(0, 1)
        # Of outputs of maximum pools, which are no whole steps, what is left of equal ones is the rounding of sums.
        found = torch.where(found.abs() > _ROUNDING * frames.abs().max(), found, 0.0)
        return torch.cat([found, torch.zeros_like(found[:1])])

    def _summed(self, name: str, received: torch.Tensor) -> torch.Tensor:
        """Sums (N, frames, ...) of changes received, the last item being that of zeros."""
        once = received[-1:].double()
        sums = clips_of(received[:-1].double() - once, self.frames).cumsum(dim=1)
        kept = self._of(name, sums[:, 0].shape)
        sums = sums if kept.sums is None else sums + kept.sums[:, None]
        kept.sums = sums[:, -1]
        total: torch.Tensor = sums + once[:, None]
        return total.to(received.dtype)

    def _sum(self, name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], torch.Tensor | None]:
        def hook(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> torch.Tensor | None:
            return self._summed(f"{name}:in", args[0]).flatten(0, 1) if self.active else None

        return hook

    def _difference(self, name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor | None]:
        def hook(layer: nn.Module, args: tuple[torch.Tensor, ...], acts: torch.Tensor) -> torch.Tensor | None:
            if not self.active:
                return None
            found = self._changed(f"{name}:out", clips_of(acts, self.frames))
            for part in (f"{name}:in", f"{name}:out"):
                self._calls[part] = self._calls.get(part, 0) + 1
            return found

        return hook

    def _leave(self, module: nn.Module, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor | None:
        return self._summed("output", out).flatten(0, 1) if self.active else None


def _nonlinear(module: nn.Module) -> dict[str, nn.Module]:
    """Activations and maximum pools, each once."""
    found = {name: layer for name, layer in module.named_modules() if (form := form_of_module(layer)) and form.op.maximum}
    names = {layer: name for name, layer in (activation_layers(module) | found).items()}
    return {name: layer for layer, name in names.items()}
