"""A small network with every kind of layer."""

import numpy as np
import pytest

from quiesce.sw.format.network import Layer, MapSpec, Network
from quiesce.sw.format.ops import ADD, AVGPOOL, CONCAT, CONV, LINEAR, MAXPOOL


@pytest.fixture
def network() -> Network:
    rng = np.random.default_rng(7)

    def scale(cout: int) -> dict[str, np.ndarray]:
        return {"multiplier": rng.integers(32768, 65536, cout, np.int32), "shift": rng.integers(20, 25, cout, np.int32)}

    def weights(*shape: int, keep: float = 1.0) -> dict[str, np.ndarray]:
        weight = rng.integers(-127, 128, shape).astype(np.int8)
        weight[rng.random(shape) >= keep] = 0
        return {
            "weight": weight,
            "bias": rng.integers(-1000, 1000, shape[0], np.int32),
            "weight_scale": rng.random(shape[0], np.float32) + np.float32(0.01),
        } | scale(shape[0])

    unit = {"multiplier": np.ones(4, np.int32), "shift": np.zeros(4, np.int32)}
    return Network(
        name="every-kind",
        input=MapSpec(height=9, width=8, chans=2, scale=0.5, low=0),
        layers=(
            Layer(name="conv", op=CONV, inputs=("input",), kernel=(3, 2), stride=(1, 1), pad=(1, 1, 0, 1), groups=2,
                  low=0, threshold=3, out_scale=0.1, **weights(4, 3, 2, 1)),
            Layer(name="max", op=MAXPOOL, inputs=("conv",), kernel=(2, 2), stride=(2, 2), out_scale=0.1, **unit),
            Layer(name="avg", op=AVGPOOL, inputs=("max",), kernel=(3, 3), pad=(1, 1, 1, 1), out_scale=0.05, **scale(4)),
            Layer(name="add", op=ADD, inputs=("avg", "max", "avg"), weight=np.array([127, -30, 1], np.int8), low=0,
                  threshold=2, out_scale=0.05, **scale(4)),
            Layer(name="cat", op=CONCAT, inputs=("add", "max"), out_scale=0.2, **scale(8)),
            Layer(name="fc", op=LINEAR, inputs=("cat",), out_scale=1.5, **weights(10, 128, keep=0.2)),
        ),
        output="fc",
        metadata={"accuracy": "0.99", "origin": "random"},
    )  # fmt: skip
