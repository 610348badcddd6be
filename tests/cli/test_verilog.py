"""``quiesce verilog``."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from quiesce.cli.verilog import verilog


@pytest.fixture(autouse=True)
def no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quiesce.rtl.verilog.emit.emit", lambda config: f"// {config.n_pes}\n")
    monkeypatch.setattr("quiesce.rtl.verilog.files.verilog_files", lambda config: {"core.v": "1\n", "core.f": "core.v\n"})


def test_one_file(tmp_path: Path) -> None:
    assert CliRunner().invoke(verilog, ["--set", "n_pes=8"]).output == "// 8\n"
    assert CliRunner().invoke(verilog, ["-o", str(tmp_path / "a.v")]).exit_code == 0
    assert (tmp_path / "a.v").read_text() == "// 16\n"
    assert "names a folder" in CliRunner().invoke(verilog, ["-o", f"{tmp_path / 'new'}/"]).output


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "core"
    for _ in range(2):
        assert CliRunner().invoke(verilog, ["--folder", str(folder)]).exit_code == 0
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"core.v": "1\n", "core.f": "core.v\n"}


def test_one_or_the_other(tmp_path: Path) -> None:
    done = CliRunner().invoke(verilog, ["--folder", str(tmp_path), "-o", str(tmp_path / "a.v")])
    assert done.exit_code and "two ways" in str(done.exception)
