"""Quantisation-aware training: a module that computes with the integers of the network it becomes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from quiesce.sw.format.checks import largest
from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.quant.calibrate import Calibration, activation_scales, input_range
from quiesce.sw.quant.errors import QuantizeError
from quiesce.sw.quant.integers import ACC_WIDTH, IntegerParameters, integer_parameters
from quiesce.sw.quant.plan import FloatLayer, Plan
from quiesce.sw.quant.precision import bias_corrections, check_weights
from quiesce.sw.quant.straight_through import requantize, round_half_up
from quiesce.sw.quant.trace import trace
from quiesce.sw.quant.widths import Widths
from quiesce.sw.quant.winners import winner_mask

__all__ = ["QatLayer", "QatModule", "prepare"]


class QatLayer(nn.Module):
    """One layer: integers in, integers out (both as floats), real weights as parameters.

    Parameters
    ----------
    plan : FloatLayer
        Geometry and initial weights.
    in_scales : sequence of float
        Real value of one step of each input.
    out_scale : float
        Real value of one step of the output.
    in_range : tuple of int
        Least and greatest integer of its first input.
    low, high, threshold, weight_bits, bits : int
        As in ``quiesce.sw.format.layer.Layer``.
    acc_width : int
        Bits of the accumulators that all sums fit.
    """

    def __init__(
        self,
        plan: FloatLayer,
        in_scales: Sequence[float],
        out_scale: float,
        *,
        in_range: tuple[int, int],
        low: int,
        high: int,
        threshold: int,
        weight_bits: int,
        bits: int,
        acc_width: int,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.weight = None if plan.weight is None else nn.Parameter(plan.weight)
        self.bias = None if plan.bias is None else nn.Parameter(plan.bias)
        self.in_scales, self.out_scale = tuple(in_scales), out_scale
        self.in_range, self.low, self.high, self.threshold = in_range, low, high, threshold
        self.weight_bits, self.bits, self.acc_width = weight_bits, bits, acc_width

    def correct_bias(self, correction: torch.Tensor) -> None:
        """Add a tensor (cout,) to the real bias of a layer with weights."""
        assert self.bias is not None
        self.bias.data += correction

    def integers(self) -> IntegerParameters:
        """The layer's integer parameters; without trained weights the bias is zero, and weights may be empty."""
        plan = self.plan
        if self.weight is not None and self.bias is not None:
            return integer_parameters(
                self.weight, self.bias, self.in_scales[0], self.out_scale, self.weight_bits, self.in_range, self.acc_width
            )  # fmt: skip
        return plan.form.parameters(plan, self.in_scales, self.out_scale)

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        """Integer outputs (N, cout, rows, cols) of integer inputs (N, cin, rows, cols).

        In evaluation mode sums are exact. In training mode they are float32, exact as well below 2^24, which accumulators of 24
        bits never leave, unless the convolution is computed by a transform.
        """
        integers = self.integers()
        dtype, device = torch.float32 if self.training else torch.float64, maps[0].device
        acc = self.plan.form.accumulate(self.plan, [acts.to(dtype) for acts in maps], integers.weight.to(device, dtype))
        bias = integers.bias if self.plan.op.weighted else None
        out = requantize(acc, integers.multiplier, integers.shift, self.low, self.high, self.threshold, bias).to(maps[0].dtype)
        return out * winner_mask(out.detach(), self.plan.winners) if self.plan.winners else out

    def to_layer(self) -> Layer:
        """The integers as a layer of a network; flattened weights move from (chan, row, col) to (row, col, chan) order."""
        plan, integers = self.plan, self.integers()
        weight = plan.form.integer_weight(plan, integers)
        weighted = plan.op.weighted
        return Layer(
            name=plan.name, op=plan.op, inputs=plan.sources,
            weight=None if weight is None else weight.numpy().astype(np.int8),
            bias=integers.bias.detach().numpy().astype(np.int32) if weighted else None,
            multiplier=integers.multiplier.numpy(), shift=integers.shift.numpy(),
            weight_scale=integers.weight_scale.numpy() if weighted else None, out_scale=self.out_scale,
            kernel=plan.kernel, stride=plan.stride, pad=plan.pad, dilation=plan.dilation, groups=plan.groups,
            low=self.low, high=self.high, threshold=self.threshold, bits=self.bits, winners=plan.winners,
            weight_bits=self.weight_bits if weighted else 8, delta_threshold=None if plan.step is None else 0,
        )  # fmt: skip


