"""Order of output channels such that all PEs have the same work: a rewritten network that computes the same outputs."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.ops import Weighted

__all__ = ["balanced"]

Order = npt.NDArray[np.intp]
"""Channel of the given network at each channel of the rewritten one."""
Floats = npt.NDArray[np.float64]

SWEEPS = 8  # of local improvement; each ends early if nothing improves


class _Classes:
    """Maps whose channels must be in the same order, as sets that are merged (union-find)."""

    def __init__(self, names: list[str]):
        self._parent = {name: name for name in names}

    def find(self, name: str) -> str:
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def merge(self, *names: str) -> None:
        for name in names[1:]:
            self._parent[self.find(name)] = self.find(names[0])


def _classes(network: Network) -> tuple[_Classes, set[str]]:
    """Maps in the same order, and those whose class must keep its order."""
    classes = _Classes([INPUT, *(layer.name for layer in network.layers)])
    # Among equal channels the lower one wins.
    fixed = {INPUT, network.output, *(layer.name for layer in network.layers if layer.winners)}
    for layer in network.layers:
        keeps = layer.op.keeps_channels(layer)
        if keeps:
            classes.merge(layer.name, *layer.inputs)
        elif keeps is not None:
            fixed.update((layer.name, *layer.inputs))  # such as channels that may not leave their group
    return classes, {classes.find(name) for name in fixed}


def _kernel(network: Network, layer: Layer) -> npt.NDArray[np.int8]:
    """The weights of a layer that has them as (cout, kh, kw, cin)."""
    assert isinstance(layer.op, Weighted)
    return layer.op.kernel(layer, network.shapes()[layer.inputs[0]])


def _unit_work(network: Network, layer: Layer, config: CoreConfig, events: Mapping[str, Floats]) -> Floats:
    """Operations that each unit of ``n_lanes`` channels causes, expected per input if ``events`` are known."""
    kernel = _kernel(network, layer)
    weight = kernel.reshape(layer.cout, -1, kernel.shape[3])
    n_units = layer.cout // config.n_lanes
    stored = (weight[: n_units * config.n_lanes] != 0).reshape(n_units, config.n_lanes, *weight.shape[1:]).any(axis=1)
    rate = events.get(layer.inputs[0])
    if rate is None:
        return np.asarray(stored.sum(axis=(1, 2)), np.float64)
    if layer.op.channelwise(layer):
        per_chan = rate[: n_units * config.n_lanes].reshape(n_units, config.n_lanes).sum(axis=1)
        return np.asarray(stored.sum(axis=(1, 2)) * per_chan, np.float64)
    return np.asarray(stored.sum(axis=1) @ rate, np.float64)


def _pe_work(work: Floats, n_pes: int) -> Floats:
    """Work (layers, n_pes) of the PEs from that of the units (layers, units)."""
    padded = np.zeros((len(work), ceil_div(work.shape[1], n_pes) * n_pes))
    padded[:, : work.shape[1]] = work
    return np.asarray(padded.reshape(len(work), -1, n_pes).sum(axis=1))


def _busiest(work: Floats, n_pes: int) -> float:
    """Sum over the layers of what the busiest PE does."""
    return float(_pe_work(work, n_pes).max(axis=1).sum())


def _unevenness(work: Floats, n_pes: int) -> float:
    """What the exchanges lower: the busiest PE alone would leave them on a plateau."""
    return float((_pe_work(work, n_pes) ** 4).sum())


def _order_units(work: Floats, n_pes: int) -> npt.NDArray[np.intp]:
    """Order of units, unit u going to PE ``u mod n_pes``, that evens out the work (layers, units) of the PEs.

    Units of like work form a group (they are busy at the same time), dealt out to and fro; then units of a group change places
    while that evens out the work.
    """
    n_units = work.shape[1]
    share = work / np.maximum(work.sum(axis=1, keepdims=True), 1)
    order = np.argsort(-share.sum(axis=0), kind="stable")
    for first in range(n_pes, n_units - n_pes + 1, 2 * n_pes):
        order[first : first + n_pes] = order[first : first + n_pes][::-1]
    best = _unevenness(share[:, order], n_pes)
    for _ in range(SWEEPS):
        before = best
        for first in range(0, n_units, n_pes):
            for i in range(first, min(first + n_pes, n_units)):
                for j in range(i + 1, min(first + n_pes, n_units)):
                    order[[i, j]] = order[[j, i]]
                    cost = _unevenness(share[:, order], n_pes)
                    if cost < best * (1 - 1e-9):
                        best = cost
                    else:
                        order[[i, j]] = order[[j, i]]
        if best == before:
            break
    return order


def _orders(network: Network, config: CoreConfig, events: Mapping[str, Floats]) -> dict[str, Order]:
    """New channel order of every map that gets one."""
    classes, fixed = _classes(network)
    producers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        if layer.op.weighted and layer.op.keeps_channels(layer) is not False:
            producers.setdefault(classes.find(layer.name), []).append(layer)
    found: dict[str, Order] = {}
    for name, layers in producers.items():
        n_units = layers[0].cout // config.n_lanes
        if name in fixed or n_units < 2:
            continue
        work = np.stack([_unit_work(network, layer, config, events) for layer in layers])
        units = _order_units(work, config.n_pes)
        if _busiest(work[:, units], config.n_pes) >= _busiest(work, config.n_pes):
            continue
        chans = (units[:, None] * config.n_lanes + np.arange(config.n_lanes)).ravel()
        found[name] = np.concatenate([chans, np.arange(n_units * config.n_lanes, layers[0].cout)])
    names = [INPUT, *(layer.name for layer in network.layers)]
    return {name: found[classes.find(name)] for name in names if classes.find(name) in found}


def _reordered(network: Network, layer: Layer, orders: dict[str, Order]) -> Layer:
    """The layer with its own and its input's channels in their new order."""
    out, source = orders.get(layer.name), orders.get(layer.inputs[0])
    weight = layer.weight
    if layer.op.weighted and weight is not None:
        kernel = _kernel(network, layer)
        if source is not None and not layer.op.channelwise(layer):
            kernel = kernel[..., source]
        weight = (kernel if out is None else kernel[out]).reshape(weight.shape)
    if out is None:
        return replace(layer, weight=weight)
    return replace(
        layer, weight=weight, multiplier=layer.multiplier[out], shift=layer.shift[out],
        bias=None if layer.bias is None else layer.bias[out],
        weight_scale=None if layer.weight_scale is None else layer.weight_scale[out],
    )  # fmt: skip


def balanced(network: Network, config: CoreConfig, *, events: Mapping[str, Floats] | None = None) -> Network:
    """The network with the output channels of its layers in an order that gives every PE the same work.

    Channels stay in units of ``n_lanes``, whose lanes are in lock-step. Layers that compute channel by channel and sums share
    the order of their inputs; the network's input, its output, grouped convolutions, concatenations and layers with winners keep
    theirs.
    Layers without pruned weights keep their order, too, unless ``events`` make a difference; without zero-skipping all do.

    Parameters
    ----------
    events : mapping of str to ndarray, optional
        Expected events per image of each channel of a map, (chans,), from calibration data: then the work is that of
        the events times weights, else the number of weights.

    Returns
    -------
    Network
        With the same outputs, the same events and the same effectual MACs for every input.
    """
    orders = _orders(network, config, events or {}) if config.zero_skipping else {}
    if not orders:
        return network
    return replace(network, layers=tuple(_reordered(network, layer, orders) for layer in network.layers))
