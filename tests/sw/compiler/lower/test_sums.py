"""Sums of changes reach farther than those of activations."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.sw.compiler import CompileError
from quiesce.sw.compiler.lower.sums import change_sums_fit, check_sums
from tests import networks


def test_signed_inputs_need_another_bit():
    layer = networks.linear(np.random.default_rng(0), "fc", "input", 4, 1)
    weight = np.full((1, 4), 127, np.int8)
    layer = replace(layer, weight=weight, bias=np.full(1, 1 << 20, np.int32))
    largest = 4 * 127 * 127  # 17 bits with the sign; the bias is added behind the accumulators
    assert 1 << 15 < largest < 1 << 16
    for low, needed in ((-127, 18), (0, 17)):
        network = networks.network([layer], (1, 1, 4), low=low)
        for acc_width in (16, 17, 18):
            config = preset("tiny", acc_width=acc_width)
            assert change_sums_fit(network, layer, config) == (acc_width >= needed)
            if acc_width == 16:
                with pytest.raises(CompileError, match="'fc': sums reach .*beyond acc_width 16"):
                    check_sums(network, layer, config)
            else:
                check_sums(network, layer, config)
