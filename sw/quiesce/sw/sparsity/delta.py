"""Temporal sparsity: activations in learned steps, and a price on their changes from frame to frame."""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

import torch
from torch import nn

from quiesce.sw.format.network import Network
from quiesce.sw.quant.delta import DeltaActivation
from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.sparsity.activity import changes, clips_of
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.schedule import Schedule, ScheduledPenalty
from quiesce.sw.sparsity.sites import LayerInput, activation_layers, is_integer, needed, replaced_activations, tap, working_layers
from quiesce.sw.sparsity.stream import StreamHooks, sent_frames

__all__ = ["Delta", "DeltaMode", "StepPer"]


class StepPer(str, Enum):
    """What has a step of its own."""

    LAYER = "layer"
    CHANNEL = "channel"
    NEURON = "neuron"


class DeltaMode(str, Enum):
    """What a network computes with while a ``Delta`` is attached to it."""

    DENSE = "dense"
    """``y_t``: each frame for itself, in whole steps; the only mode to train in."""
    DELTA = "delta"
    """``y_t - y_{t-1}`` with ``y_{-1} = 0``; layers sum up what they get. The outputs are those of DENSE."""
    CHANGES = "delta without background"
    """The same with ``y_{-1} = y_0``: first frames are not sent, and the network sees nothing but what changes since."""


