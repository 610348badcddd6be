"""``quiesce quantize``."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from safetensors.torch import save_file
from torch import nn

from quiesce.sw.format.container import dump_network, load_network
from quiesce.sw.quant import quantize

FACTORIES = """
from torch import nn

def convolution():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())

def unsupported():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh())

def number():
    return 3

def fails():
    return {}["missing"]

constant = 5
"""


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())


@pytest.fixture
def words(module: nn.Module, tmp_path: Path) -> dict[str, object]:
    """Options of a good command line."""
    (tmp_path / "factories.py").write_text(FACTORIES)
    save_file(module.state_dict(), tmp_path / "state.safetensors")
    np.save(tmp_path / "inputs.npy", np.random.default_rng(4).random((8, 1, 6, 5)))
    return {
        "--module": f"{tmp_path}/factories.py:convolution",
        "--weights": tmp_path / "state.safetensors",
        "--calibration": tmp_path / "inputs.npy",
        "--out": tmp_path / "mine.safetensors",
    }


def command(words: dict[str, object], **changes: object) -> list[object]:
    merged = words | {f"--{name}": value for name, value in changes.items()}
    return ["quantize", *(word for pair in merged.items() for word in pair)]


def test_network_is_that_of_the_library(
    quiesce: Callable[..., Result], module: nn.Module, words: dict[str, object], tmp_path: Path
) -> None:
    result = quiesce(*command(words))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{tmp_path}/mine.safetensors: 1 layer")
    inputs = torch.from_numpy(np.load(tmp_path / "inputs.npy").astype(np.float32))
    expected = quantize(module, inputs, name="mine")
    assert (tmp_path / "mine.safetensors").read_bytes() == dump_network(expected)


def test_name_and_input_scale(quiesce: Callable[..., Result], words: dict[str, object], tmp_path: Path) -> None:
    assert quiesce(*command(words, name="other"), "--input-scale", "0.25").exit_code == 0
    network = load_network(tmp_path / "mine.safetensors")
    assert (network.name, network.input.scale) == ("other", 0.25)


def test_widths(quiesce: Callable[..., Result], words: dict[str, object], tmp_path: Path) -> None:
    assert quiesce(*command(words), "--weight-bits", "2", "--act-bits", "4").exit_code == 0
    (layer,) = load_network(tmp_path / "mine.safetensors").layers
    assert (layer.weight_bits, layer.bits) == (2, 8)  # the output of the network stays wide
    assert np.abs(layer.weight).max() == 1


WIDE = """
from torch import nn

def wide():
    layer = nn.Linear(60000, 2)
    nn.init.uniform_(layer.weight, -1, 1)
    return nn.Sequential(layer)
"""


def test_precision_that_accumulators_cost_is_said(
    quiesce: Callable[..., Result], words: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "wide.py").write_text(WIDE)
    np.save(tmp_path / "inputs.npy", np.random.default_rng(4).random((2, 60000)))
    del words["--weights"]
    torch.manual_seed(0)
    result = quiesce(*command(words, module=f"{tmp_path}/wide.py:wide"))
    assert result.exit_code == 0
    assert result.stderr.startswith("quiesce: warning: 0: so that sums of 60,000 products fit accumulators of 24 bits")
    assert result.stderr.count("\n") == 1
    result = quiesce(*command(words, module=f"{tmp_path}/wide.py:wide"), "--acc-width", "32")
    assert (result.exit_code, result.stderr) == (0, "")
    (layer,) = load_network(tmp_path / "mine.safetensors").layers
    assert np.abs(layer.weight).max() == 127


def test_modules_are_found_from_the_working_folder(
    quiesce: Callable[..., Result], words: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_factories.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    assert quiesce(*command(words, module="my_factories:convolution")).exit_code == 0
    # The weights make the result, not the factory's own.
    assert load_network("mine.safetensors").layers[0].weight is not None


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("number", "makes int, not a torch module"),
        ("fails", "KeyError: 'missing'"),
        ("constant", "constant is not callable"),
        ("absent", "has no absent"),
    ],
)
def test_unfit_factories_are_refused(
    rejects: Callable[..., str], words: dict[str, object], tmp_path: Path, factory: str, message: str
) -> None:
    source = f"{tmp_path}/factories.py:{factory}"
    said = rejects(*command(words, module=source))
    assert said.startswith(f"--module {source}: ")
    assert said.endswith(message)
    assert not (tmp_path / "mine.safetensors").exists()


DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass
from torch import nn

@dataclass
class Config:
    width: int = 2
"""
PICKLE = """
import pickle
from torch import nn

class Net(nn.Sequential):
    pass
"""
ARGUMENTS = """
import argparse
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=2)
width = parser.parse_args().width
"""


