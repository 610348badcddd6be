"""The graph of a torch module's operations, with the shapes that its tensors have."""

from typing import Any

import torch
from torch import fx, nn

from quiesce.sw.quant import operations as ops
from quiesce.sw.quant.errors import UnsupportedOperationError, unfit_inputs

__all__ = ["record_shapes", "traced_graph"]


class _Tracer(fx.Tracer):
    """Keeps the modules that have a meaning here whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return ops.operation_of(ops.module_kind(m)) is not None or super().is_leaf_module(m, module_qualified_name)


class _ShapeRecorder(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            n.meta["shape"] = result.shape
        else:
            n.meta["value"] = result
        return result


def traced_graph(module: nn.Module) -> fx.GraphModule:
    """The operations of a module, modules that have a counterpart whole; it shares all submodules with it.

    Raises
    ------
    UnsupportedOperationError
        Its Python code cannot be followed without values, or raises an error, whatever it is.
    """
    tracer = _Tracer()
    tracer.record_stack_traces = True
    try:
        return fx.GraphModule(module, tracer.trace(module))
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnsupportedOperationError(
            f"{type(module).__name__}: its Python code depends on values or raises an error ({why})"
        ) from error


def record_shapes(graph_module: fx.GraphModule, inputs: torch.Tensor) -> None:
    """Run a graph and note, in each node's ``meta``, the "shape" of a tensor or the "value" of anything else.

    Parameters
    ----------
    inputs : Tensor of float, shape (N, ...)
        Left as they are.

    Raises
    ------
    CalibrationError
        The inputs do not fit the module.
    """
    recorder = _ShapeRecorder(graph_module)
    recorder.extra_traceback = False
    try:
        recorder.run(inputs.clone())
    except Exception as error:
        raise unfit_inputs(tuple(inputs.shape), error) from error
