"""``quiesce results``: run files, the page made of them, and that the page in the documents is that page."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import Result

from quiesce.bench import delta
from quiesce.cli.results.claims import CLAIMS
from quiesce.cli.results.columns import COLUMNS, cell, geometric_mean
from quiesce.cli.results.runfile import CoreFigures, CoreLayer, RunFile, WinnersLayer, load_runs
from quiesce.cli.results.streams import StreamFile, load_streams, stream_section
from quiesce.cli.results.write import page
from quiesce.sim.result import Run

DOCS = Path(__file__).parents[2] / "docs"


def run_of(network: str, events: float, accuracy: float, seed: int = 1, cycles: float | None = None) -> RunFile:
    """Ten images through two layers; the second one has so many events, of 100 activations, and ten MACs for each."""
    layers = [
        {"name": "conv1", "density": 0.5, "events": 50.0, "effectual_macs": 200.0, "dense_macs": 400, "reads_input": True},
        {"name": "fc1", "density": events / 100, "events": events, "effectual_macs": 10 * events, "dense_macs": 1000,
         "reads_input": False},
    ]  # fmt: skip
    statistics = {"images": 10, "accuracy": accuracy, "effectual_macs": 200 + 10 * events, "layers": layers}
    core = cycles and CoreFigures(
        config={"winner_depth": 8}, images=2, energy_images=1,
        cycles=cycles, energy_pj=3 * cycles, effectual_macs=7 * events, software_macs=7 * events,
        bit_exact=True, layers=(CoreLayer(name="fc1", cycles=cycles, ranking=3.0),),
    )  # fmt: skip
    return RunFile(
        network=network, command=f"quiesce train --recipe {network}.toml", seed=seed, epochs=4, seconds=90.0,
        validation_accuracy=0.9, weights=10, nonzero_weights=5,
        winners=(WinnersLayer(name="fc1", kind="linear", kept=3, channels=12),), statistics=statistics, core=core or None,
    )  # fmt: skip


BEFORE, NOW, AGAIN = run_of("mlp3", 40.0, 0.95, cycles=600.0), run_of("a", 10.0, 0.94, cycles=200.0), run_of("a", 20.0, 0.92, 2)


def test_the_page_in_the_documents_is_up_to_date() -> None:
    assert (DOCS / "results.md").read_text(encoding="utf-8") == page(
        load_runs(DOCS / "runs"), load_streams(DOCS / "runs" / "streams")
    )


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("baseline", "95.00%"), ("accuracy", "93.00% (92.00% .. 94.00%)"), ("drop", "2.00 (1.00 .. 3.00)"),
        ("suppression", "3.00x (2.00x .. 4.00x)"), ("macs", "1.75x (1.50x .. 2.00x)"), ("cycles", "3.00x"), ("energy", "3.00x"),
        ("epochs", "4"), ("minutes", "1.5"), ("sparsity_before", "60.0%"), ("sparsity", "85.0% (80.0% .. 90.0%)"),
        ("gain", "+25.0 (+20.0 .. +30.0)"), ("weights", "50.0%"), ("fewer_macs", "41.7% (33.3% .. 50.0%)"),
        ("fewer_macs_core", "75.0000%"), ("fewer_macs_software", "75.0000%"), ("maps", "-"), ("neurons", "75.0%"),
        ("rate_before", "0.47"), ("rate", "0.35"),
    ],
)  # fmt: skip
def test_cells(key: str, text: str) -> None:
    assert cell(COLUMNS[key], [NOW, AGAIN], BEFORE) == text


def test_other_cores_do_not_compare() -> None:
    assert NOW.core is not None
    for change in ({"config": {}}, {"images": 3}, {"energy_images": 2}):
        other = replace(NOW, core=replace(NOW.core, **change))
        assert all(cell(COLUMNS[key], [other], BEFORE) == "-" for key in ("cycles", "energy", "fewer_macs_core"))


def test_geometric_mean() -> None:
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)


def test_every_claim_names_known_columns() -> None:
    for claim in CLAIMS:
        assert {*claim.columns, *claim.paper} <= COLUMNS.keys()


def stream_file(accuracy: float, macs: float) -> StreamFile:
    """A task of two networks, of which the second one depends on the seed."""

    def network(role: str, accuracy: float, macs: float) -> delta.DeltaNetwork:
        full, now = (delta.Figures(effectual_macs=macs, cycles=cycles, energy_pj=1e4) for cycles in (100.0, 20.0))
        core = delta.OnCore(frames=3, full=full, stream=now, single=now, first=full, clean_rows=0.0, state_bytes=0.0)
        return delta.DeltaNetwork(
            role=role, name=role, accuracy=accuracy, full_macs=8000.0, stream_macs=macs, density=0.25, core=core
        )

    scene = delta.Scene(name="scene cut", changing=0.5, stream=delta.Figures(effectual_macs=7, cycles=8, energy_pj=None),
                        full=delta.Figures(effectual_macs=9, cycles=10, energy_pj=None))  # fmt: skip
    return StreamFile(
        schema=1, bench="delta", task="video", config={}, latency=32, inputs="hands", scenes=(scene,), sweep=(),
        networks=(network("l1", 0.96, 4000.0), network("delta + l1", accuracy, macs)),
        break_even={"block": 0.5, "scattered": None},
        targets=({"name": "a ratio", "value": 8.0, "limit": 6.0, "at_least": True, "met": True},),
    )  # fmt: skip


def test_streams_of_several_seeds(tmp_path: Path) -> None:
    for seed, (accuracy, macs) in enumerate([(0.95, 1000.0), (0.93, 2000.0)]):
        (tmp_path / f"video-{seed}.json").write_text(json.dumps(asdict(stream_file(accuracy, macs))))
    text = "\n".join(stream_section(load_streams(tmp_path)))
    assert "| l1, `l1` | 1 | 96.00% | 25.0% | 8,000 | 4,000 | 2.00 | 100 | 20 | 5.00 | 10 | 10 | 1.00 |" in text
    assert "| delta + l1, `delta + l1` | 2 | 94.00% (93.00% .. 95.00%) |" in text
    assert "| 6.00 (4.00 .. 8.00) |" in text and "over 3 frames" in text.replace("\n", " ")
    assert "- a ratio: 8.000, target >= 6: met" in text
    assert "| scene cut | 50.0% | 7 | 9 | 8 | 10 |" in text and "block at 50%; scattered at no share" in text
    assert list(stream_section({})) == []


def test_rows_that_were_not_trained_are_shown() -> None:
    text = page({"mlp3": [BEFORE], "mlp3-arts": [replace(NOW, network="mlp3-arts")]})
    assert "| `mlp3-arts` | `mlp3` | 1 | 95.00% | 1.00 | 4.00x |" in text
    assert "| *geometric mean of all rows* |" in text
    assert "| `lenet5-arts` | `lenet5` | not trained | - |" in text


def test_layers_of_winners() -> None:
    text = page({"mlp3": [BEFORE], "mlp3-winners": [replace(NOW, network="mlp3-winners")]})
    assert "| fc1 | 3 of 12 | 600 | 200 | 3 | 3.00x |" in text


def test_run_files_come_back(tmp_path: Path) -> None:
    for run in (AGAIN, NOW, BEFORE):
        run.save(tmp_path / f"{run.network}-{run.seed}.json")
    assert load_runs(tmp_path) == {"a": [NOW, AGAIN], "mlp3": [BEFORE]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 0}, "Invalid enum value 0 - at `$.schema`"),
        ({"seed": None}, "Expected `int`, got `null` - at `$.seed`"),
        ({"more": 1}, "Object contains unknown field `more`"),
        ({"core": {}}, "Object missing required field `config` - at `$.core`"),
        ({"statistics": {}}, "statistics: Expected `int`, got `null` - at `$.n_images`"),
    ],
)
def test_other_files_are_refused(rejects: Callable[..., str], tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "a.json"
    NOW.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert f"{path}: {message}" == rejects("results", "write", "--runs", tmp_path, "--out", tmp_path / "page.md")


def test_without_the_baseline(rejects: Callable[..., str], tmp_path: Path) -> None:
    replace(NOW, network="mlp3-arts").save(tmp_path / "a.json")
    message = rejects("results", "write", "--runs", tmp_path, "--out", tmp_path / "page.md")
    assert message == "no run file of mlp3, the baseline of mlp3-arts"


def test_measure(quiesce: Callable[..., Result], data: Path, tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.mkdir()
    (record / "train.csv").write_text("epoch,seconds\n1,2.5\n2,3\n")
    out = tmp_path / "run.json"
    result = quiesce("results", "measure", "mlp3-winners", "--data", data, "--images", 0, "--record", record, "--out", out)
    assert result.exit_code == 0
    run = RunFile.load(out)
    assert (run.network, run.seed, run.seconds, run.core) == ("mlp3-winners", 1, 5.5, None)
    assert run.statistics["images"] == 40
    assert run.command.startswith("quiesce train --recipe mlp3-winners")
    assert [(layer.kind, layer.kept, layer.channels) for layer in run.winners] == [("linear", 15, 300), ("linear", 9, 100)]
    assert run.measured().accuracy == run.statistics["accuracy"]


def test_the_core_is_measured_on_the_first_images(
    quiesce: Callable[..., Result], data: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cosim(network: object, inputs: object, **options: object) -> Run:
        layers = tuple(replace(layer, counters={"ranking": 6}) for layer in run.layers)
        return replace(run, layers=layers)

    monkeypatch.setattr("quiesce.sim.cosim", cosim, raising=False)
    out = tmp_path / "run.json"
    assert quiesce("results", "measure", "mlp3-winners", "--data", data, "--images", 2, "--out", out).exit_code == 0
    core = RunFile.load(out).core
    assert core is not None
    assert (core.images, core.energy_images, core.cycles) == (2, 1, 350.0)
    assert core.layers[0] == CoreLayer(name="conv", cycles=300.0, ranking=3.0)


def test_bad_input(rejects: Callable[..., str], data: Path, tmp_path: Path, network_file: Path) -> None:
    assert "no command in its metadata" in rejects("results", "measure", network_file, "--out", tmp_path / "run.json")
    record = tmp_path / "record"
    record.mkdir()
    (record / "train.csv").write_text("epoch\n1\n")
    words = ("--data", data, "--images", 0, "--record", record, "--out", tmp_path / "run.json")
    assert "train.csv: not the log of a training" in rejects("results", "measure", "mlp3-winners", *words)
