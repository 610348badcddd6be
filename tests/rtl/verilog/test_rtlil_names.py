"""Plain names of modules, instances and wires."""

from quiesce.rtl.verilog.rtlil_names import module_names, with_plain_names


def test_modules_are_named_by_their_paths():
    paths = ["q", "q.csr", "q.cluster", "q.cluster.core_0", "q.cluster.core_0.array$608.pe_0", "q.cluster.fetch", "q_ram_2x8"]
    names = ["q", "q_csr", "q_cluster", "q_core", "q_array_pe", "q_cluster_fetch", "q_ram_2x8"]
    assert module_names(paths) == dict(zip(paths, names, strict=True))


def test_modules_that_differ_keep_their_numbers():
    paths = ["q.cluster.core_0.pe_0", "q.cluster.core_0.pe_3", "q.cluster.core_1.walk", "q.cluster.core_0.walk"]
    names = ["q_cluster_core_0_pe_0", "q_cluster_core_0_pe_3", "q_cluster_core_1_walk", "q_cluster_core_0_walk"]
    assert module_names(paths) == dict(zip(paths, names, strict=True))


DESIGN = r"""attribute \top 1
module \q
  memory width 8 size 4 \words
  wire width 8 input 0 \config$3
  wire width 8 \config
  wire width 8 \row
  wire width 8 \entry.row
  wire width 8 \$signal$7
  wire width 8 $1
  cell \q.row$9 \row$9
    parameter \A_WIDTH 8
    connect \load$2 \config$3 [7:0]
    connect \y { \row [3:0] \entry.row [3:0] }
  end
  cell $dff $5
    connect \D $1 [7:0]
    connect \CLK \clk [0]
    connect \Q \$signal$7
  end
connect \config \config$3
end

module \q.row$9
  wire width 8 input 0 \load$2
  wire width 8 output 1 \y
connect \y \load$2
end
"""

RENAMED = r"""attribute \top 1
module \q
  memory width 8 size 4 \words
  wire width 8 input 0 \config_
  wire width 8 \config_1
  wire width 8 \row_1
  wire width 8 \entry_row
  wire width 8 \signal
  wire width 8 \signal_next
  cell \q_row \row
    parameter \A_WIDTH 8
    connect \load \config_ [7:0]
    connect \y { \row_1 [3:0] \entry_row [3:0] }
  end
  cell $dff $5
    connect \D \signal_next [7:0]
    connect \CLK \clk [0]
    connect \Q \signal
  end
connect \config_1 \config_
end

module \q_row
  wire width 8 input 0 \load
  wire width 8 output 1 \y
connect \y \load
end
"""


def test_a_design_with_plain_names():
    """Instances choose first, then ports, which are renamed where they are connected, too; reserved words are no names."""
    assert with_plain_names(DESIGN) == RENAMED
