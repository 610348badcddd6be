"""Energy: coefficient table, SRAM interpolation, sums."""

from dataclasses import replace
from pathlib import Path

import pytest

from quiesce.sim.energy.breakdown import (
    clock_energy,
    leakage_energy,
    memory_energy,
    off_chip_energy,
    stretch_energy,
    toggle_energy,
    work_energy,
)
from quiesce.sim.energy.idle import idle_power
from quiesce.sim.energy.module_activity import ModuleActivity
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import CLASSES, DEFAULT_TABLE, load_table
from quiesce.sim.errors import EnergyError
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter

TABLE = load_table()


def test_sram_table_is_met_at_its_points() -> None:
    assert TABLE.sram.read(512, 32) == pytest.approx(1.10)
    assert TABLE.sram.write(512, 128) == pytest.approx(5.72)
    assert TABLE.sram.read(2048, 128) == pytest.approx(10.7)


def test_sram_interpolation() -> None:
    # Half way in the logarithm between 2 KB and 8 KB at 32 bits: the geometric mean.
    assert TABLE.sram.read(1024, 32) == pytest.approx((1.10 * 2.81) ** 0.5)
    # Outwards the slope goes on ...
    assert TABLE.sram.read(32768, 32) == pytest.approx(6.10 * 6.10 / 2.81)
    assert TABLE.sram.read(1024, 16) == pytest.approx(1.10 * 1.10 / 1.32)
    # ... but not below 512 bytes.
    assert TABLE.sram.read(16, 32) == TABLE.sram.read(128, 32) == pytest.approx(1.10 * 1.10 / 2.81)
    with pytest.raises(EnergyError, match="0 words"):
        TABLE.sram.read(0, 32)


