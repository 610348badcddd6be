"""Torch forms of the operators of ``quiesce.sw.format.ops``: one object each, registered here and nowhere else.

A form says which modules and functions compute its operator, computes it on real maps and on maps of integers, and turns scales
and weights into integers.
"""

from typing import Any

from quiesce.sw.format.ops import Operator
from quiesce.sw.quant.forms.base import Call, ChwShape, Geometry, TorchForm
from quiesce.sw.quant.forms.joins import AddForm, ConcatForm
from quiesce.sw.quant.forms.pools import AvgPoolForm, MaxPoolForm, PoolForm
from quiesce.sw.quant.forms.weighted import ConvForm, LinearForm, WeightedForm

__all__ = [
    "Call", "ChwShape", "Geometry", "PoolForm", "TorchForm", "WeightedForm", "form_of", "form_of_call", "form_of_module",
    "register",
]  # fmt: skip

_FORMS: dict[Operator, TorchForm] = {}


def register(form: TorchForm) -> TorchForm:
    """Make the torch form of an operator known; another one that it has is replaced."""
    _FORMS[form.op] = form
    return form


def form_of(op: Operator) -> TorchForm:
    """The torch form of an operator."""
    return _FORMS[op]


def form_of_call(target: Any) -> TorchForm | None:
    """The form of what a type of modules, a function or a method (its name) computes; None if no form lists it."""
    return next((form for form in _FORMS.values() if target in form.calls), None)


def form_of_module(module: Any) -> TorchForm | None:
    """The form whose modules, or subclasses of them, a module is one of; None if there is none."""
    kinds = ((form, tuple(call for call in form.calls if isinstance(call, type))) for form in _FORMS.values())
    return next((form for form, types in kinds if isinstance(module, types)), None)


for _form in (ConvForm(), LinearForm(), MaxPoolForm(), AvgPoolForm(), AddForm(), ConcatForm()):
    register(_form)
