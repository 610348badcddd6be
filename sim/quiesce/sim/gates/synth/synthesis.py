"""Synthesis of a core's Verilog to the cells of a library, with Yosys and abc; the hierarchy of modules stays."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from quiesce.sim.cache import cached, content_key
from quiesce.sim.energy.monitors import MIN_GATED, MIN_SHARED
from quiesce.sim.gates.errors import SynthesisError
from quiesce.sim.gates.liberty.library import Library
from quiesce.sim.gates.synth.black_boxes import RamKind
from quiesce.sim.gates.synth.mapped import check_mapped
from quiesce.sim.gates.synth.yosys import DesignEdit, run_yosys
from quiesce.sim.netlist import MIN_RAM_BITS, Netlist, read_netlist

__all__ = ["SynthesisOptions", "Synthesis", "synthesize"]

_CELLS = "cells.lib"

# Then buffers for nets of more than 12 sinks and sizing for speed at the resulting loads: without them long unbuffered nets set
# the period. Area: redundant logic is shared at the price of longer chains, carries above all. Speed: the structure that Yosys
# made (parallel prefix adders) stays.
_SIZING = ";buffer,-c,-N,12;upsize;dnsize"
_ABC = {
    "area": "strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put" + _SIZING,
    "speed": "strash;ifraig;scorr;strash;dch,-f;map,-B,0.9;topo" + _SIZING,
}

# A register that is enabled or reset is one that is enabled by either.
_RESETS = "".join(
    f"""\
module \\$_SDFFE_PP{value}P_ (input D, C, R, E, output Q);
  \\$_DFFE_PP_ register (.D({data}), .C(C), .E(E | R), .Q(Q));
endmodule
"""
    for value, data in (("0", "D & ~R"), ("1", "D | R"))
)


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions:
    """How to synthesise.

    Parameters
    ----------
    goal : {"area", "speed"}
        What logic is mapped for.
    clock_gates : bool
        Gate the clocks of registers with an enable, if the library has a clock gate, and those of small memories.
    gate_width : int
        Fewest flip-flops of one enable that get a clock gate.
    shared_gates : int
        Fewest clock gates of a module that get one in front of them.
    ram_bits : int
        See ``extract_rams``.
    flatten : bool
        Dissolve the hierarchy: no figures by module.
    """

    goal: Literal["area", "speed"] = "area"
    clock_gates: bool = True
    gate_width: int = MIN_GATED
    shared_gates: int = MIN_SHARED
    ram_bits: int = MIN_RAM_BITS
    flatten: bool = False

    def __post_init__(self) -> None:
        for name, low in (("gate_width", 1), ("shared_gates", 1), ("ram_bits", 1)):
            if getattr(self, name) < low:
                raise SynthesisError(f"{name}: {getattr(self, name)} is below {low}")


@dataclass(frozen=True)
class Synthesis:
    """A mapped design.

    Attributes
    ----------
    netlist : Netlist
    path : str
        Of its top within a core, where modules have classes; "" is the core.
    rams : dict of str to RamKind
        Black boxes by module name.
    seconds : float
        Of Yosys and abc when it was made.
    hit : bool
        Taken from the cache.
    """

    netlist: Netlist
    path: str
    rams: dict[str, RamKind]
    seconds: float
    hit: bool


_MODULES = ("clock_gates.py", "ram_extraction.py", "session.py")
"""Code that a result depends on."""


def _escaped(top: str) -> str:
    return f"\\{top}"


def _gate(library: Library, options: SynthesisOptions) -> dict[str, Any] | None:
    """The arguments of ``GateCell``, if clocks are to have gates."""
    cell = library.clock_gate if options.clock_gates else None
    return None if cell is None or cell.clock_gate is None else {"cell": cell.name, **asdict(cell.clock_gate)}


def _elaborate(top: str, gate: dict[str, Any] | None, options: SynthesisOptions) -> Iterator[str | DesignEdit]:
    """Down to registers, memories that stay memories and cells of Yosys's own."""
    yield "read_verilog -sv core.v"
    yield f"synth -booth -noabc {'-flatten ' if options.flatten else ''}-top {_escaped(top)} -run begin:fine"
    yield DesignEdit("extract_rams", {"min_bits": options.ram_bits})
    if gate is not None:
        yield DesignEdit("gate_memories", {"gate": gate})
    yield "write_rtlil boxed.il"


