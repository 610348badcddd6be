"""Configurations that cannot be built or used are refused."""

import pytest

from quiesce.spec.config import ConfigError, CoreConfig


def test_a_group_of_output_channels_has_parameters():
    assert CoreConfig(n_pes=32, param_depth=32).lanes == 32
    with pytest.raises(ConfigError, match="param_depth: 16 is below the 32 lanes"):
        CoreConfig(n_pes=32, param_depth=16)


@pytest.mark.parametrize("depth", [32, 96, 65536 * 8])
def test_state_is_a_power_of_two_of_rows_that_a_pass_can_name(depth):
    with pytest.raises(ConfigError, match=f"state_depth: {depth} is neither 0 nor a power of two in 64..262144"):
        CoreConfig(state_depth=depth)


def test_state_needs_events():
    with pytest.raises(ConfigError, match="state_depth: 64 needs zero_skipping"):
        CoreConfig(state_depth=64, zero_skipping=0)
