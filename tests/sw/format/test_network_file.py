"""Network files: round trips, deterministic bytes, and damaged or hostile files."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import numpy as safetensors

from quiesce.sw.format import container, errors
from quiesce.sw.format.container import dump_network, load_network, parse_network, save_network
from quiesce.sw.format.network import Layer, Network

KEY = "quiesce.network"
Edit = Callable[[dict[str, Any], dict[str, np.ndarray]], None]


def split(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The graph and the tensors in the bytes of a file."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"][KEY]), safetensors.load(data)


def edited(network: Network, edit: Edit) -> bytes:
    graph, tensors = split(dump_network(network))
    edit(graph, tensors)
    return safetensors.save(tensors, {KEY: json.dumps(graph)})


def assert_equal(actual: Network, expected: Network) -> None:
    for field in ("name", "input", "output", "metadata"):
        assert getattr(actual, field) == getattr(expected, field)
    for mine, other in zip(actual.layers, expected.layers, strict=True):
        for field in fields(Layer):
            left, right = getattr(mine, field.name), getattr(other, field.name)
            assert type(left) is type(right)
            assert np.array_equal(left, right), (mine.name, field.name)
            if isinstance(left, np.ndarray):
                assert left.dtype == right.dtype


def test_round_trip(network: Network, tmp_path: Path) -> None:
    save_network(tmp_path / "net.safetensors", network)
    loaded = load_network(tmp_path / "net.safetensors")
    assert_equal(loaded, network)
    assert dump_network(loaded) == (tmp_path / "net.safetensors").read_bytes()


def test_widths_are_kept(network: Network, tmp_path: Path) -> None:
    graph, plain = split(dump_network(network))
    assert "bits" not in graph["input"] and "weight_bits" not in graph["layers"][0]  # defaults are not written
    fc = network.layer("fc")
    narrow = replace(
        network,
        input=replace(network.input, high=7, bits=4),
        layers=tuple(
            replace(fc, weight=fc.weight // 43, weight_bits=4, low=-7, high=7, bits=4) if layer is fc else layer
            for layer in network.layers
        ),
    )
    data = dump_network(narrow)
    assert_equal(parse_network(data), narrow)
    assert parse_network(data).input == narrow.input
    graph, tensors = split(data)
    entry = next(entry for entry in graph["layers"] if entry["name"] == "fc")
    assert (entry["weight_bits"], entry["bits"], graph["input"]["bits"]) == (4, 4, 4)
    assert tensors["fc/weight"].nbytes < plain["fc/weight"].nbytes


def test_winners_are_kept(network: Network) -> None:
    assert "winners" not in split(dump_network(network))[0]["layers"][0]
    layers = tuple(replace(layer, winners=2) if layer.low == 0 else layer for layer in network.layers)
    some = replace(network, layers=layers)
    assert_equal(parse_network(dump_network(some)), some)


def test_delta_thresholds_are_kept(network: Network) -> None:
    graph, _ = split(dump_network(network))
    assert "delta_threshold" not in graph["input"] and "delta_threshold" not in graph["layers"][0]
    layers = tuple(replace(layer, delta_threshold=index) for index, layer in enumerate(network.layers))
    some = replace(network, input=replace(network.input, delta_threshold=127), layers=layers)
    assert_equal(parse_network(dump_network(some)), some)
    assert [parse_network(dump_network(some)).delta_threshold(name) for name in ("input", "conv", "max")] == [127, 0, 1]


def test_sparse_weights_are_packed(network: Network) -> None:
    tensors = safetensors.load(dump_network(network))
    assert tensors["fc/weight"].dtype == np.uint8
    assert tensors["fc/weight"].nbytes < network.layer("fc").weight.size / 2
    assert tensors["conv/weight"].dtype == np.int8


def test_metadata_order_does_not_matter(network: Network) -> None:
    assert dump_network(replace(network, metadata=dict(reversed(network.metadata.items())))) == dump_network(network)


def test_file_graph_in_any_order(network: Network) -> None:
    assert_equal(parse_network(edited(network, lambda graph, _: graph["layers"].reverse())), network)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fraction=st.floats(0, 1, exclude_max=True))
def test_every_truncation_is_named(network: Network, fraction: float) -> None:
    data = dump_network(network)
    with pytest.raises(errors.TruncatedError, match="network file"):
        parse_network(data[: int(fraction * len(data))])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bits_never_crash(network: Network, position: float, bit: int) -> None:
    data = bytearray(dump_network(network))
    data[int(position * len(data))] ^= 1 << bit
    try:
        assert isinstance(parse_network(bytes(data)), Network)
    except errors.FormatError as error:
        assert str(error)


def set_layer(index: int, key: str, value: object) -> Edit:
    return lambda graph, _: graph["layers"][index].update({key: value})


def set_tensor(name: str, value: np.ndarray) -> Edit:
    return lambda _, tensors: tensors.update({name: value})


def set_bytes(offset: int, *values: int) -> Edit:
    def edit(_: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        packed = tensors["fc/weight"].copy()
        packed[offset : offset + len(values)] = values
        tensors["fc/weight"] = packed

    return edit


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda graph, _: graph.update(version=2), errors.VersionError, "version 2 is not 1"),
        (lambda graph, _: graph.pop("version"), errors.VersionError, "version None"),
        (lambda graph, _: graph.update(extra=1), errors.ContainerError, "graph: unknown key 'extra'"),
        (lambda graph, _: graph.pop("output"), errors.ContainerError, "graph: no 'output'"),
        (lambda graph, _: graph.update(output={}), errors.GraphError, "network: output"),
        (lambda graph, _: graph.update(layers={}), errors.ContainerError, "layers is not a list"),
        (lambda graph, _: graph.update(layers=[1]), errors.ContainerError, "layer 0: not a JSON object"),
        (lambda graph, _: graph.update(layers=[{}] * 1025), errors.SizeLimitError, "1025 layers"),
        (lambda graph, _: graph.update(metadata=[]), errors.DtypeError, "metadata"),
        (lambda graph, _: graph.update(metadata={"a": 1}), errors.DtypeError, "metadata"),
        (lambda graph, _: graph["input"].update(height="9"), errors.DtypeError, "input: height"),
        (lambda graph, _: graph["input"].update(height=10), errors.ShapeError, "layer 'fc': weight has 128 inputs"),
        (lambda graph, _: graph["layers"].append(graph["layers"][0]), errors.GraphError, "'conv': duplicate name"),
        (set_layer(0, "inputs", ["fc"]), errors.GraphError, "cycle"),
        (set_layer(0, "inputs", [["fc"]]), errors.GraphError, "inputs"),
        (set_layer(0, "kind", "softmax"), errors.GraphError, "unknown kind 'softmax'"),
        (set_layer(0, "kind", []), errors.GraphError, "unknown kind"),
        (set_layer(0, "kernel", [[3], 2]), errors.DtypeError, "kernel"),
        (set_layer(0, "activation", "relu"), errors.ContainerError, "unknown key 'activation'"),
        (set_layer(0, "out_scale", float("nan")), errors.ScaleError, "NaN"),
        (set_layer(0, "out_scale", float("inf")), errors.ScaleError, "Infinity"),
        (set_layer(0, "delta_threshold", 128), errors.RangeError, "'conv': delta_threshold 128 .* cannot hold, of 0..127"),
        (set_layer(0, "delta_threshold", "1"), errors.DtypeError, "'conv': delta_threshold"),
        (lambda graph, _: graph["input"].update(delta_threshold=-1), errors.RangeError, "input: delta_threshold: -1"),
        (set_layer(0, "out_scale", -1.0), errors.ScaleError, "'conv': out_scale"),
        (set_layer(0, "pad", [10**30, 0, 0, 0]), errors.RangeError, "pad"),
        (set_tensor("conv/bias", np.zeros(4, np.float32)), errors.DtypeError, "'conv': bias is float32"),
        (set_tensor("conv/bias", np.zeros(4, np.int64)), errors.DtypeError, "tensor 'conv/bias'"),
        (set_tensor("conv/bias", np.zeros(5, np.int32)), errors.ShapeError, "'conv': bias has shape"),
        (set_tensor("conv/what", np.zeros(4, np.int32)), errors.ContainerError, "'conv/what' belongs to no layer"),
        (lambda _, tensors: tensors.pop("max/shift"), errors.DtypeError, "'max': shift"),
        (set_bytes(4, 9), errors.VersionError, "tensor: version 9"),
        (set_bytes(8, 255, 255, 255, 255), errors.SizeLimitError, "nonzeros in shape"),
        (set_bytes(12, 255, 255, 255, 255), errors.SizeLimitError, "elements"),
        (set_bytes(12, 255, 255), errors.TruncatedError, "needed for shape"),
    ],
)
def test_rejected_files(network: Network, edit: Edit, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_network(edited(network, edit))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", errors.TruncatedError),
        ((2**63).to_bytes(8, "little") + b"{}", errors.SizeLimitError),
        ((3).to_bytes(8, "little") + b"{}", errors.TruncatedError),
        ((2).to_bytes(8, "little") + b"[]", errors.ContainerError),
        ((2).to_bytes(8, "little") + b"{}", errors.ContainerError),
        ((2).to_bytes(8, "little") + b"\xff\xff", errors.ContainerError),
        ((100000).to_bytes(8, "little") + b"[" * 100000, errors.ContainerError),
        ((15).to_bytes(8, "little") + b'{"a":1, "a": 2}', errors.ContainerError),
        ((21).to_bytes(8, "little") + b'{"a":{"dtype":"F16"}}', errors.DtypeError),
        ((20).to_bytes(8, "little") + b'{"a":{"dtype":"I8"}}', errors.ContainerError),
    ],
)
def test_rejected_containers(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error, match="^network file"):
        parse_network(data)


def test_trailing_bytes(network: Network) -> None:
    with pytest.raises(errors.ContainerError, match="damaged container"):
        parse_network(dump_network(network) + b"\0")


def test_oversized_file(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_network(tmp_path / "net", network)
    monkeypatch.setattr(container, "MAX_FILE_BYTES", 100)
    with pytest.raises(errors.SizeLimitError, match="more than 100 bytes"):
        load_network(tmp_path / "net")
    with pytest.raises(errors.SizeLimitError, match="beyond the limits"):
        save_network(tmp_path / "net", network)