@pytest.mark.parametrize("stem", ["own_file", "statistics", "torch", "has.dots"])
@pytest.mark.parametrize(
    ("text", "made"),
    [
        (DATACLASS, "nn.Conv2d(1, Config().width, 3)"),
        (PICKLE, "pickle.loads(pickle.dumps(Net(nn.Conv2d(1, 2, 3))))"),
        (ARGUMENTS, "nn.Conv2d(1, width, 3)"),
    ],
)
def test_files_find_themselves_among_the_modules(
    quiesce: Callable[..., Result], words: dict[str, object], tmp_path: Path, stem: str, text: str, made: str
) -> None:
    before = sys.modules.get(stem), list(sys.path), list(sys.argv)
    (tmp_path / f"{stem}.py").write_text(f"{text}\ndef make():\n    return nn.Sequential({made})\n")
    del words["--weights"]
    assert quiesce(*command(words, module=f"{tmp_path}/{stem}.py:make")).exit_code == 0
    if stem in ("statistics", "torch"):  # names that are taken stay what they are
        assert (sys.modules.get(stem), list(sys.path), list(sys.argv)) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import sys; sys.exit('usage:\\n  wrong')", "SystemExit: usage: wrong"),
        ("class Stop(BaseException): pass\nraise Stop", "Stop:"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    ],
)
@pytest.mark.parametrize("where", ["file", "factory", "forward"])
def test_whatever_the_users_code_raises_is_one_line(
    rejects: Callable[..., str], words: dict[str, object], tmp_path: Path, line: str, message: str, where: str
) -> None:
    body = line.replace("\n", "\n    ")
    text = {
        "file": f"{FACTORIES}\n{line}\n",
        "factory": f"def convolution():\n    {body}\n",
        "forward": f"from torch import nn\ndef forward(self, x):\n    {body}\n"
        "convolution = type('Net', (nn.Module,), {'forward': forward})\n",
    }[where]
    (tmp_path / "raises.py").write_text(text)
    if where == "forward":
        del words["--weights"]
    said = rejects(*command(words, module=f"{tmp_path}/raises.py:convolution"))
    assert message in said
    assert where == "forward" or said.startswith(f"--module {tmp_path}/raises.py:convolution: ")
    assert where != "file" or "raises" not in sys.modules
    assert not (tmp_path / "mine.safetensors").exists()


def test_interruptions_are_none_of_the_files_errors(
    quiesce: Callable[..., Result], words: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt")
    assert quiesce(*command(words, module=f"{tmp_path}/interrupted.py:make")).exit_code == 130


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("factories", "not of the form package.module:factory or file.py:factory"),
        (":convolution", "not of the form package.module:factory or file.py:factory"),
        ("/no/file.py:f", "/no/file.py: no such file"),
        ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_missing_modules_are_refused(rejects: Callable[..., str], words: dict[str, object], source: str, message: str) -> None:
    assert rejects(*command(words, module=source)).endswith(message)


def test_unsupported_operations_are_named(rejects: Callable[..., str], words: dict[str, object], tmp_path: Path) -> None:
    assert "tanh" in rejects(*command(words, module=f"{tmp_path}/factories.py:unsupported")).lower()


def test_weights_that_do_not_fit_are_refused(rejects: Callable[..., str], words: dict[str, object], tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"0.weight": torch.zeros(2, 1, 5, 5), "1.bias": torch.zeros(2)}, other)
    said = rejects(*command(words, weights=other))
    assert "0.bias" in said
    assert "1.bias" in said
    other.write_bytes(b"\0" * 4)
    assert rejects(*command(words, weights=other)).startswith(f"--weights {other}: not a safetensors file")


def test_nothing_is_unpickled(rejects: Callable[..., str], words: dict[str, object], tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    trap = tmp_path / "trap"
    trap.write_bytes(pickle.dumps(Trap()))
    rejects(*command(words, weights=trap))
    rejects(*command(words, calibration=trap))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("shape", [(8, 6, 5), (0, 1, 6, 5)])
def test_calibration_inputs_that_do_not_fit_are_refused(
    rejects: Callable[..., str], words: dict[str, object], tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "other.npy", np.zeros(shape))
    assert "inputs" in rejects(*command(words, calibration=tmp_path / "other.npy"))
