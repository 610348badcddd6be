"""Configurations that cannot be built or used are refused."""

import pytest

from quiesce.spec.config import ConfigError, CoreConfig


def test_a_group_of_output_channels_has_parameters():
    assert CoreConfig(n_pes=32, param_depth=32).lanes == 32
    with pytest.raises(ConfigError, match="param_depth: 16 is below the 32 lanes"):
        CoreConfig(n_pes=32, param_depth=16)
