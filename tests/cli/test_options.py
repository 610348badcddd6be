"""Options that several commands share."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from quiesce.cli.app import CliError
from quiesce.cli.options import console_for, core_config, write_json
from quiesce.spec.config import ConfigError, preset


def test_overrides_replace_fields_of_the_preset() -> None:
    assert core_config("tiny", ("n_pes=8", "acc_depth=0x400")) == preset("tiny", n_pes=8, acc_depth=1024)
    assert core_config("base", ()) == preset("base")


@pytest.mark.parametrize("override", ["n_pes", "=3", "n_pes=", "n_pes=four", "n_pes=1.5"])
def test_malformed_overrides_are_refused(override: str) -> None:
    with pytest.raises(CliError, match=r"^--set "):
        core_config("base", (override,))


def test_a_field_is_set_once() -> None:
    with pytest.raises(CliError, match="n_pes is set twice"):
        core_config("base", ("n_pes=4", "n_pes=8"))


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("huge", ["n_pes=4"]), ("base", ["lanes=4"]), ("base", ["n_pes=65"]), ("base", ["acc_depth=16"]),
        ("base", ["winner_depth=96"]), ("base", ["winner_depth=64", "detector_width=64"]),
        ("plain", ["winner_depth=512"]), ("base", ["zero_skipping=2"]),
    ],
)  # fmt: skip
def test_impossible_configurations_are_refused(name: str, overrides: list[str]) -> None:
    with pytest.raises(ConfigError):
        core_config(name, tuple(overrides))


def test_commands_report_configuration_errors(rejects: Callable[..., str]) -> None:
    assert rejects("verilog", "--preset", "huge") == "preset: 'huge' is not one of tiny, base, plain, stream, wide"
    assert rejects("cosim", "any", "--set", "n_pes=65") == "n_pes: 65 is not in 1..64"


def test_json_goes_to_a_file_or_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(None, {"a": 1})
    write_json(tmp_path / "report.json", {"a": 1})
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}
    assert capsys.readouterr().out == ""
    write_json(Path("-"), {"a": 2})
    assert json.loads(capsys.readouterr().out) == {"a": 2}


def test_tables_make_room_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    console_for(Path("-")).print("table")
    console_for(None).print("other")
    assert capsys.readouterr() == ("other\n", "table\n")