def _clock(top: str, gate: dict[str, Any] | None, options: SynthesisOptions) -> Iterator[str | DesignEdit]:
    """Down to registers with gated clocks."""
    yield "read_rtlil boxed.il"
    yield f"synth -booth -noabc -top {_escaped(top)} -run fine:check"
    # Cells have no initial values; a reset sets what needs one.
    yield "attrmap -remove init"
    # Resets become logic before the registers, so that those with a reset can have a gated clock, too.
    yield "dfflegalize -cell $_DFF_P_ x -cell $_DFFE_PP_ x -cell $_SDFF_PP?_ x -cell $_SDFFE_PP?P_ x"
    yield "techmap -map resets.v"
    yield "simplemap"
    yield "opt -full -nodffe -nosdff"
    if gate is not None:
        tests = "".join(f" -tie_lo {pin}" for pin in gate["tests"])
        pins = f"{gate['enable']}:{gate['clock']}:{gate['output']}"
        yield f"clockgate -pos {gate['cell']} {pins}{tests} -min_net_size {options.gate_width}"
        yield DesignEdit("gate_modules", {"gate": gate, "fewest": options.shared_gates})
    yield "write_rtlil clocked.il"


def _map(library: Library, options: SynthesisOptions) -> Iterator[str | DesignEdit]:
    yield "read_rtlil clocked.il"
    yield "simplemap"
    # Cells that this flow cannot simulate are not to be used.
    dont_use = "".join(f" -dont_use {cell.name}" for cell in library.cells.values() if not cell.usable)
    yield f"dfflibmap -liberty {_CELLS}{dont_use}"
    yield "opt -nodffe -nosdff"
    yield f"abc -liberty {_CELLS}{dont_use} -script +{_ABC[options.goal]}"
    yield "opt_clean -purge"
    yield "write_json netlist.json"


def _versions() -> str:
    try:
        return f"pyosys {version('pyosys')}"
    except PackageNotFoundError:
        raise SynthesisError("synthesis needs pyosys: install quiesce[synth]") from None


def synthesize(
    verilog: str, library: Library, top: str = "quiesce", options: SynthesisOptions | None = None, *, path: str = ""
) -> Synthesis:
    """Map a design to a library, or take the result from the cache.

    Parameters
    ----------
    verilog : str
        As ``quiesce.rtl.verilog.emit.emit`` writes it.
    top : str
        Its top module; those that it does not reach are left out.
    path : str
        See ``Synthesis``.

    Raises
    ------
    SynthesisError
        Yosys is missing, reports an error, or leaves something that is no cell of the library.
    """
    options = options or SynthesisOptions()
    gate = _gate(library, options)
    scripts = {
        "elaborate.log": list(_elaborate(top, gate, options)),
        "clock.log": list(_clock(top, gate, options)),
        "map.log": list(_map(library, options)),
    }
    steps = [str(step) for script in scripts.values() for step in script]
    recipe = "\n".join([*steps, _RESETS]).replace(_CELLS, f'"{library.digest}"')
    key = content_key(
        {
            "verilog": verilog,
            "recipe": recipe,
            "versions": _versions(),
            "options": json.dumps(asdict(options)),
            **{name: Path(__file__).with_name(name).read_bytes() for name in _MODULES},
        }  # fmt: skip
    )

    def make(folder: Path) -> None:
        (folder / "core.v").write_text(verilog)
        # Under a name without anything that Yosys or abc might take for something else.
        shutil.copyfile(library.source, folder / _CELLS)
        (folder / "resets.v").write_text(_RESETS)
        results = {log: run_yosys(script, folder, log) for log, script in scripts.items()}
        (rams,) = (result.value for result in results["elaborate.log"] if result.value is not None)
        seconds = sum(result.seconds for steps in results.values() for result in steps)
        (folder / "facts.json").write_text(json.dumps({"seconds": seconds, "rams": rams}))
        check_mapped(read_netlist((folder / "netlist.json").read_bytes(), top), library, {ram["name"] for ram in rams})
        for name in (_CELLS, "core.v", "boxed.il", "resets.v", "clocked.il"):
            (folder / name).unlink()

    folder, hit = cached("gates", key, make)
    facts = json.loads((folder / "facts.json").read_text())
    rams = {entry["name"]: RamKind(**entry) for entry in facts["rams"]}
    netlist = read_netlist((folder / "netlist.json").read_bytes(), top)
    return Synthesis(netlist, path, rams, facts["seconds"], hit)
