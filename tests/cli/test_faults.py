"""``quiesce faults``: what it asks of the campaign and what it makes of it. The campaign itself is made up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import quiesce.sim.faults.campaign as campaigns
from quiesce.sim.faults.campaign import CLASSES, Campaign, FaultTrial
from quiesce.spec.config import preset


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands in for ``faults`` and notes its calls; class "rams" of seed 13 hangs."""
    noted: list[dict[str, Any]] = []

    def stand_in(network: object, inputs: np.ndarray, *, progress: Callable[[int], None], **rest: Any) -> Campaign:
        noted.append({"images": len(inputs), **rest})
        progress(1)
        verdicts = {"program": ["PROGRAM_CHECK", "PROGRAM_CHECK"], "rams": ["hang" if rest["seed"] == 13 else "masked", "wrong"]}
        trials = tuple(FaultTrial(name, "a bit", verdict) for name, several in verdicts.items() for verdict in several)
        return Campaign("small", rest["config"].to_dict(), rest["seed"], len(inputs), 1234, trials)

    monkeypatch.setattr(campaigns, "faults", stand_in)
    return noted


@pytest.fixture
def words(network_file: Path, tmp_path: Path) -> list[object]:
    np.save(tmp_path / "inputs.npy", np.arange(24, dtype=np.int8).reshape(2, 4, 3, 1))
    return ["faults", network_file, "--inputs", tmp_path / "inputs.npy"]


def test_table(quiesce: Callable[..., Result], calls: list[dict[str, Any]], words: list[object]) -> None:
    result = quiesce(*words, "--n", 7, "--seed", 2, "--images", 2, "--preset", "tiny")
    assert (result.exit_code, result.stderr) == (0, "")
    expected = {"images": 2, "config": preset("tiny"), "n": 7, "seed": 2, "classes": CLASSES, "latency": 32}
    assert calls == [expected]
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    assert lines == [["program", "2", "0", "2", "0", "0", "0", "PROGRAM_CHECK 2"], ["rams", "2", "1", "0", "1", "0", "0", ""]]
    assert "seed 2; a run is 2 images and 1,234 cycles" in result.stdout


def test_json(quiesce: Callable[..., Result], calls: list[dict[str, Any]], words: list[object]) -> None:
    result = quiesce(*words, "--class", "program", "--class", "rams", "--json", "-")
    assert calls[0]["classes"] == ("program", "rams")
    report = json.loads(result.stdout)
    assert report["counts"] == {"program": {"PROGRAM_CHECK": 2}, "rams": {"masked": 1, "wrong": 1}}
    assert report["trials"][0] == ["program", "a bit", "PROGRAM_CHECK"]


def test_a_hang_is_a_failure(quiesce: Callable[..., Result], calls: list[dict[str, Any]], words: list[object]) -> None:
    assert quiesce(*words, "--seed", 13).exit_code == 1


def test_unknown_class(rejects: Callable[..., str], words: list[object]) -> None:
    assert rejects(*words, "--class", "rust").startswith("--class rust: not one of program, ")
