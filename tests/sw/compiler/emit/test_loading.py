"""What loads a mapping: the weights of each PE to its place, then parameters, and nothing else."""

from dataclasses import replace

import numpy as np

from quiesce.spec.config import preset
from quiesce.spec.isa import HEADER, PARAM_FIELDS, Opcode
from quiesce.sw.compiler.emit.loading import load_parts
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.schedule.placement import footprint, load_beats
from quiesce.sw.compiler.tile.tiling import tile_layer
from quiesce.sw.format.ops import MAXPOOL
from tests import networks

CONFIG = preset("tiny")


def mapping_of(layer, shape):
    return tile_layer(CONFIG, [[Convolution(layer=layer, shapes=(shape,))]], [shape[2]], layer.cout).mappings[0]


def packets(part):
    """(opcode, PE, place, count, further) of each packet, and its payload words."""
    words = np.frombuffer(part.getvalue(), "<u8").tolist()
    while words:
        header = HEADER.unpack(words.pop(0))
        size = header["count"]
        if header["opcode"] == Opcode.MASKS:
            size = -(-size * CONFIG.mask_width // 64)
        yield header, words[:size]
        del words[:size]


def test_each_pe_has_its_masks_and_values():
    layer = networks.conv(np.random.default_rng(0), "c", "input", 3, 7, (3, 3), density=0.5)
    mapping = mapping_of(layer, (5, 5, 3))
    base = np.array([8, 16, 3, 4, 5, 6])
    *parts, params = load_parts(layer, mapping, base, 1)
    assert len(parts) == CONFIG.n_pes
    for pe, part in enumerate(parts):
        (masks, bits), (values, rows) = packets(part)
        assert (masks["opcode"], masks["pe"], masks["dest"]) == (Opcode.MASKS, pe, 8)
        assert (values["opcode"], values["pe"], values["dest"]) == (Opcode.VALUES, pe, 3 + pe)
        assert masks["aux"] == (3 + pe) * CONFIG.words_per_row(mapping.packed.bits)
        assert sum(word.bit_count() for word in bits) == len(mapping.packed.values[pe])
        assert values["count"] == len(rows) == footprint(mapping)[2 + pe]
    ((header, words),) = packets(params)
    assert (header["opcode"], header["dest"], header["count"]) == (Opcode.PARAMS, 16, 7)
    found = [PARAM_FIELDS.unpack(word) for word in words]
    assert [entry["bias"] for entry in found] == layer.bias.tolist()
    assert [(entry["multiplier"], entry["shift"]) for entry in found] == [*zip(layer.multiplier, layer.shift, strict=True)]
    assert sum(part.n_beats for part in (*parts, params)) <= load_beats(mapping)


def test_a_pe_without_weights_loads_its_masks_alone():
    layer = networks.conv(np.random.default_rng(1), "c", "input", 2, 4, (1, 1))
    weight = layer.weight.copy()
    weight[2] = 0
    layer = replace(layer, weight=weight)
    *parts, _ = load_parts(layer, mapping_of(layer, (2, 2, 2)), np.zeros(6, int), 1)
    assert [len(list(packets(part))) for part in parts] == [2, 2, 1, 2]


def test_a_maximum_begins_below_all_values():
    layer = networks.pool(MAXPOOL, "p", "input", 4, (2, 2))
    *_, params = load_parts(layer, mapping_of(layer, (4, 4, 4)), np.zeros(6, int), 1)
    ((_, words),) = packets(params)
    assert {PARAM_FIELDS.unpack(word)["bias"] for word in words} == {-128}