class QatModule(nn.Module):
    """A network whose forward pass is the integer arithmetic and whose weights are trained through it.

    Its state is that of a plain module: real weights and biases. Scales are fixed by calibration.

    Parameters
    ----------
    plan : Plan
        The traced network.
    scales : mapping of str to float
        Real value of one step of "input" and of each layer's output.
    input_range : tuple of int
        Least and greatest input integer.
    thresholds : mapping of str to int
        Smallest output kept, of layers with ReLU; for those not named it follows from their FATReLU.
    weight_bits, bits : mapping of str to int
        Bits of a weight of each layer, and of an activation of "input" and of each layer's output.
    acc_width : int
        Bits of the accumulators that all sums of weighted layers fit.

    Raises
    ------
    QuantizeError
        A threshold for a layer that does not exist.
    """

    def __init__(
        self,
        plan: Plan,
        scales: Mapping[str, float],
        input_range: tuple[int, int],
        thresholds: Mapping[str, int],
        weight_bits: Mapping[str, int],
        bits: Mapping[str, int],
        acc_width: int = ACC_WIDTH,
    ) -> None:
        super().__init__()
        self.in_shape, self.output, self.input_range = plan.in_shape, plan.output, input_range
        self.scales, self.input_bits = dict(scales), bits[INPUT]
        if unknown := sorted(set(thresholds) - {layer.name for layer in plan.layers}):
            raise QuantizeError(f"threshold for {unknown[0]!r}: there is no such layer")
        self.layers = nn.ModuleList()
        limits = {INPUT: input_range}
        for layer in plan.layers:
            most = largest(bits[layer.name])
            negative = not layer.relu and layer.form.negative([limits[source][0] for source in layer.sources])
            low, high = (-most if negative else 0), most
            if layer.op.maximum:
                high = limits[layer.sources[0]][1]
            if layer.ceiling is not None:
                high = min(high, int(layer.ceiling / scales[layer.name] + 0.5))
            limits[layer.name] = low, high
            threshold = thresholds.get(layer.name, min(most, int(layer.threshold / scales[layer.name] + 0.5)))
            in_scales = [scales[source] for source in layer.sources]
            step = QatLayer(
                layer, in_scales, scales[layer.name], in_range=limits[layer.sources[0]], low=low, high=high, threshold=threshold,
                weight_bits=weight_bits[layer.name], bits=bits[layer.name], acc_width=acc_width,
            )  # fmt: skip
            self.layers.append(step)

    def steps(self) -> Iterator[QatLayer]:
        """The layers in the order of their computation."""
        for layer in self.layers:
            assert isinstance(layer, QatLayer)
            yield layer

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Real outputs, integers times the output's scale, of real inputs (N, C, H, W) or (N, F), in float32 at least.

        Returns
        -------
        Tensor of float
            (N, F) where the output map is 1 x 1, else (N, C, H, W).
        """
        low, high = self.input_range
        real = inputs.to(torch.promote_types(inputs.dtype, torch.float32)).reshape(-1, *self.in_shape)
        acts = round_half_up(real / self.scales[INPUT]).clamp(low, high)
        maps = {INPUT: acts}
        readers = Counter(source for layer in self.steps() for source in layer.plan.sources) + Counter([self.output])
        for layer in self.steps():
            maps[layer.plan.name] = layer(*(maps[source] for source in layer.plan.sources))
            for source in layer.plan.sources:
                readers[source] -= 1
                if not readers[source]:
                    del maps[source]
        out = maps[self.output] * self.scales[self.output]
        return out.flatten(1) if out.shape[2:] == (1, 1) else out

    def to_network(self, name: str, metadata: Mapping[str, str] | None = None) -> Network:
        """The network of exactly the integers that the forward pass uses."""
        chans, height, width = self.in_shape
        (low, high), scale = self.input_range, self.scales[INPUT]
        spec = MapSpec(height=height, width=width, chans=chans, scale=scale, low=low, high=high, bits=self.input_bits)
        layers = tuple(layer.to_layer() for layer in self.steps())
        return Network(name=name, input=spec, layers=layers, output=self.output, metadata=dict(metadata or {}))


def prepare(
    module: nn.Module,
    calibration_inputs: torch.Tensor,
    *,
    input_scale: float | None = None,
    calibration: Calibration | None = None,
    thresholds: Mapping[str, int] | None = None,
    widths: Widths | None = None,
    acc_width: int = ACC_WIDTH,
) -> QatModule:
    """Trace and calibrate a module for quantisation-aware training; parameters as in ``quiesce.sw.quant.quantize``."""
    if not 16 <= acc_width <= 32:
        raise QuantizeError(f"acc_width {acc_width!r} is not in 16..32")
    plan = trace(module, calibration_inputs)
    maps = calibration_inputs.detach().float().reshape(-1, *plan.in_shape)
    widths = widths or Widths()
    widths.check_names(layer.name for layer in plan.layers)
    bits = {INPUT: widths.of_activations(INPUT, plan.output)}
    for layer in plan.layers:
        bits[layer.name] = bits[layer.sources[0]] if layer.keeps_scale else widths.of_activations(layer.name, plan.output)
    weight_bits = {layer.name: widths.of_weights(layer.name) for layer in plan.layers}
    scales = activation_scales(plan, maps, calibration, input_scale, bits)
    qat = QatModule(plan, scales, input_range(maps, bits[INPUT]), thresholds or {}, weight_bits, bits, acc_width)
    weighted = {step.plan.name: step for step in qat.steps() if step.plan.op.weighted}
    integers = {name: step.integers() for name, step in weighted.items()}
    for name, step in weighted.items():
        check_weights(step.plan, integers[name], acc_width)
    for name, correction in bias_corrections(plan, maps, integers).items():
        weighted[name].correct_bias(correction)
    return qat
