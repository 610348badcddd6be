"""``quiesce bench``: options, tables and JSON, on figures made by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from quiesce.bench import density, energy, model, peer, random_model, space, speed, traffic, utilisation
from quiesce.bench.targets import Target
from quiesce.sim.energy.idle import IdlePower
from quiesce.sim.energy.summary import summarize
from quiesce.sim.synthetic import ConvSpec

SPEC = ConvSpec(cin=2, cout=4, kernel=3, size=5)
MET = Target(name="a share", value=0.96, limit=0.95, at_least=True)
MISSED = Target(name="a ratio", value=1.25, limit=1.1, at_least=False)
IDLE = IdlePower(leakage_mw=5.0, free_mw={"dma": 1.0, "control": 1.5}, gates_mw={"fifo": 0.25})
UNKNOWN = Target(name="another share", value=None, limit=0.85, at_least=True)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def use(cases, config, *, latency):
        names = {case.network.name: case.origin for case in cases}
        layer = utilisation.LayerUse(
            network="lenet5", layer="fc1", kind="linear", group="linear", weight_density=0.5, cycles=1250.0,
            effectual_macs=16000.0, utilisation=0.8, lane_bound=0.9, idle=dict.fromkeys(utilisation.CAUSES, 0.04),
            bound_cycles=1000.0,
        )  # fmt: skip
        return utilisation.UtilisationResult(
            config=config.to_dict(), lanes=config.lanes, items=dict.fromkeys(names, 4), inputs=names, layers=(layer,),
            targets=(MET, MISSED, UNKNOWN),
        )  # fmt: skip

    def speedup(config, *, items, latency, seed):
        point = density.DensityPoint(
            density=0.1, cycles=1040.0, dense_cycles=10000.0, speedup=9.6, share_of_ideal=0.96, target=MET
        )
        return density.DensityResult(
            config=config.to_dict(), layer=SPEC, latency=latency, seed=seed, items=items, points=(point,)
        )

    def against(config, *, latency, seed):
        point = peer.PeerPoint(
            layer="a layer", density=0.3, cycles=8000, peer_cycles=10000, speedup=1.25, lane_utilisation=0.5, target=MISSED
        )
        return peer.PeerResult(config=config.to_dict(), lanes=128, latency=latency, seed=seed, peer="a peer", points=(point,))

    def moved(cases, config):
        def entry(name, target, events):
            return traffic.LayerTraffic(
                network="lenet5", layer=name, kind="conv", events_per_pixel=events, effectual_macs=1000.0, acc_per_mac=0.125,
                rows_per_mac=0.25, masks_per_mac=None, act_bytes_read=64.0, act_bytes_written=32.0, program_bytes=16.0,
                target=target,
            )  # fmt: skip

        return traffic.TrafficResult(
            config=config.to_dict(), items={}, inputs={}, layers=(entry("c1", MET, 10.0),), totals=(entry("all", None, None),)
        )

    def validated(cases, config, *, dense, latency, seed):
        point = model.ModelPoint(network="lenet5", layer="c1", kind="conv", cycles=10000, predicted=10100, error=0.01)
        return model.ModelResult(
            config=config.to_dict(), dense=dense, latency=latency, seed=seed, points=(point,),
            items={case.network.name: len(case.inputs) for case in cases}, targets=(MET, MISSED),
        )  # fmt: skip

    def energies(cases, layers, config, *, latency, seed):
        basis = {"clock_mhz": 250.0, "floor_pj": 0.5}
        summary = summarize(
            on_chip_pj=3000.0, off_chip_pj=500.0, ungated_pj=4000.0, effectual_macs=1000, dense_macs=4000, cycles=250, basis=basis
        )
        row = energy.EnergyRow(
            workload="lenet5", engine="plain", cycles=250, energy_pj={"mac": 1000.0, "clock": 2000.0}, summary=summary, ratio=1.5
        )
        point = energy.ActivityPoint(activity=0.1, cycles=30, energy_pj=400.0, power_mw=0.75, energy_ratio=1.3, power_ratio=2.0)
        names = {case.network.name: case.origin for case in (*cases, *layers)}
        return energy.EnergyResult(
            config=config.to_dict(), coefficients="a process", excluded="glitches", basis=basis, latency=latency, seed=seed,
            images=len(cases[0].inputs), inputs=names, networks=(row,), layers=(row,), layer=SPEC, idle=IDLE,
            dense_cycles=1000, dense_pj=9000.0, points=(point,),
        )  # fmt: skip

    def spaces(case, config, axes, *, sparsity, latency, gates, jobs):
        summary = summarize(
            on_chip_pj=3000.0, off_chip_pj=500.0, ungated_pj=4000.0, effectual_macs=1000, dense_macs=4000, cycles=250,
            basis={"clock_mhz": 250.0, "floor_pj": 0.5},
        )  # fmt: skip
        points = tuple(
            space.SpacePoint(
                n_pes=n_pes, n_lanes=2, event_fifo_depth=16, block=4, weight_density=1 - sparsity, cycles=1234.0,
                lane_utilisation=0.9, energy=summary,
                gates=space.Gates(area=250_000.0, leakage_mw=5.0, period_ns=4.0) if gates else None,
            )
            for n_pes in axes.n_pes
        )  # fmt: skip
        return space.SpaceResult(
            network=case.network.name, inputs=case.origin, items=len(case.inputs), config=config.to_dict(), sparsity=sparsity,
            latency=latency, points=points,
        )  # fmt: skip

    monkeypatch.setattr(space, "measure_space", spaces)
    monkeypatch.setattr(energy, "measure_energy", energies)
    monkeypatch.setattr(model, "validate_model", validated)
    monkeypatch.setattr(utilisation, "measure_utilisation", use)
    monkeypatch.setattr(density, "measure_density", speedup)
    monkeypatch.setattr(peer, "measure_peer", against)
    monkeypatch.setattr(traffic, "measure_traffic", moved)
    monkeypatch.setattr(
        speed, "network_speed", lambda network, acts, config, repeat: speed.Speed(len(acts) * config.lanes, 2e5, 4e5, 6e4)
    )


def table(result: Result) -> str:
    assert result.exit_code == 0
    return " ".join(result.stdout.split())


def saved(path: Path) -> dict:
    return json.loads(path.read_text())


def test_utilisation(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    text = table(quiesce("bench", "utilisation", "lenet5", "--images", 4, "--set", "n_pes=8", "--json", tmp_path / "u.json"))
    assert "80.0%" in text and "1.25" in text
    assert "core: 8 PEs x 1 lanes, 64-bit bus, memory latency 32, 4 images of each network" in text
    assert "a share: 0.960, target >= 0.95: met" in text
    assert "a ratio: 1.250, target <= 1.1: missed" in text
    assert "another share: nothing measured, target >= 0.85" in text
    report = saved(tmp_path / "u.json")
    assert (report["schema"], report["bench"], report["config"]["n_pes"]) == (1, "utilisation", 8)
    assert [target["met"] for target in report["targets"]] == [True, False, None]


def test_benches_of_networks_take_all_that_are_shipped(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    from quiesce import models

    assert quiesce("bench", "utilisation", "--images", 1, "--json", tmp_path / "u.json").exit_code == 0
    with_winners = {name for name in models.names() if any(layer.winners for layer in models.load(name).layers)}
    assert {"lenet5-winners", "mlp3-winners"} <= with_winners
    assert set(saved(tmp_path / "u.json")["inputs"]) == set(models.names()) - with_winners


def test_density(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    text = table(quiesce("bench", "density", "--seed", 7, "--json", tmp_path / "d.json"))
    assert "2-4 3x3 to 5x5" in text and "9.60x" in text and ">= 0.95 met" in text
    assert saved(tmp_path / "d.json")["seed"] == 7


def test_peer(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    text = table(quiesce("bench", "peer", "--json", tmp_path / "p.json"))
    assert "1.25x" in text and "<= 1.1 missed" in text and "dense engine: a peer" in text
    report = saved(tmp_path / "p.json")
    assert report["latency"] == 100
    assert (report["lanes"], report["config"]["n_cores"]) == (128, 4)


def test_traffic(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    text = table(quiesce("bench", "traffic", "lenet5", "--json", tmp_path / "t.json"))
    assert "0.125" in text and "10.0" in text
    assert saved(tmp_path / "t.json")["totals"][0]["events_per_pixel"] is None


def test_speed_of_16_and_128_lanes(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    text = table(quiesce("bench", "speed", "lenet5", "--images", 3, "--json", tmp_path / "speed.json"))
    assert "0.20" in text and "0.50" in text and "0.06" in text and "0.30" in text
    cores = saved(tmp_path / "speed.json")["cores"]
    assert [(core["lanes"], core["cycles"], core["ratio"]) for core in cores] == [(16, 48, 0.5), (128, 384, 0.5)]


def test_the_model_knows_no_plain_core(rejects: Callable[..., str]) -> None:
    assert "the model does not know the plain core" in rejects("bench", "model", "lenet5", "--preset", "plain")


def test_model(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    text = table(quiesce("bench", "model", "lenet5", "--images", 1, "--json", tmp_path / "m.json"))
    assert "10,100" in text and "+1.00%" in text and "a ratio: 1.250, target <= 1.1: missed" in text
    report = saved(tmp_path / "m.json")
    assert report["points"][0]["error"] == 0.01
    assert set(report["items"]) > {"lenet5"}  # and the random layers


def test_the_model_on_random_networks(
    monkeypatch: pytest.MonkeyPatch, quiesce: Callable[..., Result], rejects: Callable[..., str], tmp_path: Path
) -> None:
    def validated(config, n_networks, seed):
        points = tuple(
            random_model.RandomPoint(
                seed=seed + n,
                latency=200,
                cold=False,
                layer="layer1",
                kind="conv",
                cycles=1000,
                predicted=1000 + n,
                error=n / 1000,
            )
            for n in range(n_networks)
        )
        return random_model.RandomResult(
            config=config.to_dict(), seed=seed, networks=n_networks, refused=0, points=points, targets=(MET,)
        )

    monkeypatch.setattr(random_model, "validate_random", validated)
    text = table(quiesce("bench", "model", "--random", 21, "--seed", 7, "--json", tmp_path / "r.json"))
    assert "│ 200 │ 21 │ 1.00% │ 1.90% │ +2.00% │ 27 │ layer1 │ 1,000 │ 1,020 │" in text
    assert saved(tmp_path / "r.json")["points"][20]["seed"] == 27
    assert "--random takes no networks" in rejects("bench", "model", "lenet5", "--random", "2")


def test_energy(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    words = ["bench", "energy", "lenet5", "--layers-of", "lenet5-sparse", "--images", 3, "--json", tmp_path / "e.json"]
    text = table(quiesce(*words, "--plot", tmp_path / "e.svg"))
    assert b"<svg" in (tmp_path / "e.svg").read_bytes()
    for part in ("clock 67%, mac 33%", "3.00", "10.0%", "0.750", "not calibrated", "in dense mode: 1,000 cycles, 9.00 nJ"):
        assert part in text
    assert "takes 7.75 mW: 5.00 leakage, 2.50 clocks of flip-flops without a gate, 0.25 clock gates" in text
    report = saved(tmp_path / "e.json")
    assert (report["images"], report["networks"][0]["summary"]["pj_per_mac"]) == (3, 3.0)
    # Of two convolutions, one at two thirds is the last.
    assert set(report["inputs"]) == {"lenet5", "lenet5-sparse:conv1", "lenet5-sparse:conv2"}


def test_space(measured: None, quiesce: Callable[..., Result], tmp_path: Path) -> None:
    words = ["bench", "space", "lenet5", "--pes", 8, "--pes", 16, "--sparsity", 0.25]
    text = table(quiesce(*words, "--json", tmp_path / "s.json"))
    assert "1,234" in text and "90.0%" in text and "mm2" not in text
    assert "25% of the weights pruned by magnitude, not trained again" in text
    assert [point["n_pes"] for point in saved(tmp_path / "s.json")["points"]] == [8, 16]
    assert "0.250" in table(quiesce(*words, "--gates"))


def test_space_that_cannot_run(rejects: Callable[..., str]) -> None:
    assert "--jobs 0" in rejects("bench", "space", "--jobs", 0)
    assert "n_pes: 65" in rejects("bench", "space", "--pes", 65)
    assert "--scheduler nowhere" in rejects("bench", "space", "--scheduler", "nowhere://host:1")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What ``measure_steps`` was asked for; its figures are made up."""
    from quiesce.bench import steps as module

    asked = []

    def made_up(models, contenders, **options):
        asked.append({"models": models, "contenders": contenders} | options)
        return [
            module.StepFigures(
                model=name, contender=one, seconds=0.004 * ratio, ratio=ratio, peak_bytes=int(2e6 * ratio), memory_ratio=ratio
            )
            for name in models
            for one, ratio in [("plain", 1.0)] + [(one, 3.0 if one == "int8" else 1.1) for one in contenders]
        ]  # fmt: skip

    monkeypatch.setattr(module, "measure_steps", made_up)
    return asked


