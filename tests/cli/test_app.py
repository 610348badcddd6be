"""Help, exit statuses and error lines of the command as a whole."""

import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from quiesce.cli.app import App, CliError
from quiesce.cli.main import main
from quiesce.sim.errors import CoreError
from quiesce.spec.config import ConfigError
from quiesce.sw.format.errors import TruncatedError

COMMANDS = (
    "train", "quantize", "inspect", "statistics", "verilog", "synth", "gatesim", "calibrate", "cosim", "bench", "faults", "soak",
    "results", "thresholds",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(quiesce: Callable[..., Result], command: str) -> None:
    result = quiesce(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: quiesce {command}")
    found = main.get_command(click.Context(main), command)
    assert found is not None
    assert (found.help or "").split("\n")[0] in " ".join(result.stdout.split())


def test_help_lists_all_commands(quiesce: Callable[..., Result]) -> None:
    result = quiesce("--help")
    assert result.exit_code == 0
    assert sorted(COMMANDS) == main.list_commands(click.Context(main))
    assert all(f"  {command} " in result.stdout for command in COMMANDS)


def test_a_command_loads_no_other() -> None:
    script = """
import sys
from quiesce.cli.main import main
try:
    main(["cosim", "--help"])
except SystemExit:
    print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {command for command in COMMANDS if f"quiesce.cli.{command}" in loaded} == {"cosim"}


def test_without_a_command_it_shows_its_help(quiesce: Callable[..., Result]) -> None:
    result = quiesce()
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: quiesce")


def test_version(quiesce: Callable[..., Result]) -> None:
    assert quiesce("--version").stdout.startswith("quiesce 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frob"], "No such command 'frob'."),
        (["--frob"], "No such option '--frob'."),
        (["cosim"], "Missing argument 'NET'."),
        (["cosim", "x", "--images", "0"], "Invalid value for '--images': 0 is not in the range x>=1."),
        (["cosim", "x", "--latency", "1"], "Invalid value for '--latency': 1 is not in the range 2<=x<=65535."),
        (["cosim", "x", "--inputs", "/no/file"], "Invalid value for '--inputs': File '/no/file' does not exist."),
        (["cosim", "x", "--json", "new/"], "Invalid value for '--json': 'new/' names a folder, not a file."),
        (["train", "--out", "x"], "Missing option '--recipe'."),
    ],
)
def test_usage_errors_are_one_line(rejects: Callable[..., str], words: list[str], message: str) -> None:
    assert rejects(*words) == message


def _raising(error: BaseException) -> App:
    app = App("quiesce", params=[click.Option(["--debug"], is_flag=True)])
    app.callback = lambda debug: None

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError("n_pes: 0 is not in 1..64"), 2, "quiesce: error: n_pes: 0 is not in 1..64\n"),
        (TruncatedError("7 bytes"), 2, "quiesce: error: 7 bytes\n"),
        (CliError("--set x"), 2, "quiesce: error: --set x\n"),
        (CoreError("no interrupt"), 1, "quiesce: error: no interrupt\n"),
        (FileNotFoundError(2, "No such file or directory", "a/b"), 2, "quiesce: error: a/b: no such file or directory\n"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 1,
         "quiesce: error: this command needs torch: install quiesce[train]\n"),
        (KeyboardInterrupt(), 130, "quiesce: interrupted\n"),
    ],
)  # fmt: skip
def test_named_errors_become_a_line_and_a_status(error: BaseException, status: int, line: str) -> None:
    result = CliRunner().invoke(_raising(error), ["fail"])
    assert result.exit_code == status
    assert result.stderr.lstrip("\n") == line


@pytest.mark.parametrize(("words", "error"), [(["--debug", "fail"], ConfigError("x")), (["fail"], ZeroDivisionError("x"))])
def test_faults_and_debugging_keep_the_traceback(words: list[str], error: Exception) -> None:
    assert CliRunner().invoke(_raising(error), words).exception is error


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m quiesce.cli cosim --help | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
