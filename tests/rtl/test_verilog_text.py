"""Smaller Verilog of the same design."""

from quiesce.rtl.verilog_text import merge_modules, shorten_initial

CELL = """\
module {name}(a, y);
  reg \\$auto$verilog_backend.cc:2355:dump_module${number}  = 0;
  input a;
  output y;
  assign y = {operator}a;
endmodule

"""
PARENT = """\
module {name}(a, y);
  input a;
  output y;
  {child} cell (
    .a(a),
    .y(y)
  );
endmodule

"""


def design(second_operator: str) -> str:
    return (
        "/* generated */\n"
        + "module top(a, y, z);\n  input a;\n  output y, z;\n"
        + "  \\top.p0  p0 (\n    .a(a),\n    .y(y)\n  );\n  \\top.p1  p1 (\n    .a(a),\n    .y(z)\n  );\nendmodule\n\n"
        + PARENT.format(name="\\top.p0 ", child="\\top.p0.cell ")
        + CELL.format(name="\\top.p0.cell ", number=1, operator="~")
        + PARENT.format(name="\\top.p1 ", child="\\top.p1.cell ")
        + CELL.format(name="\\top.p1.cell ", number=22, operator=second_operator)
    )


def test_equal_modules_are_merged_from_the_leaves_up() -> None:
    text = merge_modules(design("~"))
    assert text.count("\nmodule ") == text.count("endmodule") == 3
    assert "\\top.p0  p0 (" in text and "\\top.p0  p1 (" in text
    assert "top.p1" not in text
    assert text.startswith("/* generated */\n")
    assert merge_modules(text) == text


def test_modules_that_differ_stay() -> None:
    text = merge_modules(design(""))
    assert text.count("endmodule") == 5
    assert "\\top.p1.cell  cell (" in text


def test_unnamed_wires_are_numbered_in_each_module() -> None:
    def cell(number: int) -> str:
        port = f"\\port${number}$3 "
        return f"module \\top.p{number} ({port}, y);\n  input {port};\n  output y;\n  assign y = {port}[0];\nendmodule\n\n"

    def use(number: int) -> str:
        return f"  \\top.p{number}  p{number} (\n    .\\port${number}$3 (\\port$9$1 [3]),\n    .y(y{number})\n  );\n"

    port = "\\port$9$1 "
    text = merge_modules(f"module top({port}, y7, y8);\n  input {port};\n{use(7)}{use(8)}endmodule\n\n" + cell(7) + cell(8))
    assert text.count("endmodule") == 2 and "port$" not in text
    assert "  \\top.p7  p8 (\n    .\\part$0$3 (\\part$0$1 [3]),\n    .y(y8)\n" in text


def test_initial_rows_become_a_loop() -> None:
    rows = "".join(f"    bank[{row}] = 24'h000000;\n" for row in range(8))
    expected = "  initial begin\n    for (integer row = 0; row < 8; row = row + 1) bank[row] = 0;\n  end\n"
    assert shorten_initial(f"  initial begin\n{rows}  end\n") == expected


def test_other_initial_rows_stay() -> None:
    rest = "    bank[0] = 24'h000000;\n    bank[2] = 24'h000000;\n    bank[3] = 24'h000001;\n    one[0] = 8'h00;\n"
    assert shorten_initial(rest) == rest


def test_memories_are_not_mixed_up() -> None:
    text = shorten_initial("".join(f"    {name}[{row}] = 8'h00;\n" for name in ("a", "b") for row in range(2)))
    assert [line.split("row + 1) ")[1] for line in text.splitlines()] == ["a[row] = 0;", "b[row] = 0;"]
