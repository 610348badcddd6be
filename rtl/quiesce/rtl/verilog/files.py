"""The Verilog of a core as a folder for tools: sources, file list, parameters and lint waivers."""

import json
import re
from pathlib import Path

from quiesce.rtl.verilog.emit import emit
from quiesce.spec.config import CoreConfig
from quiesce.spec.contract import c_header, contract

__all__ = ["verilog_files"]

_RAM = re.compile(
    r"(?ms)^module (?P<name>\w+_ram_(?P<depth>\d+)x(?P<width>\d+)(?:_parts(?P<parts>\d+))?(?P<transparent>_transparent)?)\("
    r".*?^endmodule\n\n?"
)
_WAIVERS = Path(__file__).with_name("lint.vlt")


def verilog_files(config: CoreConfig, name: str = "quiesce") -> dict[str, str]:
    """Texts by file name.

    - ``<name>.v``: the core but for its RAMs; top module ``name``;
    - ``<name>_rams.v``: the modules of its RAMs, to be replaced where there are macros (see ``rtl.lib.ram.Ram``);
    - ``<name>.f``: both, as a list that simulators and synthesis take with ``-f``;
    - ``<name>.json``: the configuration, and each kind of RAM;
    - ``<name>.vlt``: what Verilator's lint is not to warn of;
    - ``<name>.h`` and ``<name>_contract.json``: registers, counters, error codes and programs, for software of the host.

    Raises
    ------
    RuntimeError
        See ``emit``.
    """
    text = emit(config, name)
    rams = {
        found["name"]: {
            "depth": int(found["depth"]), "width": int(found["width"]), "parts": int(found["parts"] or 1),
            "transparent": bool(found["transparent"]),
        }
        for found in _RAM.finditer(text)
    }  # fmt: skip
    return {
        f"{name}.v": _RAM.sub("", text),
        f"{name}_rams.v": "".join(found[0] for found in _RAM.finditer(text)),
        f"{name}.f": f"{name}_rams.v\n{name}.v\n",
        f"{name}.json": json.dumps({"top": name, "config": config.to_dict(), "rams": rams}, indent=2) + "\n",
        f"{name}.vlt": _WAIVERS.read_text(encoding="utf-8"),
        f"{name}.h": c_header(),
        f"{name}_contract.json": json.dumps(contract(), indent=1) + "\n",
    }
