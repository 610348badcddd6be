"""Which maps of a network can lie in memory as changes since the item before."""

from quiesce.sw.format.network import INPUT, Network

__all__ = ["delta_maps"]


def delta_maps(network: Network) -> frozenset[str]:
    """Maps ("input" or a layer's name) that may be stored as changes of what was sent.

    All others are stored in full: the network's output, maps with winners, maps that a maximum reads, and maps that a layer reads
    beside one that is stored in full.
    """
    full = {network.output}
    full.update(layer.name for layer in network.layers if layer.winners)
    full.update(name for layer in network.layers if layer.op.maximum for name in layer.inputs)
    size = 0
    while size < len(full):
        size = len(full)
        full.update(*(layer.inputs for layer in network.layers if not full.isdisjoint(layer.inputs)))
    return frozenset({INPUT, *(layer.name for layer in network.layers)} - full)
