"""Turn the traced graph of a torch module into a plan of quantisable layers."""

from collections import Counter
from typing import Any, NoReturn

import torch
from torch import fx, nn

from quiesce.sw.format.checks import check_name
from quiesce.sw.format.errors import GraphError
from quiesce.sw.format.network import INPUT
from quiesce.sw.format.ops import CONV
from quiesce.sw.quant import operations as ops
from quiesce.sw.quant.delta import DeltaActivation, without_steps
from quiesce.sw.quant.errors import CalibrationError, QuantizeError, UnsupportedOperationError
from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.quant.forms import Call, ChwShape, TorchForm, form_of_call
from quiesce.sw.quant.frozen import frozen_copy
from quiesce.sw.quant.graph import record_shapes, traced_graph
from quiesce.sw.quant.plan import FloatLayer, Plan
from quiesce.sw.quant.steps import fold_steps
from quiesce.sw.quant.verify import check_plan
from quiesce.sw.quant.winners import Feature, WinnerReLU

__all__ = ["trace"]


def trace(module: nn.Module, inputs: torch.Tensor) -> Plan:
    """The module's computation as a plan, batch normalisation and ReLU merged into the layers before them.

    Parameters
    ----------
    module : nn.Module
        Not modified; evaluated in evaluation mode.
    inputs : Tensor of float, shape (N, C, H, W) or (N, F)
        At least one example of what the module takes; not modified. The outputs of plan and module are compared for the first.

    Raises
    ------
    QuantizeError
        The module cannot be copied, or the plan does not compute what the module computes: what is wrong does not show in the
        trace of its Python code, see ``verify``.
    UnsupportedOperationError
        An operation without integer counterpart; the message names it, the module or node, and the source line.
    CalibrationError
        The inputs do not fit the module, or a weight or bias is not finite.
    """
    if not isinstance(module, nn.Module):
        raise QuantizeError(f"{type(module).__name__} is not a torch module")
    if not isinstance(inputs, torch.Tensor):
        raise CalibrationError(f"inputs are {type(inputs).__name__}, not a torch tensor")
    if inputs.ndim not in (2, 4) or not len(inputs) or not inputs.is_floating_point():
        raise CalibrationError(f"inputs of shape {tuple(inputs.shape)}, {inputs.dtype}: floats (N, C, H, W) or (N, F) needed")
    if not torch.isfinite(inputs.float()).all():
        raise CalibrationError("calibration inputs are not finite")
    with frozen_copy(module) as frozen:
        plan = _plan_of(frozen, inputs)
        for layer in plan.layers:
            if any(not torch.isfinite(real).all() for real in (layer.weight, layer.bias) if real is not None):
                raise CalibrationError(f"{layer.name}: a weight or bias is not finite")
        check_plan(plan, without_steps(frozen), inputs)
    fold_steps(plan)
    return plan


def _plan_of(module: nn.Module, inputs: torch.Tensor) -> Plan:
    graph_module = traced_graph(module)
    builder = _Builder(graph_module, (*inputs.shape[1:], 1, 1)[:3])
    for node in graph_module.graph.nodes:
        builder.check_known(node)
    record_shapes(graph_module, inputs[:2])
    for node in graph_module.graph.nodes:
        builder.add(node)
    return builder.plan


