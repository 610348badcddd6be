"""What a training run reports, and the model card made of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quiesce.sw import reference
from quiesce.sw.format.network import Network
from quiesce.sw.train.recipe import Recipe

__all__ = ["LayerReport", "TrainReport", "evaluate", "model_card"]


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """Work of one layer, means over the test images.

    Parameters
    ----------
    name : str
        Of the layer.
    density : float
        Nonzero share of its input activations, 0..1.
    events, effectual_macs : float
        Per image.
    dense_macs : int
        Per image.
    """

    name: str
    density: float
    events: float
    effectual_macs: float
    dense_macs: int


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
    n_test : int
        Test images.
    layers : tuple of LayerReport
        In the order of computation.
    """

    name: str
    path: Path
    card: Path
    validation_accuracy: float
    float_accuracy: float
    int8_accuracy: float
    n_test: int
    layers: tuple[LayerReport, ...]

    def __str__(self) -> str:
        accuracies = f"int8 accuracy {self.int8_accuracy:.2%} (real-valued {self.float_accuracy:.2%}) on {self.n_test:,} images"
        work = f"{self.events:,.0f} events and {self.effectual_macs:,.0f} of {self.dense_macs:,} MACs per image"
        return f"{self.path}: {accuracies}, {work}; card in {self.card}"

    @property
    def events(self) -> float:
        """Events per image, all layers."""
        return sum(layer.events for layer in self.layers)

    @property
    def effectual_macs(self) -> float:
        """Effectual MACs per image, all layers."""
        return sum(layer.effectual_macs for layer in self.layers)

    @property
    def dense_macs(self) -> int:
        """Dense MACs per image, all layers."""
        return sum(layer.dense_macs for layer in self.layers)


def evaluate(
    network: Network, images: npt.NDArray[np.int8], labels: npt.NDArray[np.uint8]
) -> tuple[float, tuple[LayerReport, ...]]:
    """Accuracy of the integer reference and the work of each layer over images (N, rows, cols, chans)."""
    result = reference.run(network, images, keep_activations=False)
    right = np.mean(result.outputs.reshape(len(images), -1).argmax(axis=1) == labels)
    layers = tuple(
        LayerReport(
            name=name,
            density=counts.density,
            events=float(counts.events.mean()),
            effectual_macs=float(counts.effectual_macs.mean()),
            dense_macs=counts.dense_macs,
        )
        for name, counts in result.counts.items()
    )
    return float(right), layers


_CARD = """\
# {title}

{summary}

- **Data**: MNIST (Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0): trained on the first {images:,} training images; every
  choice rests on the last {validation:,}, held out; the {n_test:,} test images serve for the figures below only. Inputs are
  floor(pixel x 127 / 255 + 1/2), with scale 1/127.
- **Method**: {real} epochs of real-valued training, then {integer} epochs of quantisation-aware training on exactly the integers
  of the file; AdamW, batch {batch}, seed {seed}; learning rates {real_rate:g} and {integer_rate:g}, falling to 0 along a cosine;
  the last epoch is kept. Augmentation: rotation up to {rotate:g} degrees, shift up to {shift:g} pixels, zoom up to {zoom:g}.
  {regulariser}
- **Integers**: weights signed 8 bits, one scale per output channel; activations 0..127 after ReLU, one scale per map.
- **Command**: `{command}`

| accuracy | images | |
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


def model_card(report: TrainReport, recipe: Recipe, network: Network, command: str) -> str:
    """The report as a Markdown page."""
    rows = [
        f"| {layer.name} | {layer.density:.2%} | {layer.events:,.1f} | {layer.effectual_macs:,.0f} | {layer.dense_macs:,} |"
        for layer in report.layers
    ]
    rows.append(f"| all | | {report.events:,.1f} | {report.effectual_macs:,.0f} | {report.dense_macs:,} |")
    weights = [layer.weight for layer in network.layers if layer.weight is not None]
    n_weights, n_nonzero = sum(weight.size for weight in weights), sum(np.count_nonzero(weight) for weight in weights)
    penalty = recipe.regulariser
    return _CARD.format(
        title=recipe.name,
        summary=f"{_TITLES.get(recipe.model, recipe.model)}, {n_weights:,} weights, {n_nonzero / n_weights:.1%} of them nonzero.",
        images=recipe.data.images, validation=recipe.data.validation, n_test=report.n_test,
        real=recipe.real.epochs, integer=recipe.integer.epochs, real_rate=recipe.real.rate, integer_rate=recipe.integer.rate,
        batch=recipe.batch, seed=recipe.seed, rotate=recipe.data.rotate, shift=recipe.data.shift, zoom=recipe.data.zoom,
        regulariser=f"Loss: cross-entropy + {penalty.coefficient:g} x work-weighted {penalty.kind} of the activations."
        if penalty.coefficient else "Loss: cross-entropy.",
        command=command, float_accuracy=report.float_accuracy, int8_accuracy=report.int8_accuracy,
        validation_accuracy=report.validation_accuracy, rows="\n".join(rows),
    )  # fmt: skip


_TITLES = {"lenet5": "LeNet-5 (two convolutions, maximum pooling, ReLU)", "mlp3": "Fully connected 784-300-100-10, ReLU"}
