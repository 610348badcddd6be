"""What a training run reports, and the model card made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np

from quiesce.sw.data.sets import SETS
from quiesce.sw.format.checks import largest
from quiesce.sw.format.network import Network
from quiesce.sw.quant.calibrate import Calibration
from quiesce.sw.sparsity.statistics import Statistics
from quiesce.sw.train.methods import build_methods
from quiesce.sw.train.models import MODELS
from quiesce.sw.train.recipe import Phase, Recipe

__all__ = ["TrainReport", "model_card"]


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """Outcome of a training run.

    Parameters
    ----------
    name : str
        Of the network.
    path, card : Path
        The network file and its model card.
    validation_accuracy, float_accuracy, int8_accuracy : float
        Integer network on the held-out training images; real-valued and integer network on the test images, 0..1.
    test : Statistics
        Of the integer network on the test images.
    changing : Statistics or None
        The same on changes from frame to frame, of a set of streams.
    epochs : int
        Trained in all, those included whose weights were given up.
    """

    name: str
    path: Path
    card: Path
    validation_accuracy: float
    float_accuracy: float
    int8_accuracy: float
    test: Statistics
    changing: Statistics | None = None
    epochs: int

    def __str__(self) -> str:
        test = self.test
        accuracies = f"int8 accuracy {self.int8_accuracy:.2%} (real-valued {self.float_accuracy:.2%}) on {test.n_images:,} images"
        work = f"{test.events:,.0f} events and {test.effectual_macs:,.0f} of {test.dense_macs:,} MACs per image"
        if self.changing is not None:
            work += f", {self.changing.effectual_macs:,.0f} on changes"
        return f"{self.path}: {accuracies}, {work}; card in {self.card}"


_LIMITS = {
    Calibration.MAX: "the largest activations",
    Calibration.PERCENTILE: "the largest but one in ten thousand of the nonzero activations",
    Calibration.MSE: "what rounds and clips the activations with the least squared error",
}
"""In words, of training images."""

_CARD = """\
# {title}

{summary}

{notes}

| {metric} | images | |
|---|---|---|
| real-valued, before quantisation | test | {float_accuracy:.2%} |
| int8, as in the file | test | {int8_accuracy:.2%} |
| int8, as in the file | validation | {validation_accuracy:.2%} |

Work per image, means over the test images. Density and events are those of a layer's input; effectual MACs are those with both
operands nonzero.

| layer | density | events | effectual MACs | dense MACs |
|---|---|---|---|---|
{rows}
"""

_CHANGING = """
Work per frame of streams that are computed on changes from frame to frame, first frames left out; the outputs are the same.

