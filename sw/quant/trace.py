"""Trace a torch module and turn its graph into a plan of quantisable layers."""

import copy
from collections import Counter
from typing import Any, NoReturn

import torch
from torch import fx, nn

from quiesce.sw.format.checks import check_name
from quiesce.sw.format.errors import GraphError
from quiesce.sw.format.layer import Kind
from quiesce.sw.format.network import INPUT
from quiesce.sw.quant import operations as ops
from quiesce.sw.quant.errors import CalibrationError, UnsupportedOperationError
from quiesce.sw.quant.plan import ChwShape, FloatLayer, Plan

__all__ = ["trace"]


def trace(module: nn.Module, inputs: torch.Tensor) -> Plan:
    """The module's computation as a plan, batch normalisation and ReLU merged into the layers before them.

    Parameters
    ----------
    module : nn.Module
        Not modified; evaluated in evaluation mode.
    inputs : Tensor of float, shape (N, C, H, W) or (N, F)
        At least one example of what the module takes.

    Raises
    ------
    UnsupportedOperationError
        An operation without integer counterpart; the message names it, the module or node, and the source line.
    CalibrationError
        The inputs do not fit the module.
    """
    if inputs.ndim not in (2, 4) or not len(inputs) or not inputs.is_floating_point():
        raise CalibrationError(f"inputs of shape {tuple(inputs.shape)}, {inputs.dtype}: floats (N, C, H, W) or (N, F) needed")
    frozen = copy.deepcopy(module).eval()
    tracer = fx.Tracer()
    tracer.record_stack_traces = True
    try:
        graph = tracer.trace(frozen)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise UnsupportedOperationError(f"{type(module).__name__}: its Python code depends on values ({error})") from error
    graph_module = fx.GraphModule(frozen, graph)
    builder = _Builder(graph_module, (*inputs.shape[1:], 1, 1)[:3])
    for node in graph.nodes:
        builder.check_known(node)
    recorder = _ShapeRecorder(graph_module)
    recorder.extra_traceback = False
    try:
        with torch.no_grad():
            recorder.run(inputs[:2])
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise CalibrationError(f"inputs of shape {tuple(inputs.shape)} do not fit the module: {error}") from error
    for node in graph.nodes:
        builder.add(node)
    return builder.plan


