"""``quiesce train``: its options and its report; training itself is tested with the library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from quiesce import models
from quiesce.sw.sparsity.statistics import LayerStatistics, Statistics
from quiesce.sw.train.report import TrainReport


@pytest.fixture
def report(tmp_path: Path) -> TrainReport:
    layers = (
        LayerStatistics(name="conv", density=0.19, events=150.4, effectual_macs=20_000.0, dense_macs=100_000),
        LayerStatistics(name="fc", density=0.5, events=60.0, effectual_macs=500.0, dense_macs=1000),
    )
    return TrainReport(
        name="digits", path=tmp_path / "d.safetensors", card=tmp_path / "d.md", validation_accuracy=0.97, float_accuracy=0.981,
        int8_accuracy=0.98, test=Statistics(network="digits", n_images=10_000, accuracy=0.98, layers=layers), epochs=12,
    )  # fmt: skip


def test_it_trains_and_reports(
    quiesce: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, report: TrainReport, tmp_path: Path
) -> None:
    calls: list[tuple[Any, ...]] = []

    def train(recipe: Path, out: Path, data: Path | None, **options: Any) -> TrainReport:
        calls.append((recipe, out, data, options))
        return report

    monkeypatch.setattr("quiesce.sw.train.train", train)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("")
    options = ("--data", tmp_path, "--resume", "--record", tmp_path / "log", "--set", "seed=2", "--set", "methods.0.b=0.1")
    result = quiesce("train", "--recipe", recipe, "--out", report.path, *options)
    assert result.exit_code == 0
    assert calls == [
        (recipe, report.path, tmp_path, {"resume": True, "log": tmp_path / "log", "overrides": ("seed=2", "methods.0.b=0.1")})
    ]
    rows = [line.replace(" ", "").split("│")[1:-1] for line in result.stdout.splitlines() if "│" in line]
    assert rows == [
        ["conv", "19.0%", "150.4", "20,000", "100,000", "20.0%"],
        ["fc", "50.0%", "60.0", "500", "1,000", "50.0%"],
        ["all", "", "210.4", "20,500", "101,000", "20.3%"],
    ]
    assert "accuracy on 10,000 test images: 98.00% int8, 98.10% real-valued" in result.stdout
    assert "12 epochs were trained" in result.stdout
    assert f"model card: {report.card}" in result.stdout


def test_shipped_recipes_have_names(
    quiesce: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, report: TrainReport, tmp_path: Path
) -> None:
    asked = []
    monkeypatch.setattr("quiesce.sw.train.train", lambda recipe, *_, **__: asked.append(recipe) or report)
    assert quiesce("train", "--recipe", "lenet5", "--out", tmp_path / "a.safetensors").exit_code == 0
    assert asked == [models.recipe_path("lenet5")] and asked[0].name == "lenet5.toml"


def test_bad_recipes_are_refused(rejects: Callable[..., str], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    assert "'/no/file' is neither a file nor a recipe that is shipped (asl-delta," in rejects(
        "train", "--recipe", "/no/file", "--out", tmp_path / "out.safetensors"
    )
    recipe.write_text("[[[")
    assert str(recipe) in rejects("train", "--recipe", recipe, "--out", tmp_path / "out.safetensors")
