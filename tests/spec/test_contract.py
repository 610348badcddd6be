"""The contract in other languages."""

import json
import re
import subprocess
from pathlib import Path

from quiesce.spec.contract import c_header, contract, tables
from quiesce.spec.isa import HEADER, Opcode
from quiesce.spec.performance import Counter
from quiesce.spec.registers import CORE_ID, REGISTER_FIELDS, Register

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "contract.md"


def test_json_says_what_python_says() -> None:
    read = json.loads(json.dumps(contract()))
    assert read["constants"]["CORE_ID"] == CORE_ID
    assert {name: entry["value"] for name, entry in read["names"]["Register"].items()} == {r.name: int(r) for r in Register}
    assert read["words"]["header"]["fields"]["dest"] == {
        "low": HEADER["dest"].low, "width": HEADER["dest"].width, "signed": False, "about": HEADER["dest"].about
    }  # fmt: skip


def test_a_compiler_takes_the_header(tmp_path: Path) -> None:
    (tmp_path / "quiesce.h").write_text(c_header())
    config = REGISTER_FIELDS[Register.CONFIG]["detector_width"]
    values = {
        "QUIESCE_CORE_ID": CORE_ID, "QUIESCE_REGISTER_COUNTER_SELECT": Register.COUNTER_SELECT,
        "QUIESCE_OPCODE_START": Opcode.START, "QUIESCE_COUNTER_EFFECTUAL_MACS": Counter.EFFECTUAL_MACS,
        "QUIESCE_ERROR_CODE_BOUNDS": 4, "QUIESCE_REG_CONFIG_DETECTOR_WIDTH_LOW": config.low, "QUIESCE_PASS15_CLIP_LOW_WIDTH": 8,
    }  # fmt: skip
    lines = [f'_Static_assert({name} == {int(value)}u, "{name}");' for name, value in values.items()]
    source = tmp_path / "test.c"
    source.write_text("\n".join(['#include "quiesce.h"', '#include "quiesce.h"', *lines]))
    subprocess.run(["g++", "-x", "c", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", source], check=True)
    names = re.findall(r"^#define (\w+)", c_header(), re.MULTILINE)
    assert len(names) == len(set(names))


def test_the_page_in_the_documents_is_up_to_date() -> None:
    assert PAGE.read_text() == tables()
