"""What a training method is: the one vocabulary that all of them share."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Flag, auto
from functools import reduce
from operator import or_
from typing import ClassVar

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from quiesce.sw.format.network import Network
from quiesce.sw.sparsity.errors import MethodError

__all__ = ["Combined", "Method", "Metrics", "Verdict", "combine"]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What a training loop knows at the end of an epoch.

    Parameters
    ----------
    epoch : int
        Finished epochs of all phases; 0 before the first.
    loss : float
        Mean loss of the epoch, terms of methods included; 0 before the first epoch of a phase.
    quality : float
        Validation metric, larger is better: the accuracy, 0..1, for classification.
    work : float
        Multiply-accumulate operations that nonzero activations cause per validation sample, dense weights assumed::

            work = sum_l fan_out_l nonzero_l

    events : float
        Nonzero layer inputs per validation sample.
    """

    epoch: int
    loss: float
    quality: float
    work: float
    events: float


class Verdict(Flag):
    """What a method asks of the training loop at the end of an epoch. KEEP and MARK come before a return to other weights."""

    NONE = 0
    """Nothing."""
    KEEP = auto()
    """Remember weights and optimiser as the best so far; the remembered weights are those that training ends with."""
    ROLL_BACK = auto()
    """Return to what KEEP remembered last; nothing happens if nothing was."""
    MARK = auto()
    """Remember weights and optimiser for RESTART."""
    RESTART = auto()
    """Return to what MARK remembered last; nothing happens if nothing was."""
    STOP = auto()
    """Train no more epochs."""