@pytest.mark.parametrize(
    ("path", "class_"),
    [
        ("cluster/core_0/array/pe_12/mac", "mac"),
        ("cluster/core_0/array/pe_1/accumulator/bank_0", "accumulators"),
        ("cluster/core_0/array/pe_1/psums/registers", "psums"),
        ("cluster/core_0/array/pe_1/event_fifo", "fifo"),
        ("cluster/core_0/array/pe_1/weights/rows", "weights"),
        ("cluster/core_0/array/pe_1", "walker"),
        ("cluster/core_0/scanner/detector", "detector"),
        ("cluster/core_0/read_dma/issue", "dma"),
        ("cluster/core_0/post/unit_0", "post-processing"),
        ("cluster/core_0/winners/ranks", "post-processing"),
        ("cluster/core_0/sequencer", "control"),
        ("cluster/core_7/array/pe_3/mac", "mac"),
        ("cluster/core_0/drain", "post-processing"),
        ("cluster/fetch", "dma"),
        ("cluster/reads/beats", "dma"),
        ("cluster/filter_1", "control"),
        ("csr", "control"),
        ("", "control"),
    ],
)
def test_module_classes(path: str, class_: str) -> None:
    assert TABLE.module_class(path) == class_


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("energy_fj = 13.5", "energy_fj = -1", r"coefficients\.toml: Expected `float` > 0\.0 - at `\$\.toggle\.energy_fj`"),
        ("energy_fj = 13.5", "energy_fj = inf", "Expected `float` < "),
        ("energy_fj = 13.5", "energy_fj = 13.5\nenergy = 1", r"unknown field `energy` - at `\$\.toggle`"),
        ("energy_fj = 13.5", "energy_fj = nan", r"Expected `float` > 0\.0"),
        ('source = "CACTI', 'origin = "CACTI', r"missing required field `source` - at `\$\.sram`"),
        ("[1.10, 1.32, 1.74]", "[1.10, 1.32]", r"read_pj: not 3 rows of 3 numbers - at `\$\.sram`"),
        ("bits = [32, 64, 128]", "bits = [32, 128, 64]", r"bits are not two or more increasing numbers - at `\$\.sram`"),
        ('class = "mac"', 'class = "mack"', r"'mack' - at `\$\.module\[0\]\.class`"),
        ("gated = true", "gated = 1", r"Expected `bool`, got `int` - at `\$\.clock\.gated`"),
        ("[flip_flop]", "[toggle.classes]\nmax = 3\n[flip_flop]", r"'max' - at `key` in `\$\.toggle\.classes`"),
        ("fifo = 18.3", "fifos = 18.3", r"'fifos' - at `key` in `\$\.work\.classes`"),
        (
            "[flip_flop]",
            "[calibration]\ntotal_error = 0.1\n[flip_flop]",
            r"field `source` - at `\$\.calibration`",
        ),
        ("[flip_flop]", "[flop]", "missing required field `flip_flop`"),
        ("[toggle]", "[toggle", "coefficients.toml: "),
    ],
)
def test_damaged_tables_are_rejected(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = DEFAULT_TABLE.read_text()
    assert before in text
    path = tmp_path / "coefficients.toml"
    path.write_text(text.replace(before, after))
    with pytest.raises(EnergyError, match=message):
        load_table(path)


def test_missing_table() -> None:
    with pytest.raises(EnergyError, match="No such file"):
        load_table(Path("/nonexistent/table.toml"))


def counters(**values: int) -> dict[Counter, int]:
    return dict.fromkeys(Counter, 0) | {Counter[name]: value for name, value in values.items()}


def test_memory_energy_by_hand() -> None:
    # Weight rows: 1024 x 64 bits = 8 KB. Accumulator banks: 256 x 32 bits = 1 KB, buffers 512 x 32 bits would be 2 KB.
    config = CoreConfig(acc_width=32, weight_depth=1024, act_depth=256)
    counted = counters(WEIGHT_READS=10, PROGRAM_BEATS=4, ACC_ACCESSES=2, BEATS_READ=3)
    energy = memory_energy(TABLE, config, counted)
    assert energy["weights"] == pytest.approx(10 * 3.16 + 4 * 3.24)
    assert energy["accumulators"] == pytest.approx(2 * (1.10 * (1.10 / 2.81) ** 0.5 + 1.11 * (1.11 / 2.00) ** 0.5))
    assert energy["buffers"] == pytest.approx(3 * (1.32 + 1.75))  # 256 x 64 bits = 2 KB


def test_state_is_accumulators() -> None:
    """Rows of 4 sums of 32 bits, 8 KB in all, and rows of 4 values, a word of 32 bits in 2 KB."""
    config = CoreConfig(acc_width=32, post_units=4, state_depth=2048)
    counted = counters(SUM_READS=7, SUM_WRITES=5, SENT_ACCESSES=3)
    energy = memory_energy(TABLE, config, counted)
    assert energy["accumulators"] == pytest.approx(7 * 3.86 + 5 * 5.72 + 3 * (1.10 + 1.11))
    assert memory_energy(TABLE, replace(config, state_depth=0), counted)["accumulators"] == 0


def test_work_by_hand() -> None:
    table = replace(TABLE, work_pj={"mac": 0.5, "psums": 0.25, "fifo": 2.0})
    config = CoreConfig(n_lanes=2, acc_width=32)
    energy = work_energy(table, config, counters(FIFO_PUSHES=5, MACS=6))
    # An operation of both lanes has two sums, and a tag of 512 / 16. 256 x 32 mask bits make 13-bit slots; with 8 bits of value
    # and two flags 23 bits are pushed.
    assert energy == pytest.approx({"mac": 6 * 0.5, "psums": 3 * (64 + 9 - 4) * 0.25, "fifo": 5 * 23 * 2.0, "detector": 0.0})


def test_toggles_go_to_the_class_of_their_module() -> None:
    activity = {
        "": ModuleActivity(3),
        "cluster/core_0/array/pe_0/mac": ModuleActivity(10),
        "cluster/core_0/array/pe_1/mac": ModuleActivity(20),
    }
    energy = toggle_energy(TABLE, activity)
    assert energy["mac"] == pytest.approx(30 * TABLE.toggles_pj["mac"])
    assert energy["control"] == pytest.approx(3 * TABLE.toggles_pj["control"])
    assert sum(energy.values()) == pytest.approx(energy["mac"] + energy["control"])


CLOCKS = {
    "": Clocks(flip_flops=20),
    "pe": Clocks(30, gated=10, gated_reset=15, gates=1, gates_reset=2, word_bits=40, word_gates=4),
}


def test_a_waiting_core_clocks_what_has_no_gate() -> None:
    table = replace(TABLE, clock_pj=0.01, gate_pj=0.02, clock_tree=0.5, clock_mhz=200.0, leakage_nw=100.0)
    idle = idle_power(table, {"cluster/core_0/encoder": CLOCKS["pe"], "csr": CLOCKS[""]})
    # 30 - 25 flip-flops are free, 20 of the other module; 4 memories have a gate, and 3 groups share one.
    assert idle.free_mw == pytest.approx({"encoder": 5 * 0.01 * 1.5 * 0.2, "control": 20 * 0.01 * 1.5 * 0.2})
    assert idle.gates_mw == pytest.approx({"encoder": 5 * 0.02 * 1.5 * 0.2, "control": 0.0})
    assert idle.leakage_mw == pytest.approx((30 + 40 + 20) * 1e-4)
    assert idle.total_mw == pytest.approx(sum(idle.free_mw.values()) + sum(idle.gates_mw.values()) + idle.leakage_mw)


def test_few_gates_share_none() -> None:
    assert (CLOCKS["pe"].shared, CLOCKS["pe"].root_gates) == (3, 5)
    two = replace(CLOCKS["pe"], gates=0)
    assert (two.shared, two.root_gates) == (0, 6)


def test_clocks_with_and_without_gates() -> None:
    activity = {"": ModuleActivity(0), "pe": ModuleActivity(0, loads=50, loads_reset=25, gates=3 * 20)}
    pins = 100 * (20 + 5) + 75
    gates = 100 * (1 + 4) + 3 * 20
    expected = (pins * TABLE.clock_pj + gates * TABLE.gate_pj) * (1 + TABLE.clock_tree)
    assert clock_energy(TABLE, CLOCKS, activity, 100) == pytest.approx(expected)
    everything = 100 * 50 * TABLE.clock_pj * (1 + TABLE.clock_tree)
    assert clock_energy(TABLE, CLOCKS, activity, 100, gated=False) == pytest.approx(everything)
    assert clock_energy(replace(TABLE, gated=False), CLOCKS, activity, 100) == pytest.approx(everything)


def test_leakage_takes_power_by_time() -> None:
    # 90 flip-flops for 1000 cycles.
    seconds = 1000 / (TABLE.clock_mhz * 1e6)
    assert leakage_energy(TABLE, CLOCKS, 1000) == pytest.approx(90 * TABLE.leakage_nw * 1e-9 * seconds * 1e12)


def test_the_program_crosses_the_bus_once() -> None:
    config = CoreConfig(n_cores=2, data_width=128)
    counted = counters(BEATS_READ=3, BEATS_WRITTEN=4, PROGRAM_BEATS=10)
    assert off_chip_energy(TABLE, config, counted) == pytest.approx(12 * 16 * TABLE.off_chip_pj)


def test_total_of_a_stretch() -> None:
    config = CoreConfig()
    counted = counters(CYCLES=1000, WEIGHT_READS=7)
    activity = {"cluster/core_0/encoder": ModuleActivity(100)}
    energy = stretch_energy(TABLE, config, counters=counted, activity=activity, clocks=CLOCKS)
    assert set(energy) == set(CLASSES)
    assert energy["clock"] == pytest.approx(clock_energy(TABLE, CLOCKS, activity, 1000)) and energy["leakage"] > 0
    memories = sum(sum(part(TABLE, config, counted).values()) for part in (memory_energy, work_energy))
    logic = 100 * TABLE.toggles_pj["encoder"]
    assert sum(energy.values()) == pytest.approx(logic + energy["clock"] + energy["leakage"] + memories)


def test_a_calibration_beside_the_table_replaces_its_entries(tmp_path: Path) -> None:
    path, calibration = tmp_path / "table.toml", tmp_path / "calibration.toml"
    path.write_text(DEFAULT_TABLE.read_text())
    plain = load_table(path)
    assert "error" not in plain.basis()
    load_table.cache_clear()
    calibration.write_text(
        '[toggle]\nsource = "gates"\n[toggle.classes]\nmac = 20\n[clock]\ntree = 0.5\n'
        '[calibration]\ntotal_error = 0.12\nsource = "held-out layers"\n'
    )
    table = load_table(path)
    assert table.toggles_pj == plain.toggles_pj | {"mac": 0.02}
    assert (table.clock_tree, table.gate_pj, table.gated) == (0.5, plain.gate_pj, plain.gated)
    assert table.sources["toggle"] == "gates"
    assert table.basis() == plain.basis() | {"error": 0.12}
    load_table.cache_clear()
    calibration.write_text("[toggle")
    with pytest.raises(EnergyError, match=r"calibration\.toml: "):
        load_table(path)


def test_the_shipped_calibration_is_within_its_target() -> None:
    assert TABLE.error is not None and TABLE.error <= 0.15
    assert all("netlist" in TABLE.sources[section] or "gate-level" in TABLE.sources[section] for section in ("toggle", "leakage"))