class _ShapeRecorder(fx.Interpreter):
    """Runs the graph and notes the shape of every tensor under "shape" in its node's ``meta``."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            n.meta["shape"] = result.shape
        return result


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
            used = {self.plan.output, *(layer.source for layer in self.plan.layers)}
            self.plan.layers = [layer for layer in self.plan.layers if layer.name in used]
        elif "shape" not in node.meta and node.target in ops.SHAPE_QUERIES:
            return
        else:
            self._operation(node)

    def _kind(self, node: fx.Node) -> str | None:
        if node.op == "call_module":
            return ops.MODULES.get(type(self.modules[str(node.target)]))
        return ops.FUNCTIONS.get(node.target) if callable(node.target) else ops.METHODS.get(node.target)

    def _operation(self, node: fx.Node) -> None:
        module = self.modules[str(node.target)] if node.op == "call_module" else None
        operation = self._kind(node)
        source = node.args[0] if node.args else node.kwargs.get("input")
        if operation is None or not isinstance(source, fx.Node) or source not in self.value:
            self._refuse(node, "no integer counterpart")
        try:
            if operation in ("conv", "linear", "max_pool", "avg_pool", "global_pool"):
                self._layer(node, source, operation, module)
            else:
                if operation == "batch_norm":
                    assert isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))
                    self._batch_norm(source, module)
                elif operation in ("relu", "relu6"):
                    self._relu(source, 6.0 if operation == "relu6" else None)
                elif operation == "flatten" and not self._is_flat(node):
                    raise UnsupportedOperationError("only (N, C, H, W) to (N, C H W) keeps its meaning")
                self.value[node] = self.value[source]
        except UnsupportedOperationError as error:
            self._refuse(node, str(error))

    def _layer(self, node: fx.Node, source: fx.Node, operation: str, module: nn.Module | None) -> None:
        shape = self._shape(source)
        layer = FloatLayer(name=self._name(node), source=self.value[source], kind=Kind.LINEAR, in_shape=shape)
        if isinstance(module, nn.Linear):
            if len(source.meta["shape"]) != 2:
                raise UnsupportedOperationError("a linear layer over a map that is not flattened")
            layer.weight, layer.bias = module.weight, module.bias
        elif isinstance(module, nn.Conv2d):
            layer.kind, layer.weight, layer.bias = Kind.CONV, module.weight, module.bias
            layer.kernel, layer.stride, layer.dilation = map(ops.pair, (module.kernel_size, module.stride, module.dilation))
            layer.pad, layer.groups = ops.conv_pad(module), module.groups
        else:
            layer.kind = Kind.MAXPOOL if operation == "max_pool" else Kind.AVGPOOL
            settings = self._pool_settings(node, operation, module)
            layer.kernel, layer.stride, (rows, cols), layer.dilation = ops.pool_of(operation, settings, shape)
            layer.pad = rows, rows, cols, cols
        if layer.weight is not None:
            layer.bias = torch.zeros(layer.cout) if layer.bias is None else layer.bias
            layer.weight, layer.bias = layer.weight.detach().float().clone(), layer.bias.detach().float().clone()
        self.plan.layers.append(layer)
        self.value[node], self.origin[layer.name] = layer.name, node

    def _batch_norm(self, source: fx.Node, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        (layer,) = self._sole_producers(source, through_pools=False)
        if layer.weight is None or layer.bias is None or layer.relu:
            raise UnsupportedOperationError("batch normalisation that does not directly follow a convolution or linear layer")
        if norm.running_mean is None or norm.running_var is None:
            raise UnsupportedOperationError("batch normalisation without running statistics")
        gain = (norm.running_var.double() + norm.eps).rsqrt()
        gain = gain if norm.weight is None else gain * norm.weight.detach().double()
        offset = 0.0 if norm.bias is None else norm.bias.detach().double()
        weight = layer.weight.double() * gain.reshape(-1, *(1,) * (layer.weight.ndim - 1))
        layer.weight, layer.bias = weight.float(), ((layer.bias.double() - norm.running_mean.double()) * gain + offset).float()

    def _relu(self, source: fx.Node, ceiling: float | None) -> None:
        # max(0, .) and min(6, .) are monotone: they may move before any maximum pooling in between, where more zeros help.
        for layer in self._sole_producers(source, through_pools=True):
            layer.relu = True
            layer.ceiling = min((c for c in (layer.ceiling, ceiling) if c is not None), default=None)

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
            if not through_pools or layer.kind is not Kind.MAXPOOL:
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

    def _pool_settings(self, node: fx.Node, operation: str, module: nn.Module | None) -> dict[str, Any]:
        names = ops.POOL_ARGUMENTS[operation]
        if module is not None:
            return {name: getattr(module, name) for name in names if hasattr(module, name)}
        return {**dict(zip(names, node.args, strict=False)), **node.kwargs}

    def _name(self, node: fx.Node) -> str:
        path = str(node.target)
        name = path if node.op == "call_module" and self.calls[node.target] == 1 else node.name
        try:
            check_name(name, "layer")
        except GraphError:
            name = node.name[-64:]
        taken = {INPUT, *(layer.name for layer in self.plan.layers)}
        return name if name not in taken else f"{name[-60:]}_{len(taken)}"

    def _refuse(self, node: fx.Node, why: str) -> NoReturn:
        if node.op == "call_module":
            what = f"{type(self.modules[str(node.target)]).__name__} at module {node.target!r}"
        else:
            what = f"{getattr(node.target, '__name__', node.target)} at node {node.name!r}"
        raise UnsupportedOperationError(f"{what}{ops.location(node)}: {why}")