def test_training(steps: list[dict], quiesce: Callable[..., Result], tmp_path: Path) -> None:
    words = ["bench", "training", "mlp3", "lenet5", "--method", "tl1", "--method", "int8", "--batch", 16, "--bfloat16"]
    text = table(quiesce(*words, "--json", tmp_path / "t.json"))
    assert "mlp3 │ tl1 │ 4.40 │ 1.10 │ 2.2 │ 1.10" in text
    assert "bfloat16, 16 images a step, best of 5" in text
    assert "seconds, real-valued phase, over plain PyTorch: 1.100, target <= 1.25: met" in text
    assert "seconds, integer phase, over plain PyTorch: 3.000, target <= 2: missed" in text
    assert steps == [{"models": ("mlp3", "lenet5"), "contenders": ("tl1", "int8"), "batch": 16, "repeat": 5, "bfloat16": True}]
    report = saved(tmp_path / "t.json")
    assert (report["bench"], report["batch"], report["bfloat16"]) == ("training", 16, True)
    assert report["steps"][4]["model"] == "lenet5"
    assert report["steps"][4]["ratio"] == pytest.approx(1.1)
    assert [target["met"] for target in report["targets"]] == [True, False, True]


def test_training_by_default_takes_all_methods(steps: list[dict], quiesce: Callable[..., Result]) -> None:
    from quiesce.bench.steps import CONTENDERS

    assert quiesce("bench", "training").exit_code == 0
    assert steps[0]["models"] == ("mlp3", "lenet5", "convnet5", "resnet20")
    assert steps[0]["contenders"] == tuple(CONTENDERS)
    text = " ".join(quiesce("bench", "training", "--help").stdout.split())
    assert all(name in text for name in CONTENDERS)


def test_training_really_measured(quiesce: Callable[..., Result]) -> None:
    result = quiesce("bench", "training", "mlp3", "--method", "trainer", "--batch", 4, "--repeat", 1, "--json", "-")
    assert [one["contender"] for one in json.loads(result.stdout)["steps"]] == ["plain", "trainer"]


def test_training_of_what_there_is_not(rejects: Callable[..., str]) -> None:
    assert "MODEL lenet6: not one of lenet4, " in rejects("bench", "training", "lenet6")
    assert "--method l2: not one of trainer, l1, " in rejects("bench", "training", "--method", "l2")
    assert "--batch" in rejects("bench", "training", "--batch", 1)


def test_json_on_standard_output_leaves_no_room_for_a_table(measured: None, quiesce: Callable[..., Result]) -> None:
    result = quiesce("bench", "density", "--json", "-")
    assert json.loads(result.stdout)["bench"] == "density"


def test_unknown_network(rejects: Callable[..., str]) -> None:
    assert "no-such-net" in rejects("bench", "speed", "no-such-net")
    assert "no-such-net" in rejects("bench", "utilisation", "no-such-net")