| layer | changing | events | effectual MACs | dense MACs |
|---|---|---|---|---|
{rows}
"""


def model_card(report: TrainReport, recipe: Recipe, network: Network, command: str) -> str:
    """The report as a Markdown page."""
    weights = [layer.weight for layer in network.layers if layer.weight is not None]
    n_weights, n_nonzero = sum(weight.size for weight in weights), sum(np.count_nonzero(weight) for weight in weights)
    notes = (*_notes(recipe, report.test.n_images, report.epochs), f"**Command**: `{command}`")
    return _CARD.format(
        title=recipe.name, metric=SETS[recipe.data.set].metric,
        summary=f"{MODELS[recipe.model].title}, {n_weights:,} weights, {n_nonzero / n_weights:.1%} of them nonzero.",
        notes="\n".join(map(_wrap, notes)),
        float_accuracy=report.float_accuracy, int8_accuracy=report.int8_accuracy,
        validation_accuracy=report.validation_accuracy, rows=_rows(report.test),
    ) + ("" if report.changing is None else _CHANGING.format(rows=_rows(report.changing)))  # fmt: skip


def _rows(statistics: Statistics) -> str:
    """Of the table of layers."""
    rows = [
        f"| {layer.name} | {layer.density:.2%} | {layer.events:,.1f} | {layer.effectual_macs:,.0f} | {layer.dense_macs:,} |"
        for layer in statistics.layers
    ]
    return "\n".join(
        [*rows, f"| all | | {statistics.events:,.1f} | {statistics.effectual_macs:,.0f} | {statistics.dense_macs:,} |"]
    )


def _wrap(note: str) -> str:
    """An item of a list."""
    return fill(note, 128, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _notes(recipe: Recipe, n_test: int, n_epochs: int) -> Iterator[str]:
    """How the network was made, in paragraphs."""
    data = SETS[recipe.data.set]
    frames = (
        f"; trained on clips of {recipe.data.frames} frames, first frames of streams left out of figures" if data.streams else ""
    )
    untrained = recipe.real.epochs + recipe.integer.epochs == 0
    trained = "" if untrained else f"trained on the first {recipe.data.images:,} training images; "
    yield (
        f"**Data**: {data.title} ({data.credit}): {trained}every choice rests on the last {recipe.data.validation:,} training "
        f"images, held out; the {n_test:,} test images serve for the figures below only{frames}. Inputs are {data.encoding}."
    )
    if recipe.start is not None and recipe.start.network:
        yield f"**Start**: the real weights that the integers of `{_base(recipe.start.network)}` stand for."
    elif recipe.start is not None:
        yield (
            f"**Start**: the published weights `{recipe.start.file}` (SHA-256 `{recipe.start.sha256}`), trained by their authors "
            "on all training images, so that the accuracy on held-out ones says little."
        )
    if recipe.sparsity:
        share = f"the smallest {recipe.sparsity:.0%} of all weights were set to zero"
        if recipe.balanced:
            share = (
                f"{recipe.sparsity:.0%} of all weights were set to zero: of each layer as many as are among the smallest of all, "
                "but of each of its output channels equally many, its smallest"
            )
        yield f"**Pruning**: before training, {share}; they stay zero."
    phases = []
    if recipe.real.epochs:
        phases.append(f"{_phase(recipe.real)} of real-valued training{' in bfloat16' if recipe.bfloat16 else ''}")
    if recipe.integer.epochs:
        phases.append(f"{_phase(recipe.integer)} of quantisation-aware training on exactly the integers of the file")
    if phases:
        kept = "the last epoch is kept unless the sparsity keeps another" if recipe.methods else "the last epoch is kept"
        yield (
            f"**Method**: {', then '.join(phases)}; AdamW, batch {recipe.batch}, seed {recipe.seed}; learning rates fall to 0 "
            f"along a cosine; {kept}. Augmentation: {_augmentation(recipe)}. Loss: cross-entropy."
        )
    if recipe.methods:
        described = build_methods(recipe.methods, lambda module: 0.0).describe()
        yield f"**Sparsity**: {described} Epochs count both phases; {n_epochs} were trained in all."
    limits = f"with {_LIMITS[recipe.calibration or Calibration.MAX]} of 1,000 training images as the limits of the maps"
    if not recipe.integer.epochs:
        yield f"**Quantisation**: after training, {limits}."
    elif recipe.calibration is not None:
        yield f"**Quantisation**: before training on the integers, {limits}."
    widths = recipe.widths
    weights, acts = (_exceptions(bits) for bits in (widths.weights_of, widths.activations_of))
    yield (
        f"**Integers**: weights signed {widths.weights} bits{weights}, one scale per output channel; activations "
        f"0..{largest(widths.activations)} after ReLU{acts}, one scale per map."
    )


def _base(path: str) -> str:
    """The name of a shipped network, or of a file without its folder, which says nothing on another machine."""
    return Path(path).name


def _exceptions(bits: Mapping[str, int]) -> str:
    """Layers with another width, in brackets."""
    return f" ({', '.join(f'{name}: {width}' for name, width in bits.items())})" if bits else ""


def _phase(phase: Phase) -> str:
    epochs = "1 epoch" if phase.epochs == 1 else f"{phase.epochs} epochs"
    if phase.draw:
        epochs += f" of {phase.draw:,} images, drawn anew each time"
    if phase.images:
        epochs += f" {'from' if phase.draw else 'of'} the first {phase.images:,} images"
    again = f", anew after {', '.join(map(str, phase.restarts))}" if phase.restarts else ""
    return f"{epochs} (learning rate {phase.rate:g}{again})"


def _augmentation(recipe: Recipe) -> str:
    data, shape = recipe.data, MODELS[recipe.model].shape
    items = []
    if data.rotate or data.shift or data.zoom:
        items.append(f"rotation up to {data.rotate:g} degrees, shift up to {data.shift:g} pixels, zoom up to {data.zoom:g}")
    if data.pad or shape != SETS[data.set].shape:
        around = f" after padding by {data.pad} pixels" if data.pad else ""
        items.append(f"parts of {shape[0]} x {shape[1]} pixels at random places{around} (their centres in tests)")
    if data.flip:
        items.append("left and right swapped at random")
    return ", ".join(items) or "none"
