"""The cores of a soak: the presets and random configurations."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quiesce.spec.config import PRESETS, ConfigError, CoreConfig

__all__ = ["POOL", "core_of", "random_core"]

_CHOICES: dict[str, Sequence[int]] = {
    "n_cores": (1, 2, 1, 4, 1, 3, 1, 8, 1, 5),
    "n_pes": (4, 2, 8, 3, 1, 6, 5, 16, 2, 4),
    "n_lanes": (1, 2, 4, 8, 1),
    "data_width": (64, 128),
    "addr_width": (32, 24),
    "acc_width": (24, 32, 16, 20, 18),
    "acc_depth": (64, 256, 32, 512, 128),
    "psum_depth": (16, 4, 8, 32, 64),
    "mask_width": (32, 16, 64),
    "mask_depth": (64, 256, 8, 512),
    "weight_depth": (64, 512, 16, 1024),
    "detector_width": (32, 16, 64),
    "event_fifo_depth": (16, 2, 5, 32, 64),
    "context_fifo_depth": (4, 2, 3, 16),
    "post_units": (4, 1, 8, 2),
    "param_depth": (64, 512, 16, 256),
    "act_depth": (128, 64, 512),
    "max_cols": (64, 8, 256, 33),
    "winner_depth": (0, 256, 0, 1024, 128),
    "max_layers": (64, 32),
    "zero_skipping": (1, 1, 1, 1, 1, 1, 1, 0),
    "ram_check": (0, 1, 0, 2, 0),
    "record_check": (0, 1, 0),
}
_MAX_LANES = 32


def random_core(index: int) -> CoreConfig:
    """The random configuration of this number, always the same: each value of a field occurs once in as many as it has values."""
    fields = {}
    for number, (name, values) in enumerate(_CHOICES.items()):
        block, at = divmod(index, len(values))
        fields[name] = int(np.random.default_rng((number, block)).permutation(values)[at])
    fields["detector_width"] = min(fields["detector_width"], fields["data_width"])
    fields["psum_depth"] = min(fields["psum_depth"], fields["acc_depth"] // 2)
    while fields["n_cores"] * fields["n_pes"] * fields["n_lanes"] > _MAX_LANES:  # quick to build
        larger = "n_lanes" if fields["n_lanes"] > fields["n_pes"] else "n_pes" if fields["n_pes"] > 1 else "n_cores"
        fields[larger] = fields[larger] // 2
    while fields["n_pes"] * fields["n_lanes"] % fields["post_units"]:
        fields["post_units"] //= 2
    fields["param_depth"] = max(fields["param_depth"], fields["n_pes"] * fields["n_lanes"])  # a group of outputs
    if not fields["zero_skipping"] or fields["winner_depth"] < 2 * fields["detector_width"]:
        fields["winner_depth"] = 0
    fields["record_check"] &= fields["zero_skipping"]
    return CoreConfig(**fields)


POOL: tuple[str, ...] = (*PRESETS, *(f"random{index}" for index in range(10)))
"""Names of the cores of a soak."""


def core_of(name: str) -> CoreConfig:
    """A core by its name: a preset's, or ``random<n>``.

    Raises
    ------
    ConfigError
        No such core.
    """
    if name in PRESETS:
        return replace(PRESETS[name])
    if found := re.fullmatch(r"random(\d{1,6})", name):
        return random_core(int(found[1]))
    raise ConfigError(f"core: {name!r} is neither a preset ({', '.join(PRESETS)}) nor random0, random1, ...")
