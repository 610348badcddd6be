"""``quiesce quantize``: from a user's torch module to a network file."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import click
import numpy as np

from quiesce.cli.app import CliError
from quiesce.cli.inputs import load_array
from quiesce.cli.options import InFile, OutFile

if TYPE_CHECKING:
    import torch

__all__ = ["quantize"]


@contextmanager
def _as_script(source: str, folder: Path) -> Iterator[None]:
    """Let imports find modules in a folder, and give code that reads the command line no words of this one."""
    argv, sys.argv = sys.argv, [source]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.argv = argv
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


def _free_name(stem: str) -> str:
    """A name for the user's file in ``sys.modules`` that hides no other module, its own if possible."""
    name = stem.replace(".", "_")
    while name in sys.modules or name in sys.stdlib_module_names:
        name += "_"
    return name


def _import_source(source: str) -> Any:
    """The user's Python module: a file, or a dotted name importable from the working folder."""
    if not source.endswith(".py"):
        return importlib.import_module(source)
    path = Path(source)
    spec = importlib.util.spec_from_file_location(_free_name(path.stem), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses, pickle and type hints look modules up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


@contextmanager
def _no_exit(text: str) -> Iterator[None]:
    """The user's code cannot end the program but by an error that names it."""
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _failure(text, error) from error


@contextmanager
def _users_code(text: str) -> Iterator[None]:
    """Whatever the user's code raises is bad input; --debug shows where it comes from."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _failure(text, error) from error


def _failure(text: str, error: BaseException) -> CliError:
    message = str(error) if isinstance(error, CliError) else f"{type(error).__name__}: {error}"
    return CliError(f"--module {text}: {' '.join(message.split())}")


def build_module(text: str) -> "torch.nn.Module":
    """The module that ``package.module:factory`` or ``file.py:factory`` makes.

    Raises
    ------
    CliError
        No such Python module or factory, it raises an error, or it makes something else.
    """
    from torch import nn

    source, separator, name = text.rpartition(":")
    if not separator or not source or not name:
        raise CliError(f"--module {text}: not of the form package.module:factory or file.py:factory")
    is_file = source.endswith(".py")
    if is_file and not Path(source).is_file():
        raise CliError(f"--module {text}: {source}: no such file")
    with _users_code(text), _as_script(source, Path(source).resolve().parent if is_file else Path.cwd()):
        module = _import_source(source)
        if not hasattr(module, name):
            raise CliError(f"{source} has no {name}")
        factory = getattr(module, name)
        if not callable(factory):
            raise CliError(f"{name} is not callable")
        made = factory()
    if not isinstance(made, nn.Module):
        raise CliError(f"--module {text}: makes {type(made).__name__}, not a torch module")
    return made


def load_weights(module: "torch.nn.Module", path: Path) -> None:
    """Load a safetensors state dictionary into a module, all of it and nothing else.

    Raises
    ------
    CliError
        The file is damaged, or does not fit the module.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise CliError(f"--weights {path}: not a safetensors file: {error}") from error
    except RuntimeError as error:
        raise CliError(f"--weights {path}: {' '.join(str(error).split())}") from error


@click.command()
@click.option(
    "--module",
    "source",
    required=True,
    metavar="MODULE:FACTORY",
    help="What makes the torch module: package.module:factory or file.py:factory.",
)
@click.option("--weights", type=InFile, metavar="FILE", help="State dictionary of the module, in safetensors.")
@click.option(
    "--calibration",
    type=InFile,
    required=True,
    metavar="FILE",
    help="Some hundred typical inputs as .npy, (N, C, H, W) or (N, F).",
)
@click.option("--name", help="Name of the network; by default that of the output file.")
@click.option("--input-scale", type=float, help="Real value of one step of the input; by default from the calibration inputs.")
@click.option("--weight-bits", type=click.Choice(["8", "4", "2"]), default="8", show_default=True, help="Bits of a weight.")
@click.option(
    "--act-bits",
    type=click.Choice(["8", "4"]),
    default="8",
    show_default=True,
    help="Bits of an activation between layers; input and output keep 8.",
)
@click.option(
    "--acc-width",
    type=click.IntRange(16, 32),
    default=24,
    show_default=True,
    help="Bits of the core's accumulators, which all sums fit.",
)
@click.option("-o", "--out", type=OutFile, required=True, metavar="FILE", help="Network file to write.")  # fmt: skip
def quantize(
    source: str,
    weights: Path | None,
    calibration: Path,
    name: str | None,
    input_scale: float | None,
    weight_bits: str,
    act_bits: str,
    acc_width: int,
    out: Path,
) -> None:
    """Quantise a trained torch module of your own."""
    import torch

    from quiesce.sw.format.container import save_network
    from quiesce.sw.quant import PrecisionWarning, Widths
    from quiesce.sw.quant import quantize as run

    module = build_module(source)
    if weights is not None:
        load_weights(module, weights)
    inputs = torch.from_numpy(load_array("--calibration", calibration).astype(np.float32))
    widths = Widths(weights=int(weight_bits), activations=int(act_bits))
    with _no_exit(source), catch_warnings(record=True) as lost:
        simplefilter("always", PrecisionWarning)
        network = run(module, inputs, name=name or out.stem, input_scale=input_scale, widths=widths, acc_width=acc_width)
    for warning in lost:
        click.echo(f"quiesce: warning: {' '.join(str(warning.message).split())}", err=True)
    save_network(out, network)
    click.echo(f"{out}: {len(network.layers)} layers, {out.stat().st_size:,} bytes")
