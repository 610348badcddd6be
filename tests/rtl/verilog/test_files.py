"""The folder of a core: nothing is lost on the way from one text to several."""

import json
import re

import pytest

from quiesce.rtl.verilog.emit import emit
from quiesce.rtl.verilog.files import verilog_files
from quiesce.spec.config import preset

CONFIG = preset("tiny", n_pes=2, winner_depth=64)
MODULE = re.compile(r"^module (\w+)\(", re.MULTILINE)


@pytest.fixture(scope="module")
def files():
    return verilog_files(CONFIG, "chip")


def test_each_module_is_in_one_file(files):
    core, rams = (MODULE.findall(files[name]) for name in ("chip.v", "chip_rams.v"))
    assert sorted(core + rams) == sorted(MODULE.findall(emit(CONFIG, "chip")))
    assert "chip" in core and rams and not set(core) & set(rams)
    assert files["chip.f"].split() == ["chip_rams.v", "chip.v"]


def test_rams_are_described_as_they_are(files):
    described = json.loads(files["chip.json"])
    assert described["config"] == CONFIG.to_dict()
    assert sorted(described["rams"]) == sorted(MODULE.findall(files["chip_rams.v"]))
    for name, ram in described["rams"].items():
        (text,) = re.findall(rf"^module {name}\(.*?^endmodule", files["chip_rams.v"], re.MULTILINE | re.DOTALL)
        width, depth = ram["width"], ram["depth"]
        assert re.search(rf"reg \[{width - 1}:0\] \w+ \[{depth - 1}:0\]|reg \w+ \[{depth - 1}:0\]", text), name


def test_the_contract_comes_along(files):
    assert "#define" in files["chip.h"] and json.loads(files["chip_contract.json"])
    assert files["chip.vlt"].startswith("`verilator_config")
