"""Network files: a safetensors container whose metadata hold the graph as JSON (docs/reference/files.md)."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from quiesce.sw.format.errors import (
    ContainerError,
    DtypeError,
    GraphError,
    ScaleError,
    SizeLimitError,
    TruncatedError,
    VersionError,
)
from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import MAX_LAYERS, Network
from quiesce.sw.format.ops import named
from quiesce.sw.format.tensor import decode_tensor, encode_tensor

__all__ = ["MAX_FILE_BYTES", "NETWORK_VERSION", "dump_network", "load_network", "parse_network", "save_network"]

NETWORK_VERSION = 1
MAX_FILE_BYTES = 1 << 28
MAX_HEADER_BYTES = 1 << 23

_METADATA_KEY = "quiesce.network"
_TENSOR_DTYPES = ("I8", "U8", "I32", "F32")
_GRAPH_KEYS = ("version", "name", "input", "layers", "output", "metadata")
_INPUT_KEYS = ("height", "width", "chans", "scale", "low", "high")
_LAYER_KEYS = (
    "name", "kind", "inputs", "out_scale", "kernel", "stride", "pad", "dilation", "groups", "low", "high", "threshold",
)  # fmt: skip
_INPUT_OPTIONS = {"bits": 8, "delta_threshold": None}
_LAYER_OPTIONS = {"weight_bits": 8, "bits": 8, "winners": 0, "delta_threshold": None}
"""Optional keys with their defaults; a key that has its default is not written."""
_ARRAYS = ("weight", "bias", "multiplier", "shift", "weight_scale")

Tensors = dict[str, npt.NDArray[Any]]
Options = Mapping[str, int | None]


def save_network(path: str | PathLike[str], network: Network) -> None:
    """Write a network file; equal networks give equal bytes.

    Raises
    ------
    SizeLimitError
        The network does not fit the limits of a file.
    OSError
        The file cannot be written.
    """
    Path(path).write_bytes(dump_network(network))


def load_network(path: str | PathLike[str]) -> Network:
    """Read and validate a network file.

    Raises
    ------
    FormatError
        The subclass and the message name what is wrong and where.
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    return parse_network(data)


def dump_network(network: Network) -> bytes:
    """The bytes of a network file."""
    graph = {
        "version": NETWORK_VERSION,
        "name": network.name,
        "input": _attributes(network.input, _INPUT_KEYS, _INPUT_OPTIONS),
        "layers": [_attributes(layer, _LAYER_KEYS, _LAYER_OPTIONS) for layer in network.layers],
        "output": network.output,
        "metadata": dict(sorted(network.metadata.items())),
    }
    tensors: Tensors = {}
    for layer in network.layers:
        for field in _ARRAYS:
            array = getattr(layer, field)
            if array is not None:
                tensors[f"{layer.name}/{field}"] = _encode_weight(array, layer.weight_bits) if field == "weight" else array
    text = json.dumps(graph, allow_nan=False)
    # One key only: the order of several is not defined.
    data = safetensors.save(tensors, {_METADATA_KEY: text})
    if len(data) > MAX_FILE_BYTES or int.from_bytes(data[:8], "little") > MAX_HEADER_BYTES:
        raise SizeLimitError(f"network {network.name!r}: file of {len(data)} bytes or its graph is beyond the limits")
    return data


def _attributes(owner: MapSpec | Layer, keys: tuple[str, ...], optional: Options) -> dict[str, Any]:
    present = [*keys, *(key for key, default in optional.items() if getattr(owner, key) != default)]
    return {key: owner.op.name if key == "kind" and isinstance(owner, Layer) else getattr(owner, key) for key in present}


def _encode_weight(weight: npt.NDArray[np.int8], bits: int) -> npt.NDArray[Any]:
    """The weights as they are, or as the bytes of ``encode_tensor`` if those are fewer."""
    encoded = encode_tensor(weight, bits)
    return np.frombuffer(encoded, np.uint8) if len(encoded) < weight.size else weight


def parse_network(data: bytes) -> Network:
    """The network in the bytes of a file; see ``load_network``."""
    header = _read_header(data)
    try:
        tensors = safetensors.load(data)
    except SafetensorError as error:
        raise ContainerError(f"network file: damaged container: {error}") from error
    metadata = header.get("__metadata__")
    text = metadata.get(_METADATA_KEY) if isinstance(metadata, dict) else None
    if metadata is None or not isinstance(text, str) or len(metadata) != 1:
        raise ContainerError(f"network file: metadata are not the one string {_METADATA_KEY!r}")
    network = _build_network(_parse_json(text, "graph"), tensors)
    unused = set(tensors) - {f"{layer.name}/{field}" for layer in network.layers for field in _ARRAYS}
    if unused:
        raise ContainerError(f"network file: tensor {min(unused)!r} belongs to no layer")
    return network


