"""Training recipes: TOML files that say everything a training run depends on, but for the data."""

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from quiesce.sw.data.sets import SETS
from quiesce.sw.format.checks import check_name
from quiesce.sw.format.errors import FormatError
from quiesce.sw.quant.calibrate import Calibration
from quiesce.sw.quant.errors import QuantizeError
from quiesce.sw.quant.widths import Widths
from quiesce.sw.train.errors import RecipeError
from quiesce.sw.train.methods import build_methods
from quiesce.sw.train.models import MODELS

__all__ = ["Data", "Phase", "Recipe", "Start", "load_recipe"]


def _check(value: object, kind: type, low: float, high: float, where: str) -> None:
    if kind is int and (not isinstance(value, int) or isinstance(value, bool)):
        raise RecipeError(f"{where}: {value!r} is not an integer")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise RecipeError(f"{where}: {value!r} is not a finite number")
    if not low <= value <= high:
        raise RecipeError(f"{where}: {value!r} is not in {low}..{high}")


def _check_flag(value: object, where: str) -> None:
    if not isinstance(value, bool):
        raise RecipeError(f"{where}: {value!r} is not true or false")


@dataclass(frozen=True, kw_only=True)
class Data:
    """Training images and their augmentation.

    Parameters
    ----------
    set : str
        A key of ``quiesce.sw.data.sets.SETS``.
    validation : int
        Training images held out, the last ones, for every choice made: at least 1, fewer than there are.
    images : int
        Training images used, the first ones; by default (0) all but the held-out ones.
    rotate, shift, zoom : float
        Largest random rotation (degrees), shift (pixels) and relative change of size.
    pad : int
        Pixels of background around an image before a part of the network's input size is cut from a random place.
    flip : bool
        Swap left and right half of the time.
    """

    set: str = "mnist"
    validation: int = 5000
    images: int = 0
    rotate: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    pad: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.set not in SETS:
            raise RecipeError(f"data.set: {self.set!r} is not one of {', '.join(SETS)}")
        n_train = SETS[self.set].n_train
        _check(self.validation, int, 1, n_train - 1, "data.validation")
        if self.images == 0:
            object.__setattr__(self, "images", n_train - self.validation)
        _check(self.images, int, 1, n_train - self.validation, "data.images")
        _check(self.pad, int, 0, 16, "data.pad")
        _check_flag(self.flip, "data.flip")
        if SETS[self.set].metric != "accuracy" and (self.flip or any((self.rotate, self.shift, self.zoom, self.pad))):
            raise RecipeError("data: images whose pixels have labels are not augmented")
        for name, high in (("rotate", 180), ("shift", 28), ("zoom", 0.9)):
            _check(getattr(self, name), float, 0, high, f"data.{name}")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase of training with AdamW and a learning rate that falls from ``rate`` to 0 along half a cosine::

        lr = rate (1 + cos(pi e / n)) / 2        e of n epochs since the start, or the last restart

    With ``warmup`` it also grows from 0 at the beginning.

    Parameters
    ----------
    epochs : int
        0..1000.
    rate : float
        Initial learning rate, above 0..1.
    decay : float
        Weight decay.
    warmup : float
        Epochs over which the rate grows to what it would be otherwise.
    images : int
        Only so many of the training images, the first ones; by default (0) all.
    draw : int
        Images of an epoch, drawn anew each time from those; by default (0) all of them. Short epochs let methods that react to
        epochs react often.
    restarts : tuple of int
        Epochs, ascending, after which the rate begins anew.
    """

    epochs: int
    rate: float
    decay: float = 0.01
    warmup: float = 0.0
    images: int = 0
    draw: int = 0
    restarts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check(self.epochs, int, 0, 1000, "epochs")
        _check(self.rate, float, 1e-9, 1, "rate")
        _check(self.decay, float, 0, 1, "decay")
        _check(self.warmup, float, 0, 1000, "warmup")
        _check(self.images, int, 0, 10**6, "images")
        _check(self.draw, int, 0, 10**6, "draw")
        if not isinstance(self.restarts, (list, tuple)):
            raise RecipeError(f"restarts: {self.restarts!r} is not a list of epochs")
        object.__setattr__(self, "restarts", tuple(self.restarts))
        for after, epoch in zip((0, *self.restarts), self.restarts, strict=False):
            _check(epoch, int, after + 1, self.epochs - 1, "restarts")


@dataclass(frozen=True, kw_only=True)
class Start:
    """Weights to begin with: published ones, or those of a quantised network, such as the baseline of a comparison.

    Parameters
    ----------
    file : str
        Path within the folder that holds the data sets.
    sha256 : str
        Hash of the file, hexadecimal.
    network : str
        Instead of both, the name of a shipped network or a network file.
    """

    file: str = ""
    sha256: str = ""
    network: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.network, str):
            raise RecipeError(f"start.network: {self.network!r} is not a string")
        if self.network:
            if self.file or self.sha256:
                raise RecipeError("start.network: not together with start.file and start.sha256")
            return
        if not isinstance(self.file, str) or Path(self.file).is_absolute() or ".." in Path(self.file).parts or not self.file:
            raise RecipeError(f"start.file: {self.file!r} is no path within the folder of the data sets")
        if not isinstance(self.sha256, str) or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise RecipeError(f"start.sha256: {self.sha256!r} is not 64 hexadecimal digits")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run: real-valued training, then quantisation-aware training of the calibrated network.

    Parameters
    ----------
    name : str
        Of the network.
    model : str
        A key of ``quiesce.sw.train.models.MODELS``.
    seed : int
        Of weights, order of images and augmentation.
    batch : int
        Images per step.
    real, integer : Phase
        The two phases.
    data : Data
        Images and augmentation.
    methods : tuple of dict
        Training methods, in both phases, as tables: ``kind`` is a key of ``quiesce.sw.train.methods.METHODS``, the others are
        parameters.
    sparsity : float
        Share of the weights set to zero by magnitude before training, 0..0.99; they stay zero.
    balanced : bool
        Equally many weights of each output channel of a layer stay, see ``quiesce.sw.sparsity.selection``.
    bfloat16 : bool
        Multiply in bfloat16 while training real-valued: about twice as fast on processors that can.
    start : Start or None
        Weights to begin with; by default they are drawn at random.
    widths : Widths
        Bits of weights and activations in the second phase and in the file.
    calibration : Calibration, str or None
        What of the activations the largest integer stands for, see ``quiesce.sw.quant.calibrate``, which also has the default.

    Raises
    ------
    RecipeError
        A value out of range.
    """

    name: str
    model: str
    seed: int
    batch: int = 128
    real: Phase
    integer: Phase
    data: Data = field(default_factory=Data)
    methods: tuple[dict[str, Any], ...] = ()
    sparsity: float = 0.0
    balanced: bool = False
    bfloat16: bool = False
    start: Start | None = None
    widths: Widths = field(default_factory=Widths)
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        try:
            check_name(self.name, "name")
        except FormatError as error:
            raise RecipeError(str(error)) from None
        if self.model not in MODELS:
            raise RecipeError(f"model: {self.model!r} is not one of {', '.join(MODELS)}")
        _check(self.seed, int, 0, 2**31 - 1, "seed")
        _check(self.batch, int, 2, self.data.images, "batch")
        _check(self.sparsity, float, 0, 0.99, "sparsity")
        _check_flag(self.balanced, "balanced")
        _check_flag(self.bfloat16, "bfloat16")
        if self.calibration is not None:
            kinds = [each.value for each in Calibration]
            if self.calibration not in kinds:
                raise RecipeError(f"calibration: {self.calibration!r} is not one of {', '.join(kinds)}")
            object.__setattr__(self, "calibration", Calibration(self.calibration))
        if not isinstance(self.methods, (list, tuple)) or not all(isinstance(table, dict) for table in self.methods):
            raise RecipeError(f"methods: {self.methods!r} is not an array of tables")
        object.__setattr__(self, "methods", tuple(self.methods))
        build_methods(self.methods, lambda module: 0.0)
        (rows, cols, chans), images = MODELS[self.model].shape, SETS[self.data.set]
        if not images.fits((rows, cols, chans)):
            raise RecipeError(f"model: {self.model} takes {rows} x {cols} x {chans} images, {images.title} has other ones")
        if MODELS[self.model].maps != (images.metric != "accuracy"):
            raise RecipeError(f"model: {self.model} and {images.title}: one of them has classes of pixels, the other of images")

    def digest(self) -> str:
        """Hash of all settings: checkpoints of another recipe are not resumed."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


_SECTIONS: dict[str, type] = {
    "data": Data, "real": Phase, "integer": Phase, "start": Start, "widths": Widths,
}  # fmt: skip


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe: the fields of ``Recipe``, its parts being tables of the same names.

    Parameters
    ----------
    path : Path
        The file.
    overrides : sequence of str
        Values to replace or add, as ``KEY=VALUE`` with a TOML value; the parts of a key are joined by dots, and a number selects
        from an array of tables: ``methods.0.coefficient=2.0``.

    Raises
    ------
    RecipeError
        The file cannot be read, is no TOML, or has a missing, unknown or bad key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not a TOML file ({error})") from None
    try:
        for override in overrides:
            _override(content, override)
        for key, kind in _SECTIONS.items():
            if key in content:
                content[key] = _build(kind, content[key], f"{key}.")
        recipe: Recipe = _build(Recipe, content, "")
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    return recipe


def _override(content: dict[str, Any], override: str) -> None:
    key, _, text = override.partition("=")
    *path, last = key.strip().split(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
        table: Any = content
        for name in path:
            table = table[int(name)] if isinstance(table, list) else table.setdefault(name, {})
        if not isinstance(table, dict):
            raise TypeError
        table[last] = value
    except (tomllib.TOMLDecodeError, KeyError, IndexError, TypeError, AttributeError, ValueError):
        raise RecipeError(f"{override}: not KEY=VALUE with a TOML value and a key that a recipe may have") from None


def _build(kind: type, table: Any, prefix: str) -> Any:
    if not isinstance(table, dict):
        raise RecipeError(f"{prefix.rstrip('.')}: {table!r} is not a table")
    names = {item.name for item in fields(kind)}
    if unknown := sorted(set(table) - names):
        raise RecipeError(f"{prefix}{unknown[0]}: no such key; known are {', '.join(sorted(names))}")
    try:
        return kind(**table)
    except TypeError as error:  # a required field is missing; fields check their own types
        raise RecipeError(f"{prefix or 'recipe'}: {str(error).partition(') ')[2] or error}") from None
    except (RecipeError, QuantizeError) as error:
        message = str(error)
        raise RecipeError(message if message.startswith(prefix) else prefix + message) from None
