"""Modules that a design repeats are written once."""

from quiesce.rtl.verilog.rtlil_text import merge_modules


def module(name: str, body: str) -> str:
    return f'attribute \\generator "Amaranth"\nmodule {name}\n{body}end\n'


def instance(of: str, name: str, *connections: str) -> str:
    return f"  cell {of} {name}\n" + "".join(f"    connect {line}\n" for line in connections) + "  end\n"


def design(second: str) -> str:
    def leaf(constant: str) -> str:
        return f"  wire width 1 output 0 \\y\nconnect \\y {constant}\n"

    parts = [
        module("\\top", instance("\\top.p0", "\\p0", "\\y \\y0") + instance("\\top.p1", "\\p1", "\\y \\y1")),
        module("\\top.p0", instance("\\top.p0.leaf", "\\leaf", "\\y \\y")),
        module("\\top.p0.leaf", leaf("1'0")),
        module("\\top.p1", instance("\\top.p1.leaf", "\\leaf", "\\y \\y")),
        module("\\top.p1.leaf", leaf(second)),
    ]
    return "\n".join(parts)


def test_equal_modules_are_merged_from_the_leaves_up():
    text = merge_modules(design("1'0"))
    assert text.count("\nend\n") == 3
    assert "  cell \\top.p0 \\p0\n" in text and "  cell \\top.p0 \\p1\n" in text
    assert "top.p1" not in text
    assert merge_modules(text) == text


def test_modules_that_differ_stay():
    assert merge_modules(design("1'1")) == design("1'1")


def test_cells_that_are_no_modules_stay():
    text = module("\\top", "  cell $add $3\n    parameter \\A_WIDTH 4\n    connect \\A \\a\n  end\n")
    assert merge_modules(text) == text


def test_unnamed_wires_are_numbered_in_each_module():
    def cell(number: int) -> str:
        port = f"\\port${number}$3"
        return module(f"\\top.p{number}", f"  wire width 4 input 0 {port}\n  wire width 1 output 1 \\y\nconnect \\y {port} [0]\n")

    uses = [instance(f"\\top.p{n}", f"\\p{n}", f"\\port${n}$3 \\port$9$1 [3:0]", f"\\y \\y{n}") for n in (7, 8)]
    text = merge_modules("\n".join([module("\\top", "  wire width 8 input 0 \\port$9$1\n" + "".join(uses)), cell(7), cell(8)]))
    assert text.count("\nend\n") == 2 and "port$" not in text
    assert "  cell \\top.p7 \\p8\n    connect \\part$0$3 \\part$0$1 [3:0]\n    connect \\y \\y8\n" in text
