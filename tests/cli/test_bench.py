"""``quiesce bench``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from quiesce.sim import speed


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "network_speed", lambda network, acts, **_: speed.Speed(len(acts) * 1000, 2e5, 4e5))


def test_speed(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    result = quiesce("bench", "speed", "lenet5", "--images", 3, "--json", tmp_path / "speed.json")
    assert result.exit_code == 0
    assert "0.20 million cycles/s over 3,000 cycles" in result.stdout
    assert "ratio 0.50" in result.stdout
    assert json.loads((tmp_path / "speed.json").read_text())["ratio"] == 0.5


def test_unknown_network(rejects: Callable[..., str]) -> None:
    assert "no-such-net" in rejects("bench", "speed", "no-such-net")