class _Builder:
    """Walks the graph once; ``value`` holds the layer whose output each node is."""

    def __init__(self, graph_module: fx.GraphModule, in_shape: tuple[int, ...]) -> None:
        self.modules = dict(graph_module.named_modules())
        self.plan = Plan(in_shape=(in_shape[0], in_shape[1], in_shape[2]))
        self.value: dict[fx.Node, str] = {}
        self.origin: dict[str, fx.Node] = {}
        """The node that computes each layer."""
        self.calls = Counter(node.target for node in graph_module.graph.nodes if node.op == "call_module")

    def check_known(self, node: fx.Node) -> None:
        """Refuse a node that no input could make supported."""
        if node.op not in ("placeholder", "output") and node.target not in ops.SHAPE_QUERIES and self._kind(node) is None:
            self._refuse(node, "no integer counterpart")

    def add(self, node: fx.Node) -> None:
        """Add what the node computes, its shape being known."""
        if node.op == "placeholder":
            if INPUT not in self.value.values():
                self.value[node] = INPUT
            elif node.users:
                self._refuse(node, "a second input")
        elif node.op == "output":
            if not isinstance(node.args[0], fx.Node) or self.value.get(node.args[0], INPUT) == INPUT:
                self._refuse(node, "an output that is not the result of one layer")
            self.plan.output = self.value[node.args[0]]
            used = {self.plan.output}
            for layer in reversed(self.plan.layers):
                used.update(layer.sources if layer.name in used else ())
            self.plan.layers = [layer for layer in self.plan.layers if layer.name in used]
        elif "shape" not in node.meta and node.target in ops.SHAPE_QUERIES:
            return
        else:
            self._operation(node)

    def _target(self, node: fx.Node) -> Any:
        """What a node calls: a type of modules, a function, or the name of a method."""
        return ops.module_kind(self.modules[str(node.target)]) if node.op == "call_module" else node.target

    def _kind(self, node: fx.Node) -> str | None:
        return ops.operation_of(self._target(node))

    def _operation(self, node: fx.Node) -> None:
        operation = self._kind(node)
        try:
            if form := form_of_call(self._target(node)):
                return self._layer(node, form)
            module = self.modules[str(node.target)] if node.op == "call_module" else None
            source = node.args[0] if node.args else node.kwargs.get("input")
            if operation is None or not isinstance(source, fx.Node) or source not in self.value:
                raise UnsupportedOperationError("no integer counterpart")
            if operation in ("subsample", "pad"):
                self._rearrange(node, source, operation)
            else:
                if operation == "batch_norm":
                    assert isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))
                    self._batch_norm(source, module)
                elif operation in ("relu", "relu6", "fat_relu", "winner_relu", "delta"):
                    threshold = float(module.threshold) if isinstance(module, FatReLU) else 0.0
                    self._relu(source, 6.0 if operation == "relu6" else None, threshold)
                    if isinstance(module, WinnerReLU):
                        self._winners(source, module)
                    if isinstance(module, DeltaActivation):
                        self._steps(source, module)
                elif operation == "flatten" and not self._is_flat(node):
                    raise UnsupportedOperationError("only (N, C, H, W) to (N, C H W) keeps its meaning")
                self.value[node] = self.value[source]
        except UnsupportedOperationError as error:
            self._refuse(node, str(error))

    def _layer(self, node: fx.Node, form: TorchForm) -> None:
        """A layer of an operator."""
        module = self.modules[str(node.target)] if node.op == "call_module" else None
        operation = form.calls[self._target(node)]
        operands = form.operands(node, operation)
        if any(operand not in self.value for operand in operands):
            raise UnsupportedOperationError(f"no integer counterpart{' unless all operands are maps' if form.op.joins else ''}")
        layer = FloatLayer(
            name=self._name(node), sources=tuple(self.value[operand] for operand in operands), op=form.op,
            in_shapes=tuple(self._shape(operand) for operand in operands), keeps_scale=form.op.maximum,
        )  # fmt: skip
        settings = self._settings(node, form.arguments.get(operation, ()), module)
        n_axes = tuple(len(operand.meta["shape"]) for operand in operands)
        form.trace(layer, Call(node=node, operation=operation, module=module, settings=settings, n_axes=n_axes))
        self._append(node, layer)

    def _append(self, node: fx.Node, layer: FloatLayer) -> None:
        self.plan.layers.append(layer)
        self.value[node], self.origin[layer.name] = layer.name, node

    def _rearrange(self, node: fx.Node, source: fx.Node, operation: str) -> None:
        """Every n-th row and column, or further channels of zeros: a convolution with a single 1 in each kernel."""
        if len(source.meta["shape"]) != 4:
            raise UnsupportedOperationError("only of (N, C, H, W)")
        shape, name = self._shape(source), self._name(node)
        sources: tuple[str, ...] = (self.value[source],)
        chans, stride, before, after = shape[0], (1, 1), 0, 0
        if operation == "subsample":
            stride = ops.spatial_step(self._known(node.args[1]))
        else:
            before, after = ops.channel_pad(self._settings(node, ops.PAD_ARGUMENTS, None))
            if self._kind(source) == "subsample" and self._readers(source) == 1:
                (merged,) = [layer for layer in self.plan.layers if layer.name == self.value[source]]
                self.plan.layers.remove(merged)  # the subsampling itself yields the further channels
                shape, stride, sources = merged.in_shape, merged.stride, merged.sources
        weight = torch.zeros(before + chans + after, chans, 1, 1)
        weight[before : before + chans, :, 0, 0] = torch.eye(chans)
        layer = FloatLayer(name=name, sources=sources, op=CONV, in_shapes=(shape,), stride=stride, keeps_scale=True)
        layer.weight, layer.bias = weight, torch.zeros(len(weight))
        self._append(node, layer)

    def _batch_norm(self, source: fx.Node, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        (layer,) = self._sole_producers(source, through_pools=False)
        layer.keeps_scale = False
        if layer.weight is None or layer.bias is None or layer.relu:
            raise UnsupportedOperationError("batch normalisation that does not directly follow a convolution or linear layer")
        if norm.running_mean is None or norm.running_var is None:
            raise UnsupportedOperationError("batch normalisation without running statistics")
        gain = (norm.running_var.double() + norm.eps).rsqrt()
        gain = gain if norm.weight is None else gain * norm.weight.detach().double()
        offset = 0.0 if norm.bias is None else norm.bias.detach().double()
        weight = layer.weight.double() * gain.reshape(-1, *(1,) * (layer.weight.ndim - 1))
        layer.weight, layer.bias = weight.float(), ((layer.bias.double() - norm.running_mean.double()) * gain + offset).float()

    def _relu(self, source: fx.Node, ceiling: float | None, threshold: float) -> None:
        # All these are monotone: they may move before any maximum pooling in between, where more zeros help.
        for layer in self._sole_producers(source, through_pools=True):
            if layer.winners and ceiling is not None:
                raise UnsupportedOperationError("a largest activation behind winners, which it would make equal")
            if layer.ceiling is not None and threshold > layer.ceiling:
                raise UnsupportedOperationError(f"threshold {threshold} above the largest activation {layer.ceiling}")
            layer.relu, layer.threshold = True, max(layer.threshold, threshold)
            layer.ceiling = min((c for c in (layer.ceiling, ceiling) if c is not None), default=None)

    def _winners(self, source: fx.Node, module: WinnerReLU) -> None:
        """Only the channels of the map itself compete, whatever pooling has done to the layers before it."""
        n_winners, shape = int(module.n_winners), source.meta["shape"]
        layer = next(layer for layer in self.plan.layers if layer.name == self.value[source])
        single = self._shape(source)[1:] == (1, 1)
        if not 0 < n_winners < layer.cout:
            return
        if len(shape) == 2 and not single:
            raise UnsupportedOperationError("winners among the neurons of a flattened map: only among its channels")
        if module.feature is not Feature.MAX and not single:
            raise UnsupportedOperationError(f"winners by the {module.feature.value} of a channel: only by its maximum")
        layer.winners = min(layer.winners or n_winners, n_winners)

    def _steps(self, source: fx.Node, module: DeltaActivation) -> None:
        """The map gets the scale of the steps; where it is the maximum of another one, so does that."""
        step = module.step.detach()
        if step.ndim == 3 or (step.ndim == 1 and len(step) != self._shape(source)[0]):
            raise UnsupportedOperationError("steps of single neurons: a map has one scale, so train steps per channel or layer")
        layer = self._sole_producers(source, through_pools=True)[-1]
        if layer.keeps_scale or layer.step is not None:
            raise UnsupportedOperationError("steps of a map that has the scale of another one")
        layer.step = step

    def _sole_producers(self, source: fx.Node, through_pools: bool) -> list[FloatLayer]:
        """The layer that ``source`` comes from, and what it pools; each must have no other reader than the next."""
        layers: list[FloatLayer] = []
        while self.value[source] != INPUT:
            layer = next(layer for layer in self.plan.layers if layer.name == self.value[source])
            node = source
            while self._readers(node) == 1 and node is not self.origin[layer.name]:
                node = node.all_input_nodes[0]
            if self._readers(node) != 1:
                break
            layers.append(layer)
            if not through_pools or not layer.op.maximum:
                return layers
            source = self.origin[layer.name].all_input_nodes[0]
        if not layers:
            raise UnsupportedOperationError("its input is no layer's output, or is also used elsewhere without it")
        return layers

    def _readers(self, node: fx.Node) -> int:
        return sum("shape" in user.meta or user.op == "output" for user in node.users)

    def _shape(self, node: fx.Node) -> ChwShape:
        """Map shape (C, H, W) of the layer that the node is the output of, whether flattened or not."""
        name = self.value[node]
        if name == INPUT:
            return self.plan.in_shape
        shape = (*self.origin[name].meta["shape"][1:], 1, 1)
        return shape[0], shape[1], shape[2]

    def _is_flat(self, node: fx.Node) -> bool:
        shape = node.meta["shape"]
        before = node.all_input_nodes[0].meta["shape"]
        return shape in (before, (before[0], before[1:].numel()))

    def _settings(self, node: fx.Node, names: tuple[str, ...], module: nn.Module | None) -> dict[str, Any]:
        if module is not None:
            return {name: getattr(module, name) for name in names if hasattr(module, name)}
        return {name: self._known(arg) for name, arg in [*zip(names, node.args, strict=False), *node.kwargs.items()]}

    @staticmethod
    def _known(setting: Any) -> Any:
        """A setting with the nodes in it replaced by the values that they had."""
        return fx.node.map_arg(setting, lambda node: node.meta.get("value"))

    def _name(self, node: fx.Node) -> str:
        path = str(node.target)
        name = path if node.op == "call_module" and self.calls[node.target] == 1 else self._scoped(node)
        try:
            check_name(name, "layer")
        except GraphError:
            name = node.name[-64:]
        taken = {INPUT, *(layer.name for layer in self.plan.layers)}
        return name if name not in taken else f"{name[-60:]}_{len(taken)}"

    @staticmethod
    def _scoped(node: fx.Node) -> str:
        """The name of the operation behind the path of the module in which it stands."""
        scope = next(reversed(node.meta.get("nn_module_stack", {})), "") if node.op != "call_module" else ""
        return f"{scope}.{getattr(node.target, '__name__', node.target)}" if scope else node.name

    def _refuse(self, node: fx.Node, why: str) -> NoReturn:
        if node.op == "call_module":
            what = f"{type(self.modules[str(node.target)]).__name__} at module {node.target!r}"
        else:
            what = f"{getattr(node.target, '__name__', node.target)} at node {node.name!r}"
        raise UnsupportedOperationError(f"{what}{ops.location(node)}: {why}")