class Method:
    """One way to make a network sparse while it is trained. It does nothing by itself: subclasses override what they need.

    A training loop calls, in this order::

        method.attach(module)
        verdict = method.begin(metrics)           # of the module as it is attached
        for each epoch:
            for each step:
                method.begin_step(epochs)
                loss = task_loss(module(inputs)) + (method.loss() or 0)
                # backward, optimiser step
            verdict = method.epoch_end(metrics)   # after validation
        method.detach()

    Contract of a subclass:

    - Forward hooks are registered in ``_attach`` with ``_hold``, parametrisations in ``_attach`` and removed in ``_detach``;
      nowhere else. No two methods parametrise the same tensor. Names of layers are those of ``quiesce.sw.sparsity.sites``.
    - After ``detach`` the module is plain: what inference needs (zero weights, thresholds) stays in its parameters, buffers and
      modules of its own, nothing else does. A method may be attached again, to the same module or to another one, such as the
      integer module made from the first: it then continues with the state that it has.
    - Evaluation (``module.eval()``) yields what the method's network will yield at inference. Terms of the loss are collected in
      training mode only.
    - Randomness comes from a ``torch.Generator`` seeded by the step, never from the global state.
    - ``state_dict`` holds all that decides about later epochs and is not in the module's state, by default the numbers that
      ``STATE`` names; with both restored after ``attach``, training continues bit for bit.

    Methods combine with ``combine``.
    """

    STATE: ClassVar[tuple[str, ...]] = ()
    """Attributes that are numbers, kept exactly by ``state_dict``."""

    def __init__(self) -> None:
        self._module: nn.Module | None = None
        self._handles: list[RemovableHandle] = []

    @property
    def counts_changes(self) -> bool:
        """Whether the network is to compute changes from frame to frame, so that these are what events and work mean."""
        return False

    @property
    def module(self) -> nn.Module:
        """The module attached to.

        Raises
        ------
        MethodError
            There is none.
        """
        if self._module is None:
            raise MethodError(f"{type(self).__name__} is not attached")
        return self._module

    def attach(self, module: nn.Module) -> None:
        """Begin to act on a module.

        Raises
        ------
        MethodError
            Attached already, or the module lacks what the method needs; the module is then as it was.
        """
        if self._module is not None:
            raise MethodError(f"{type(self).__name__} is attached already")
        self._module = module
        try:
            self._attach(module)
        except BaseException:
            self.detach()
            raise

    def detach(self) -> None:
        """Stop acting and leave a plain module; nothing happens if not attached."""
        if self._module is None:
            return
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        module, self._module = self._module, None
        self._detach(module)

    @contextmanager
    def attached(self, module: nn.Module) -> Iterator[None]:
        """``attach``, and ``detach`` at the end of the context, whatever happens."""
        self.attach(module)
        try:
            yield
        finally:
            self.detach()

    def _hold(self, handle: RemovableHandle) -> None:
        """Have a hook removed by ``detach``."""
        self._handles.append(handle)

    def _attach(self, module: nn.Module) -> None:
        """Register hooks and parametrisations."""

    def _detach(self, module: nn.Module) -> None:
        """Undo what ``_attach`` did, hooks apart; also if that ended halfway."""

    def begin(self, metrics: Metrics) -> Verdict:
        """Take note of the network as it is before the first epoch of a phase; not called when an interrupted phase resumes."""
        return Verdict.NONE

    def begin_step(self, epochs: float) -> None:
        """A training step begins after this many epochs of all phases, fractions included."""

    def loss(self) -> torch.Tensor | None:
        """Term to add to the loss for the forward passes since ``begin_step``: a scalar, or None."""
        return None

    def epoch_end(self, metrics: Metrics) -> Verdict:
        """React to a finished epoch."""
        return Verdict.NONE

    def complete(self, network: Network) -> Network:
        """The trained network with what its file has besides the integers of the module."""
        return network

    def state_dict(self) -> dict[str, torch.Tensor]:
        """State by name, as tensors of any shape and type, apart from what the module's own state holds."""
        return {name: torch.tensor(float(getattr(self, name)), dtype=torch.float64) for name in self.STATE}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from what ``state_dict`` returned.

        Raises
        ------
        MethodError
            The state is not of such a method.
        """
        if unknown := sorted(state.keys() - set(self.STATE)):
            raise MethodError(f"{type(self).__name__} has no state {unknown[0]!r}")
        if missing := sorted(set(self.STATE) - state.keys()):
            raise MethodError(f"{type(self).__name__}: state {missing[0]!r} is missing")
        for name in self.STATE:
            setattr(self, name, state[name].item())

    def scalars(self) -> dict[str, float]:
        """Figures to log each epoch, by name: coefficients, sparsities, thresholds."""
        return {}

    def describe(self) -> str:
        """What the method does with these parameters: one sentence with its full stop, for model cards."""
        return ""


class Combined(Method):
    """Several methods as one: terms add up, and each reacts.

    Verdicts are joined; the weights are not kept if any method asks to roll back.

    Parameters
    ----------
    methods : sequence of Method
        Attached in this order and detached in the opposite one.
    """

    def __init__(self, *methods: Method) -> None:
        super().__init__()
        self.methods = methods

    def _attach(self, module: nn.Module) -> None:
        for method in self.methods:
            method.attach(module)

    def _detach(self, module: nn.Module) -> None:
        for method in reversed(self.methods):
            method.detach()

    @property
    def counts_changes(self) -> bool:
        return any(method.counts_changes for method in self.methods)

    def begin(self, metrics: Metrics) -> Verdict:
        return self._join(method.begin(metrics) for method in self.methods)

    def begin_step(self, epochs: float) -> None:
        for method in self.methods:
            method.begin_step(epochs)

    def loss(self) -> torch.Tensor | None:
        terms = [term for method in self.methods if (term := method.loss()) is not None]
        return torch.stack(terms).sum() if len(terms) > 1 else terms[0] if terms else None

    def epoch_end(self, metrics: Metrics) -> Verdict:
        return self._join(method.epoch_end(metrics) for method in self.methods)

    @staticmethod
    def _join(verdicts: Iterable[Verdict]) -> Verdict:
        verdict = reduce(or_, verdicts, Verdict.NONE)
        return verdict & ~Verdict.KEEP if Verdict.ROLL_BACK in verdict else verdict

    def complete(self, network: Network) -> Network:
        for method in self.methods:
            network = method.complete(network)
        return network

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {f"{i}.{key}": value for i, method in enumerate(self.methods) for key, value in method.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        parts: list[dict[str, torch.Tensor]] = [{} for _ in self.methods]
        for key, tensor in state.items():
            index, _, name = key.partition(".")
            if not index.isdecimal() or int(index) >= len(parts):
                raise MethodError(f"state {key!r} belongs to none of {len(parts)} methods")
            parts[int(index)][name] = tensor
        for method, part in zip(self.methods, parts, strict=True):
            method.load_state_dict(part)

    def scalars(self) -> dict[str, float]:
        counted: dict[str, float] = {}
        for index, method in enumerate(self.methods):
            counted |= {f"{key}_{index}" if key in counted else key: value for key, value in method.scalars().items()}
        return counted

    def describe(self) -> str:
        return " ".join(text for method in self.methods if (text := method.describe()))


def combine(*methods: Method) -> Method:
    """The methods as one; a single one is returned as it is."""
    return methods[0] if len(methods) == 1 else Combined(*methods)
