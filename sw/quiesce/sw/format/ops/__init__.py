"""What layers compute: one object per operator, with its equation, shapes, bounds, work, numpy form and lowering.

A layer (``Layer.op``) names its operator and has its parameters; format, reference and compiler ask the operator rather than
which one it is. The torch forms are in ``quiesce.sw.quant.forms``. ``docs/how-to/add-an-operator.md`` adds one.
"""

from quiesce.sw.format.ops.add import ADD
from quiesce.sw.format.ops.base import Operator, named, register
from quiesce.sw.format.ops.concat import CONCAT
from quiesce.sw.format.ops.conv import CONV
from quiesce.sw.format.ops.linear import LINEAR
from quiesce.sw.format.ops.pools import AVGPOOL, MAXPOOL
from quiesce.sw.format.ops.weighted import Weighted

__all__ = ["ADD", "AVGPOOL", "CONCAT", "CONV", "LINEAR", "MAXPOOL", "Operator", "Weighted", "named", "register"]
