"""Every configuration that is accepted can be built, without a signal of no width."""

import random
import re

import pytest

from quiesce.rtl.verilog.emit import rtlil_text
from quiesce.spec.config import ConfigError, CoreConfig

# The least of everything, to which some fields' other extremes are added.
LEAST = {
    "n_pes": 1, "addr_width": 20, "acc_width": 16, "acc_depth": 16, "psum_depth": 4, "mask_width": 16, "mask_depth": 8,
    "weight_depth": 8, "detector_width": 16, "event_fifo_depth": 2, "context_fifo_depth": 2, "post_units": 1, "param_depth": 16,
    "act_depth": 64, "max_cols": 8, "max_layers": 2,
}  # fmt: skip
EXTREMES = [
    {},
    {"detector_width": 64, "mask_width": 64, "acc_width": 32, "acc_depth": 65536, "psum_depth": 64, "winner_depth": 128},
    {"data_width": 128, "n_lanes": 8, "post_units": 8, "event_fifo_depth": 64, "context_fifo_depth": 64, "winner_depth": 4096},
    {"mask_depth": 65536, "weight_depth": 8192, "param_depth": 65536, "act_depth": 4096, "max_cols": 4096, "max_layers": 256},
    {"zero_skipping": 0, "detector_width": 64},
    {"n_cores": 2, "n_pes": 2, "ram_check": 2, "addr_width": 32},
    {"state_depth": 64},
    {"state_depth": 65536, "data_width": 128, "n_lanes": 8, "post_units": 8, "ram_check": 1},
]
CHOICES = {
    "n_pes": (1, 2, 3, 4), "n_lanes": (1, 2, 4, 8), "data_width": (64, 128), "addr_width": range(20, 33),
    "acc_width": range(16, 33), "acc_depth": (16, 64, 512), "psum_depth": (4, 8, 16, 32, 64), "mask_width": (16, 32, 64),
    "mask_depth": (8, 9, 100), "weight_depth": (8, 100, 1024), "detector_width": (16, 32, 64), "event_fifo_depth": (2, 3, 16),
    "context_fifo_depth": (2, 5), "post_units": (1, 2, 4, 8), "param_depth": (16, 17, 300), "act_depth": (64, 256),
    "max_cols": (8, 9, 100), "winner_depth": (0, 0, 64, 256), "max_layers": (2, 8), "zero_skipping": (0, 1, 1),
    "state_depth": (0, 64, 1024),
    "ram_check": (0, 1, 2),
}  # fmt: skip


def build(config: CoreConfig) -> None:
    widthless = re.findall(r"(?m)^  (?:wire|memory) .*width 0 .*|^ +parameter \\ABITS 0$", rtlil_text(config))
    assert widthless == [], config


@pytest.mark.parametrize("extreme", EXTREMES, ids=lambda extreme: "-".join(extreme))
def test_extremes(extreme):
    build(CoreConfig(**LEAST | extreme))


@pytest.mark.parametrize("seed", range(3))
def test_random_configurations(seed):
    rng = random.Random(seed)
    while True:
        try:
            config = CoreConfig(**{field: rng.choice(values) for field, values in CHOICES.items()})
        except ConfigError:
            continue
        break
    print(config)
    build(config)
