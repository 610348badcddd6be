"""Reading of netlists: modules, their cells, the names of nets."""

import json

import pytest

from quiesce.sim.errors import NetlistError
from quiesce.sim.netlist import Instance, Memory, Netlist, Port, read_netlist

CELL = {"type": "$and", "port_directions": {"A": "input", "Y": "output"}, "connections": {"A": [2, "1"], "Y": [4, 5]}}
INNER = {
    "ports": {"a": {"direction": "input", "bits": [2, 3]}, "y": {"direction": "output", "bits": [4, 5]}},
    "cells": {"$1": CELL, "$2": {"type": "$scopeinfo", "connections": {}}},
    "netnames": {"a": {"bits": [2, 3]}, "$made_up": {"bits": [4]}, "y": {"bits": [4, 5]}, "low": {"bits": [4]}},
    "memories": {"\\$store": {"size": 16, "width": 8}},
}
TOP = {
    "ports": {},
    "cells": {
        "one": {"type": "inner", "connections": {"a": [2, 2]}},
        "two": {"type": "inner", "connections": {}},
        "ram": {"type": "box", "connections": {}},
    },
    "netnames": {},
}
BOX = {"attributes": {"blackbox": "00000001"}, "ports": {}, "cells": {}, "netnames": {}}


@pytest.fixture
def netlist() -> Netlist:
    return read_netlist(json.dumps({"creator": "Yosys", "modules": {"inner": INNER, "top": TOP, "box": BOX}}), "top")


def test_modules_are_read_without_black_boxes(netlist: Netlist) -> None:
    assert netlist.modules.keys() == {"inner", "top"}
    inner = netlist.modules["inner"]
    assert inner.ports == {"a": Port("a", "input", (2, 3)), "y": Port("y", "output", (4, 5))}
    assert inner.instances == (Instance("$1", "$and", {"A": (2, "1"), "Y": (4, 5)}, frozenset({"Y"}), {}),)
    assert inner.inputs == {2, 3}
    assert inner.memories == {"$store": Memory(16, 8)}
    assert inner.memories["$store"].bits == 128


def test_labels_are_the_shortest_names_of_the_design(netlist: Netlist) -> None:
    assert netlist.modules["inner"].labels == {2: "a[0]", 3: "a[1]", 4: "low", 5: "y[1]"}


def test_walk_passes_every_instance_below_its_parent(netlist: Netlist) -> None:
    assert [(path, module.name) for path, module in netlist.walk()] == [("", "top"), ("two", "inner"), ("one", "inner")]
    assert netlist.copies == {"top": 1, "inner": 2}


@pytest.mark.parametrize("text", ["", "{}", "[]", b"\xff", '{"modules": {"top": {}}}', '{"modules": {"top": 3}}'])
def test_other_texts_are_no_netlists(text: str) -> None:
    with pytest.raises(NetlistError, match="not as Yosys writes it"):
        read_netlist(text, "top")


def test_missing_top() -> None:
    with pytest.raises(NetlistError, match="no module 'top'"):
        read_netlist('{"modules": {}}', "top")
