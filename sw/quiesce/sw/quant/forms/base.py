"""What the torch form of an operator is: everything that tracing, training and calibration ask about it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.ops import Operator
from quiesce.sw.quant.errors import UnsupportedOperationError
from quiesce.sw.quant.integers import IntegerParameters

if TYPE_CHECKING:
    from quiesce.sw.quant.plan import FloatLayer

__all__ = ["Call", "ChwShape", "Geometry", "TorchForm"]

ChwShape = tuple[int, int, int]
"""Channels, rows and columns of a map."""


class Geometry(Protocol):
    """The window of a layer, whether real (``FloatLayer``) or of integers (``Layer``)."""

    @property
    def kernel(self) -> tuple[int, int]: ...
    @property
    def stride(self) -> tuple[int, int]: ...
    @property
    def dilation(self) -> tuple[int, int]: ...
    @property
    def pad(self) -> tuple[int, int, int, int]: ...
    @property
    def groups(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Call:
    """One use of an operator in a traced graph.

    Members
    -------
    node : of the graph
    operation : which of the form's ``calls`` it is
    module : that computes it; None if a function or a method does
    settings : arguments or attributes of the names in ``TorchForm.arguments``
    n_axes : of each operand: 4 of maps (N, C, H, W), 2 if they are flattened
    """

    node: fx.Node
    operation: str
    module: nn.Module | None
    settings: dict[str, Any]
    n_axes: tuple[int, ...]


class TorchForm(ABC):
    """How torch computes an operator. Maps are (N, chans, rows, cols); ``weight`` is in the layout of torch.

    Members
    -------
    op : the operator
    calls : modules (types), functions and methods (names) that compute it, each with a name for how it does
    arguments : by such a name, the arguments of the function in their order, which are attributes of the module
    """

    op: ClassVar[Operator]
    calls: ClassVar[Mapping[Any, str]] = {}
    arguments: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    # Arithmetic.

    @abstractmethod
    def accumulate(self, layer: Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        """The sums (or maxima) of a layer without its bias, in the type of ``maps``, with this ``weight``.

        Equal to ``Operator.accumulate`` less the bias for integers in a type that represents the sums.
        """

    def forward(self, layer: "FloatLayer", maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Real outputs of real inputs, without bias and ReLU."""
        return self.accumulate(layer, maps, layer.weight)

    def count(self, layer: Geometry, masks: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        """Multiplications of each output with both operands nonzero, of ``masks`` of inputs and a mask of the weights."""
        return self.accumulate(layer, masks, weight)

    # From modules to layers.

    def operands(self, node: fx.Node, operation: str) -> list[fx.Node]:
        """The maps that a node reads; UnsupportedOperationError if it has another form."""
        source = node.args[0] if node.args else node.kwargs.get("input")
        if not isinstance(source, fx.Node):
            raise UnsupportedOperationError("no integer counterpart")
        return [source]

    @abstractmethod
    def trace(self, layer: "FloatLayer", call: Call) -> None:
        """Fill in the window and the weights of a layer from what was called.

        Raises
        ------
        UnsupportedOperationError
            It has settings that the operator has not.
        """

    def out_chans(self, layer: "FloatLayer") -> int:
        """Output channels."""
        return layer.in_shape[0]

    def fan_out(self, layer: "FloatLayer") -> float:
        """Multiply-accumulate operations that one event causes, borders neglected."""
        return 1.0

    def module_fan_out(self, module: nn.Module) -> float | None:
        """``fan_out`` of one of the modules of ``calls``, traced or not; None if that depends on the map."""
        return None

    # From layers to integers.

    def negative(self, lows: Sequence[int]) -> bool:
        """Outputs can be negative, for inputs of these least integers."""
        return min(lows) < 0

    def integer_weight(self, layer: "FloatLayer", integers: IntegerParameters) -> torch.Tensor | None:
        """The weights in the layout of ``Layer.weight``, if it has any."""
        return None

    def torch_weight(self, layer: Layer, weight: npt.NDArray[Any], shape: MapShape) -> torch.Tensor:
        """``weight`` of a layer of integers, or what corresponds to it, for an input of this shape, in the layout of torch."""
        return torch.from_numpy(np.array(weight))

    def parameters(self, layer: "FloatLayer", in_scales: Sequence[float], out_scale: float) -> IntegerParameters:
        """Integer parameters of a layer without trained weights, from the real value of one step of each input and the output.

        Raises
        ------
        ScaleError
            A rescale is not within 2^-48..65535.
        """
        raise NotImplementedError(f"{self.op!r} has neither trained weights nor parameters of its own")

    def check_scales(self, layer: "FloatLayer", acts: torch.Tensor, scales: Mapping[str, float], most: Mapping[str, int]) -> None:
        """Say, or refuse, what the integers of a layer lose that its calibration outputs show.

        Parameters
        ----------
        acts : Tensor, shape (N, C, H, W)
            Outputs for the calibration inputs.
        scales, most : mapping by name of the layer or "input"
            Real value of one step of each map, and its largest integer.

        Warns
        -----
        PrecisionWarning
            A map becomes much less precise than its bits promise.

        Raises
        ------
        QuantizeError
            The outputs cannot be told apart.
        """
        return  # most operators lose nothing