def _read_header(data: bytes) -> dict[str, Any]:
    """The JSON header of a safetensors container, with lengths, types and uniqueness checked."""
    if len(data) > MAX_FILE_BYTES:
        raise SizeLimitError(f"network file: more than {MAX_FILE_BYTES} bytes")
    if len(data) < 8:
        raise TruncatedError(f"network file: {len(data)} bytes end within the header's length")
    n_bytes = int.from_bytes(data[:8], "little")
    if n_bytes > MAX_HEADER_BYTES:
        raise SizeLimitError(f"network file: header of {n_bytes} bytes, the limit is {MAX_HEADER_BYTES}")
    if len(data) < 8 + n_bytes:
        raise TruncatedError(f"network file: {len(data)} bytes end within the header of {n_bytes}")
    header = _parse_json(data[8 : 8 + n_bytes], "header")
    if not isinstance(header, dict):
        raise ContainerError("network file: header is not a JSON object")
    end = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(entry, dict) or entry.get("dtype") not in _TENSOR_DTYPES:
            raise DtypeError(f"network file: tensor {name!r} is not one of {', '.join(_TENSOR_DTYPES)}")
        offsets = entry.get("data_offsets")
        if not isinstance(offsets, list) or not all(isinstance(offset, int) for offset in offsets):
            raise ContainerError(f"network file: tensor {name!r} has no offsets")
        end = max(end, *offsets, 0)
    if len(data) < 8 + n_bytes + end:
        raise TruncatedError(f"network file: {len(data)} bytes, {8 + n_bytes + end} needed by its tensors")
    return header


def _parse_json(text: str | bytes, where: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ContainerError(f"network file: {where}: a key occurs twice among {', '.join(sorted(result))}")
        return result

    def constant(name: str) -> float:
        raise ScaleError(f"network file: {where}: {name} is not a number")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=constant)
    except (ContainerError, ScaleError):
        raise
    except (ValueError, RecursionError) as error:
        raise ContainerError(f"network file: {where} is not JSON: {error}") from error


def _fields(entry: object, keys: tuple[str, ...], optional: Options, where: str) -> dict[str, Any]:
    """``entry`` if it is an object with these keys, maybe ``optional`` ones, and no others; its lists turned into tuples."""
    if not isinstance(entry, dict):
        raise ContainerError(f"{where}: not a JSON object")
    unknown, missing = sorted(set(entry) - set(keys) - set(optional)), sorted(set(keys) - set(entry))
    if unknown or missing:
        raise ContainerError(f"{where}: {f'unknown key {unknown[0]!r}' if unknown else f'no {missing[0]!r}'}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _build_network(graph: object, tensors: Tensors) -> Network:
    """The network of a parsed graph and the arrays of its layers."""
    version = graph.get("version") if isinstance(graph, dict) else None
    if version != NETWORK_VERSION:
        raise VersionError(f"network file: version {version!r} is not {NETWORK_VERSION}")
    fields = _fields(graph, _GRAPH_KEYS, {}, "graph")
    if not isinstance(fields["layers"], tuple):
        raise ContainerError("graph: layers is not a list")
    if len(fields["layers"]) > MAX_LAYERS:
        raise SizeLimitError(f"graph: {len(fields['layers'])} layers are more than {MAX_LAYERS}")
    return Network(
        name=fields["name"],
        input=MapSpec(**_fields(fields["input"], _INPUT_KEYS, _INPUT_OPTIONS, "graph: input")),
        layers=tuple(_build_layer(entry, index, tensors) for index, entry in enumerate(fields["layers"])),
        output=fields["output"],
        metadata=fields["metadata"],
    )


def _build_layer(entry: object, index: int, tensors: Tensors) -> Layer:
    fields = _fields(entry, _LAYER_KEYS, _LAYER_OPTIONS, f"graph: layer {index}")
    name = fields["name"]
    try:
        fields["op"] = named(fields.pop("kind"))
    except GraphError as error:
        raise GraphError(f"layer {name!r}: {error}") from None
    arrays: dict[str, Any] = {field: tensors.get(f"{name}/{field}") for field in _ARRAYS}
    weight = arrays["weight"]
    if weight is not None and weight.dtype == np.uint8:
        arrays["weight"] = decode_tensor(weight.tobytes())
    return Layer(**fields, **arrays)
