"""Coverage of a soak: corner cases on the nets of a core, settings that meet, points counted by Verilator."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from quiesce.sim.build import build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.job import run_job
from quiesce.sim.soak import coverage
from quiesce.sim.soak.covers import COVERS, cover_text
from quiesce.sim.soak.directed import directed_cases
from quiesce.sim.soak.networks import Limits
from quiesce.sim.soak.settings import SETTINGS, measure_settings, met_pairs, possible_pairs
from quiesce.sw.compiler import compile_network
from quiesce.sw.format.ops import MAXPOOL
from tests import networks
from tests.sim import standin
from tests.sim.cores import PLAIN, WINNERS


def test_a_core_with_everything_has_all_corner_cases():
    """Names of nets are the generator's: one that is gone must not go unnoticed."""
    text, possible = cover_text(core_text(WINNERS).verilog)
    assert possible == list(COVERS)
    assert text.count("cover property") == text.count("\n") == len(COVERS)
    assert "{" not in text and "dut.cluster.core_0.array.pe_0.walker.take" in text


def test_a_core_without_a_part_lacks_its_corner_cases():
    _, possible = cover_text(core_text(PLAIN).verilog)
    names = {cover.name for cover in possible}
    assert "a row drains before the first input row is done" in names
    assert not any(name.startswith(("mask word", "event FIFO")) for name in names)


def test_settings_that_meet():
    rng = np.random.default_rng(1)
    layers = [
        networks.conv(rng, "a", "input", 2, 4, (3, 3), stride=(2, 2)),
        networks.pool(MAXPOOL, "b", "a", 4, (2, 2)),
    ]
    met = met_pairs(compile_network(networks.network(layers, (9, 9, 2)), WINNERS))
    # A pass each, and the next item's first after the last.
    assert met["not maximum", "maximum"] == met["maximum", "not maximum"] == 1
    assert ("maximum", "maximum") not in met and ("targeted", "not targeted") in met
    assert sum(met.values()) == 2 * len(SETTINGS) ** 2
    assert set(met) <= possible_pairs(WINNERS)
    assert ("ranks", "maximum") not in possible_pairs(PLAIN)


def test_verilator_counts(tmp_path: Path):
    covers = "cover_0: cover property (@(posedge clk) waiting);\ncover_1: cover property (@(posedge clk) timeout);\n"
    simulator = build_simulator(standin.VERILOG, main="loop", mark=standin.MARK, covers=covers)
    run_job(simulator, standin.job(standin.script(3)), tmp_path)
    names, hits = coverage.read_hits(tmp_path / "coverage.dat")
    points = dict(zip(map(coverage.point_of, names), hits, strict=True))
    assert points["user", "tb", "1:cover_0"] > 10
    assert points["user", "tb", "2:cover_1"] == 0
    assert {kind for kind, _, _ in points} >= {"line", "toggle", "user"}


def test_coverage_adds_up(monkeypatch):
    covers = [b"\x01l\x02%d\x01page\x02v_user/tb\x01o\x02cover" % line for line in range(1, len(COVERS) + 1)]
    started = 1 + next(
        k for k, line in enumerate(core_text(WINNERS).verilog.splitlines()) if line.strip().startswith("if (start_)")
    )
    points = [
        b"\x01l\x027\x01page\x02v_line/m\x01o\x02block", b"\x01l\x028\x01page\x02v_toggle/m\x01o\x02x",
        b"\x01l\x02%d\x01page\x02v_branch/quiesce_m\x01o\x02if" % started,
    ]  # fmt: skip
    hits = np.array([1, 0, 0, 5] + [0] * (len(COVERS) - 1))
    monkeypatch.setattr(coverage, "build_simulator", lambda verilog, main, covers: None)
    monkeypatch.setattr(coverage, "_run", lambda simulator, job: ([*points, *covers], hits))
    (one,) = coverage.measure_coverage(range(5), {"winners": WINNERS}, limits=Limits(layers=2, cells=500, cycles=500))
    assert one.networks == 5 + len(directed_cases(WINNERS))
    assert one.covers == {cover.name: one.networks if cover is COVERS[0] else 0 for cover in COVERS}
    assert (one.share("line"), one.share("toggle"), one.share("line", "toggle")) == (1.0, 0.0, 0.5)
    assert not any(part.kind == "branch" for part in one.modules)  # what only evaluates a process at the start
    written = json.loads(json.dumps(asdict(one)))
    assert [part["missed"] for part in written["modules"] if part["kind"] == "toggle"] == [["8:x"]]
    assert written["covers"] == one.covers


def test_settings_are_counted_by_core():
    cores = {"winners": WINNERS, "plain": PLAIN}
    found = {one.core: one for one in measure_settings(range(8), cores, limits=Limits(layers=2, cells=500, cycles=500))}
    assert sum(one.networks for one in found.values()) == 8
    for name, one in found.items():
        assert set(one.pairs) | set(one.unmet) == possible_pairs(cores[name]) and not set(one.pairs) & set(one.unmet)
    written = json.loads(json.dumps(found["plain"].to_dict()))
    assert sum(written["pairs"].values()) == found["plain"].pairs.total()


def test_an_output_is_signed_or_not():
    rng = np.random.default_rng(1)
    layers = [networks.linear(rng, "a", "input", 3, 4), networks.linear(rng, "b", "a", 4, 4, low=0)]
    met = met_pairs(compile_network(networks.network(layers, (1, 1, 3)), WINNERS))
    assert met["signed output", "not signed output"] == met["not signed output", "signed output"] == 1