class Delta(ScheduledPenalty):
    """Replaces modules of ReLU by ``DeltaActivation`` and adds the changes of all layer inputs to the loss::

        rate sum_l fan_out_l mean |y_t - y_{t-1}|        t >= 1: first frames are in neither loss nor metric

    A batch consists of clips of ``frames`` frames each, one clip after the other. The modules stay when it is detached, and
    integer modules take their steps over as the scales of maps; on these the loss goes on. Evaluation counts changes in place
    of nonzeros (``Method.counts_changes``). Functional calls of ReLU cannot be replaced.

    Source: Yousefzadeh and Sifalakis, "Training for temporal sparsity in deep neural networks, application in video
    processing", arXiv 2107.07305, 2021. The mode without background is this project's reconstruction.

    Parameters
    ----------
    rate : float
        Coefficient of the loss, at least 0.
    frames : int
        Of a clip, at least 2.
    example : Tensor or None, shape (N, C, H, W)
        Typical inputs of the module, which set initial steps; not needed for integer modules.
    per : str
        What has a step of its own: "layer", "channel" or "neuron" (which no integer network has).
    levels : float
        Initial steps between 0 and the largest activation on ``example``, above 0.
    input_threshold : int
        Delta threshold of the network's input: changes of at most so many steps of it are held back by the host.
    input_scale : float
        Real value of one step of the input.
    schedule : Schedule, optional
        When the loss acts; by default always.
    layers : sequence of str or None
        Activations to replace; by default all.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, no module of ReLU, one that stands in several places of different channels, or
        no example where one is needed.
    """

    kind = "delta"

    def __init__(
        self,
        rate: float,
        *,
        frames: int,
        example: torch.Tensor | None = None,
        per: str = "channel",
        levels: float = 16.0,
        input_threshold: int = 0,
        input_scale: float = 1.0,
        schedule: Schedule | None = None,
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__(rate, schedule)
        if frames < 2 or not levels > 0 or not 0 <= input_threshold <= 254 or not input_scale > 0:
            raise MethodError("frames >= 2, levels > 0, input_threshold in 0..254 and input_scale > 0 are needed")
        try:
            self.per = StepPer(per)
        except ValueError:
            raise MethodError(f"per: {per!r} is not one of {', '.join(each.value for each in StepPer)}") from None
        self.frames, self.example, self.levels, self.layers = frames, example, levels, layers
        self.input_threshold, self.input_scale = input_threshold, input_scale
        self._sites: dict[str, DeltaActivation] = {}
        self._terms: list[torch.Tensor] = []
        self._stream: StreamHooks | None = None
        self._sent: torch.Tensor | None = None
        self._mode = DeltaMode.DENSE

    @property
    def counts_changes(self) -> bool:
        return True

    @property
    def steps(self) -> dict[str, torch.Tensor]:
        """The learned steps by name of the activation."""
        return {name: layer.step.detach() for name, layer in self._sites.items()}

    @property
    def mode(self) -> DeltaMode:
        """What the module computes with; set it while attached. Any setting forgets the streams.

        Raises
        ------
        MethodError
            Changes, on an integer module (whose streams ``quiesce.sw.reference`` defines).
        """
        return self._mode

    @mode.setter
    def mode(self, mode: DeltaMode) -> None:
        if self._stream is None:
            if mode is not DeltaMode.DENSE:
                raise MethodError("changes: only of a module of real numbers that the method is attached to")
            return
        self._mode = mode
        self._stream.active, self._stream.background = mode is not DeltaMode.DENSE, mode is DeltaMode.CHANGES
        self.reset()

    def reset(self) -> None:
        """Begin new streams: the next frames are first ones. Not needed in DENSE, where each batch has whole clips."""
        self._sent = None
        if self._stream is not None:
            self._stream.reset()

    def _attach(self, module: nn.Module) -> None:
        if not is_integer(module):
            self._sites = self._replace(module)
        self._hold(module.register_forward_pre_hook(self._receive))
        if not is_integer(module):
            self._stream = StreamHooks(module, self._hold)
        for name, layer in needed(working_layers(module), "layers").items():
            self._hold(tap(name, layer, self._take))

    def _detach(self, module: nn.Module) -> None:
        self._sites, self._terms, self._stream, self._sent, self._mode = {}, [], None, None, DeltaMode.DENSE

    def _replace(self, module: nn.Module) -> dict[str, DeltaActivation]:
        fresh = [layer for layer in activation_layers(module, self.layers).values() if not isinstance(layer, DeltaActivation)]
        if given := [layer for layer in fresh if isinstance(layer, FatReLU)]:
            raise MethodError(f"{type(given[0]).__name__} cannot have steps")
        if fresh and self.example is None:
            raise MethodError("an example of the module's inputs is needed, to set the initial steps")
        peaks = largest_activations(module, fresh, self.example) if self.example is not None and fresh else {}
        if unused := [layer for layer in fresh if isinstance(layer, nn.ReLU) and layer not in peaks]:
            raise MethodError(f"{unused[0]}: the module does not call it for the example, so that its steps are unknown")

        def made(layer: nn.Module) -> DeltaActivation:
            return DeltaActivation(self._initial(peaks[layer]))

        sites = replaced_activations(module, self.layers, DeltaActivation, made, "steps")
        return needed(sites, "modules of ReLU")

    def _initial(self, peaks: list[torch.Tensor]) -> torch.Tensor:
        """Steps from the largest activations of each neuron, in each place where they are computed."""
        if self.per is StepPer.LAYER:
            found = torch.stack([peak.max() for peak in peaks]).max()
        else:
            shaped = [peak.flatten(1).amax(dim=1) if self.per is StepPer.CHANNEL and peak.ndim > 1 else peak for peak in peaks]
            if len({peak.shape for peak in shaped}) > 1:
                raise MethodError(
                    "a ReLU is called with maps of different shapes: give each place one of its own, or per = 'layer'"
                )
            found = torch.stack(shaped).amax(dim=0)
        # Silent ones get the steps of the loudest.
        silent = found <= 0
        found = torch.where(silent, found.max() if bool((~silent).any()) else torch.ones(()), found)
        return found / self.levels

    def _receive(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        """Frames as the host sends them."""
        if len(args[0]) % self.frames:
            raise MethodError(f"a batch of {len(args[0])} is no whole number of clips of {self.frames} frames")
        if self._stream is not None:
            self._stream.frames = self.frames
        if not self.input_threshold:
            return None
        clips = clips_of(args[0], self.frames)
        sent = sent_frames(clips, self.input_scale, self.input_threshold, self._sent)
        if self._mode is not DeltaMode.DENSE:
            self._sent = sent[:, -1]
        return sent.flatten(0, 1), *args[1:]

    def _take(self, one: LayerInput) -> None:
        if self.factor and self.module.training and torch.is_grad_enabled() and one.steps.requires_grad:
            # Steps of integers times their scale: only the mean is in real units.
            self._terms.append(one.fan_out * one.scale * changes(one.steps, self.frames).abs().mean())

    def begin_step(self, epochs: float) -> None:
        super().begin_step(epochs)
        self._terms = []

    def loss(self) -> torch.Tensor | None:
        terms, self._terms = self._terms, []
        return self.factor * torch.stack(terms).sum() if terms else None

    def complete(self, network: Network) -> Network:
        """The network with the delta threshold of its input; maps in steps have one of 0 already."""
        return replace(network, input=replace(network.input, delta_threshold=self.input_threshold))

    def scalars(self) -> dict[str, float]:
        means = {f"step_{name}": float(step.mean()) for name, step in self.steps.items()}
        return {"delta_rate": self.factor} | means

    def describe(self) -> str:
        held = f" Changes of the input by up to {self.input_threshold} steps are held back." if self.input_threshold else ""
        return (
            f"Activations are whole steps, learned per {self.per.value} from 1/{self.levels:g} of the largest activation on, and "
            f"{self.coefficient:g} x the fan-out-weighted mean change from frame to frame joins the loss"
            f"{self.schedule.describe()}.{held}"
        )


def largest_activations(
    module: nn.Module, layers: Sequence[nn.Module], example: torch.Tensor
) -> dict[nn.Module, list[torch.Tensor]]:
    """The largest output of each neuron of some layers on an example, for each of their calls in a pass of the module."""
    found: dict[nn.Module, list[torch.Tensor]] = {}

    def hook(layer: nn.Module, args: tuple[torch.Tensor, ...], acts: torch.Tensor) -> None:
        found.setdefault(layer, []).append(acts.amax(dim=0))

    handles = [layer.register_forward_hook(hook) for layer in dict.fromkeys(layers)]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            module(example)
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()
    return found
