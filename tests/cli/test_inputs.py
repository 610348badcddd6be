"""What networks are run on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiesce.cli.app import CliError
from quiesce.cli.inputs import choose_inputs, load_array, set_folder
from quiesce.sw.data import cifar10, mnist
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.format.network import Layer, MapSpec, Network
from quiesce.sw.format.ops import MAXPOOL


@pytest.fixture
def digit_network() -> Network:
    layer = Layer(
        name="max", op=MAXPOOL, inputs=("input",), kernel=(2, 2), stride=(2, 2), out_scale=mnist.INPUT_SCALE, low=0,
        multiplier=np.ones(1, np.int32), shift=np.zeros(1, np.int32),
    )  # fmt: skip
    spec = MapSpec(height=28, width=28, chans=1, scale=mnist.INPUT_SCALE, low=0)
    return Network(name="digits", input=spec, layers=(layer,), output="max")


def _save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def test_shipped_digits_by_default(digit_network: Network) -> None:
    sample = mnist.sample()
    inputs = choose_inputs(digit_network, None, None, None)
    np.testing.assert_array_equal(inputs.acts, mnist.quantize_images(sample.images))
    np.testing.assert_array_equal(inputs.labels, sample.labels)
    few = choose_inputs(digit_network, 3, None, None)
    assert few.acts.shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(few.labels, sample.labels[:3])


def test_more_digits_need_the_official_files(digit_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(mnist.DATA_VARIABLE, raising=False)
    with pytest.raises(DatasetError, match=mnist.DATA_VARIABLE):
        choose_inputs(digit_network, len(mnist.sample()) + 1, None, None)
    with pytest.raises(DatasetError, match="t10k-images"):
        choose_inputs(digit_network, 1, tmp_path, None)


def test_data_sets_lie_in_folders_of_their_names(tmp_path: Path) -> None:
    assert set_folder(None, "mnist") is None
    assert set_folder(tmp_path, "mnist") == tmp_path
    (tmp_path / "mnist").mkdir()
    assert set_folder(tmp_path, "mnist") == tmp_path / "mnist"
    assert set_folder(tmp_path, "cifar10") == tmp_path


def test_networks_see_the_set_they_name(digit_network: Network) -> None:
    spec = MapSpec(height=24, width=24, chans=3, scale=cifar10.INPUT_SCALE, low=-127)
    multiplier, shift = np.ones(3, np.int32), np.zeros(3, np.int32)
    layer = replace(digit_network.layers[0], multiplier=multiplier, shift=shift, low=-127, out_scale=spec.scale)
    network = Network(name="crops", input=spec, layers=(layer,), output="max", metadata={"data": "CIFAR-10"})
    sample = cifar10.sample()
    inputs = choose_inputs(network, 5, None, None)
    np.testing.assert_array_equal(inputs.acts, cifar10.quantize_images(sample.images)[:5, 4:28, 4:28])
    np.testing.assert_array_equal(inputs.labels, sample.labels[:5])
    assert inputs.origin == "CIFAR-10 test images"
    with pytest.raises(CliError, match=r"maps of 24 x 24 x 3 that are not known to be MNIST or CIFAR-10"):
        choose_inputs(replace(network, metadata={}), 5, None, None)


def test_other_maps_need_inputs(network: Network) -> None:
    with pytest.raises(CliError, match=r"takes maps of 4 x 3 x 1 that are not known to be .*: give --inputs"):
        choose_inputs(network, None, None, None)


def test_integers_are_taken_as_they_are(network: Network, tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int64).reshape(2, 4, 3, 1)
    inputs = choose_inputs(network, None, None, _save(tmp_path / "a.npy", array))
    assert inputs.acts.dtype == np.int8
    assert inputs.labels is None
    np.testing.assert_array_equal(inputs.acts, array)


def test_real_values_are_rounded_half_up_and_saturated(network: Network, tmp_path: Path) -> None:
    array = np.zeros((1, 4, 3, 1), np.float32)
    array[0, 0, :, 0] = 0.25, 0.24, 1.25  # scale 0.5
    array[0, 1, :, 0] = -3.0, 63.5, 1000.0
    inputs = choose_inputs(network, None, None, _save(tmp_path / "a.npy", array))
    assert inputs.acts[0, :2, :, 0].tolist() == [[1, 0, 3], [0, 127, 127]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
@pytest.mark.parametrize("peak", [1e30, 1.0, 1e-5, 1e-39])
def test_every_type_is_rounded_as_the_same_values_in_double_precision(
    network: Network, tmp_path: Path, dtype: type, peak: float
) -> None:
    array = np.random.default_rng(0).random((50, 4, 3, 1)) * min(peak, 6e4 if dtype is np.float16 else peak)
    array = array.astype(dtype)
    scale = float(array.max()) / 127 or 1.0
    spec = replace(network.input, scale=scale)
    got = choose_inputs(replace(network, input=spec), None, None, _save(tmp_path / "a.npy", array)).acts
    want = choose_inputs(replace(network, input=spec), None, None, _save(tmp_path / "b.npy", array.astype(np.float64))).acts
    np.testing.assert_array_equal(got, want)


def test_values_beyond_any_step_are_saturated(network: Network, tmp_path: Path) -> None:
    array = np.full((1, 4, 3, 1), 1e308)
    spec = replace(network.input, scale=1e-3)
    assert np.all(choose_inputs(replace(network, input=spec), None, None, _save(tmp_path / "a.npy", array)).acts == 127)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 1, 4, 3), np.int8), r"shape \(2, 1, 4, 3\) is not \(N, 4, 3, 1\)"),
        (np.zeros((0, 4, 3, 1), np.int8), r"with N >= 1"),
        (np.full((1, 4, 3, 1), 128), r"integers 128\.\.128 are not in 0\.\.127"),
        (np.full((1, 4, 3, 1), -1), r"integers -1\.\.-1 are not in 0\.\.127"),
        (np.full((1, 4, 3, 1), np.nan), "not finite"),
        (np.full((1, 4, 3, 1), "x"), "not an .npy file of numbers"),
    ],
)
def test_unfit_inputs_are_refused(network: Network, tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(CliError, match=message):
        choose_inputs(network, None, None, _save(tmp_path / "a.npy", array))


def test_too_many_images_are_refused(network: Network, tmp_path: Path) -> None:
    path = _save(tmp_path / "a.npy", np.zeros((2, 4, 3, 1), np.int8))
    assert len(choose_inputs(network, 2, None, path).acts) == 2
    with pytest.raises(CliError, match=r"--images 3: .*: there are only 2"):
        choose_inputs(network, 3, None, path)


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "object", "archive"])
def test_only_arrays_of_numbers_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.npy"
    if kind == "archive":
        with path.open("wb") as file:
            np.savez(file, a=np.zeros(3))
    else:
        np.save(path, np.array([{}]) if kind == "object" else np.zeros(100))
        data = path.read_bytes()
        path.write_bytes({"text": b"hello\n", "empty": b"", "truncated": data[:-1]}.get(kind, data))
    with pytest.raises(CliError, match=r"^--inputs .*a\.npy: not an \.npy file of numbers"):
        load_array("--inputs", path)
