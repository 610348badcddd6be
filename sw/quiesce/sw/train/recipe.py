"""Training recipes: TOML files that say everything a training run depends on, but for the data."""

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from quiesce.sw.data.sets import SETS
from quiesce.sw.files import FileError, convert
from quiesce.sw.format.checks import check_name
from quiesce.sw.format.errors import FormatError
from quiesce.sw.quant.calibrate import Calibration
from quiesce.sw.quant.widths import Widths
from quiesce.sw.train.errors import RecipeError
from quiesce.sw.train.methods import build_methods
from quiesce.sw.train.models import MODELS

__all__ = ["Data", "Phase", "Recipe", "Start", "load_recipe"]


Share = Annotated[float, Meta(ge=0, le=1)]
Images = Annotated[int, Meta(ge=0, le=10**6)]


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
    frames : int
        Of each clip that training and validation take of streams, at least 2; 1 of images. A batch consists of whole clips, the
        frames of which are augmented alike; their first frames count in no metric.
    """

    set: str = "mnist"
    validation: Annotated[int, Meta(ge=1)] = 5000
    images: Images = 0
    rotate: Annotated[float, Meta(ge=0, le=180)] = 0.0
    shift: Annotated[float, Meta(ge=0, le=28)] = 0.0
    zoom: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    pad: Annotated[int, Meta(ge=0, le=16)] = 0
    flip: bool = False
    frames: Annotated[int, Meta(ge=1, le=1000)] = 1

    def __post_init__(self) -> None:
        if self.set not in SETS:
            raise RecipeError(f"data.set: {self.set!r} is not one of {', '.join(SETS)}")
        n_train = SETS[self.set].n_train
        if self.validation >= n_train:
            raise RecipeError(f"data.validation: {self.validation} is not in 1..{n_train - 1}")
        if self.images == 0:
            object.__setattr__(self, "images", n_train - self.validation)
        if self.images > n_train - self.validation:
            raise RecipeError(f"data.images: {self.images} is not in 1..{n_train - self.validation}")
        if SETS[self.set].metric != "accuracy" and (self.flip or any((self.rotate, self.shift, self.zoom, self.pad))):
            raise RecipeError("data: images whose pixels have labels are not augmented")
        if (self.frames > 1) != SETS[self.set].streams:
            raise RecipeError(f"data.frames: {self.frames}: at least 2 for sets of streams, 1 for sets of images")


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

    epochs: Annotated[int, Meta(ge=0, le=1000)]
    rate: Annotated[float, Meta(ge=1e-9, le=1)]
    decay: Share = 0.01
    warmup: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    images: Images = 0
    draw: Images = 0
    restarts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for after, epoch in zip((0, *self.restarts), self.restarts, strict=False):
            if not after < epoch < self.epochs:
                raise RecipeError(f"restarts: {epoch} is not in {after + 1}..{self.epochs - 1}")


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
        if self.network:
            if self.file or self.sha256:
                raise RecipeError("start.network: not together with start.file and start.sha256")
            return
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts or not self.file:
            raise RecipeError(f"start.file: {self.file!r} is no path within the folder of the data sets")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise RecipeError(f"start.sha256: {self.sha256!r} is not 64 hexadecimal digits")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run: real-valued training, then quantisation-aware training of the calibrated network.

    Types and ranges of single fields are checked as the file is read, what several have to do with each other in any case.

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
        Fields that do not fit together, or name what there is not.
    """

    name: str
    model: str
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    batch: Annotated[int, Meta(ge=2)] = 128
    real: Phase
    integer: Phase
    data: Data = field(default_factory=Data)
    methods: tuple[dict[str, Any], ...] = ()
    sparsity: Annotated[float, Meta(ge=0, le=0.99)] = 0.0
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
        if self.batch > self.data.images:
            raise RecipeError(f"batch: {self.batch} is not in 2..{self.data.images}")
        if self.batch % self.data.frames:
            raise RecipeError(f"batch: {self.batch} is no whole number of clips of {self.data.frames} frames")
        build_methods(self.methods, lambda module: 0.0)
        (rows, cols, chans), images = MODELS[self.model].shape, SETS[self.data.set]
        if not images.fits((rows, cols, chans)):
            raise RecipeError(f"model: {self.model} takes {rows} x {cols} x {chans} images, {images.title} has other ones")
        if MODELS[self.model].maps != (images.metric != "accuracy"):
            raise RecipeError(f"model: {self.model} and {images.title}: one of them has classes of pixels, the other of images")

    def digest(self) -> str:
        """Hash of all settings: checkpoints of another recipe are not resumed."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


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
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    try:
        return convert(content, Recipe, str(path))
    except FileError as error:
        raise RecipeError(str(error)) from None


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
