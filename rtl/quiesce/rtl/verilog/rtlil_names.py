"""Plain names for a design: letters, digits and underscores only, the same in every run."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from quiesce.rtl.verilog.rtlil_text import MODULE

__all__ = ["module_names", "with_plain_names"]

_WIRE = re.compile(r"  wire .*?(?P<port>(?:input|output) \d+ +)?\\(?P<name>\S+)\n")
_MEMORY = re.compile(r"  memory .*\\(\S+)\n")
_CELL = re.compile(r"  cell (?P<kind>\S+) (?P<name>\S+)\n")
_REGISTER = re.compile(r"  cell \$dff .*\n(?:    .*\n)*?    connect \\D (\$\d+) .*\n(?:    .*\n)*?    connect \\Q \\(\S+)\n")
_CONNECT = re.compile(r"    connect (\\\S+) ")
_IDENTIFIER = re.compile(r"(?<!\S)(?:\\\S+|\$\d+)(?!\S)")
_NUMBER = re.compile(r"\$\d+$")
_INDEX = re.compile(r"_\d+$")
_RESERVED = frozenset(
    """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins binsof
    bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const constraint context
    continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge else end endcase endchecker
    endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive endprogram
    endproperty endsequence endspecify endtable endtask enum event eventually expect export extends extern final first_match for
    force foreach forever fork forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins
    implements implies import incdir include initial inout input inside instance int integer interconnect interface intersect
    join join_any join_none large let liblist library local localparam logic longint macromodule matches medium modport module
    nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent
    pure rand randc randcase randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran
    rtranif0 rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on
    sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior
    trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
    wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
    """.split()  # noqa: SIM905
)
"""Words of SystemVerilog (IEEE 1800-2017)."""
_CORE = re.compile(r"^cluster\.(?:(?=core_\d+$)|core_\d+\.)")
"""What paths begin with whose core goes without saying."""


def module_names(paths: Iterable[str]) -> dict[str, str]:
    """Names of modules by their paths: ``top.cluster.core_0.array$608.pe_0.walker`` is ``top_array_pe_walker``.

    The path to a core and the numbers of instances are left out, unless modules that differ would be of one name.
    """
    whole, short = {}, {}
    for path in paths:
        top, _, inner = path.partition(".")
        parts = [_NUMBER.sub("", part) for part in inner.split(".") if part]
        whole[path] = "_".join([top, *parts])
        short[path] = "_".join([top, *(_INDEX.sub("", part) for part in _CORE.sub("", ".".join(parts)).split(".") if part)])
    uses = Counter(short.values())
    names = {path: name if uses[name] == 1 else whole[path] for path, name in short.items()}
    assert len(set(names.values())) == len(names), "two modules of one name"
    return names


def _plain(name: str) -> str:
    """Without what a generator adds to tell names apart, and without what would have to be escaped."""
    plain = re.sub(r"\W+", "_", _NUMBER.sub("", name).strip("$")).strip("_")
    return f"{plain}_" if plain in _RESERVED else plain


def _local_names(module: str) -> dict[str, str]:
    """New identifiers in a module, by the old ones: first choose instances, then ports, then wires that keep their names."""
    instances = [name[1:] for kind, name in _CELL.findall(module) if kind.startswith("\\")]
    wires = [(not port, _plain(name) != name, name) for port, name in _WIRE.findall(module)]
    wanted = {f"\\{name}": _plain(name) for name in [*instances, *(name for _, _, name in sorted(wires, key=lambda at: at[:2]))]}
    names: dict[str, str] = {}
    taken = set(_MEMORY.findall(module))

    def choose(identifier: str, name: str) -> None:
        new = next(new for n in count() if (new := f"{name.rstrip('_')}_{n}" if n else name) not in taken)
        taken.add(new)
        names[identifier] = f"\\{new}"

    for identifier, name in wanted.items():
        choose(identifier, name)
    for following, register in _REGISTER.findall(module):
        choose(following, f"{names[chr(92) + register][1:]}_next")
    return names


def _renamed(module: str, modules: Mapping[str, str], local: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The lines of a module. Ports of instances are named in the module that they are of."""

    def identifier(at: re.Match[str]) -> str:
        return names.get(at[0], at[0])

    found = MODULE.match(module)
    assert found is not None
    names = local[found[1]]
    ports: Mapping[str, str] = {}  # of the cell that the line belongs to
    for line in module.splitlines(keepends=True):
        if line.startswith(("attribute ", "  attribute ", "    parameter ")):
            yield line
        elif line.startswith("module "):
            yield f"module {modules[found[1]]}\n"
        elif cell := _CELL.match(line):
            ports = local.get(cell["kind"], {})
            yield f"  cell {modules.get(cell['kind'], cell['kind'])} {_IDENTIFIER.sub(identifier, cell['name'])}\n"
        elif port := _CONNECT.match(line):
            yield f"    connect {ports.get(port[1], port[1])} {_IDENTIFIER.sub(identifier, line[port.end() :])}"
        else:
            yield _IDENTIFIER.sub(identifier, line)


def with_plain_names(rtlil: str) -> str:
    """The same design with plain names of modules, instances, ports and wires.

    Instances are named as the generator's submodules are, whatever else there is of that name. Wires of equal names are numbered
    within their module. What a register of name ``x`` will hold is ``x_next``; other wires without a name stay without one.

    Parameters
    ----------
    rtlil : str
        As ``merge_modules`` returns it.
    """
    texts = {found[1]: found[0] for found in MODULE.finditer(rtlil)}
    modules = {f"\\{path}": f"\\{name}" for path, name in module_names(identifier[1:] for identifier in texts).items()}
    local = {identifier: _local_names(text) for identifier, text in texts.items()}
    return "\n".join("".join(_renamed(text, modules, local)) for text in texts.values())
