"""Which flip-flops of the emitted core can have a gated clock."""

from collections import defaultdict

import pytest

from quiesce.sim.core_text import core_text
from quiesce.sim.energy.table import load_table
from quiesce.spec.config import preset


@pytest.mark.parametrize("config", [preset("tiny"), preset("tiny", zero_skipping=0)], ids=["event-driven", "plain"])
def test_nearly_all_registers_have_an_enable(config) -> None:
    table, counts = load_table(), defaultdict(lambda: [0, 0, 0])
    for path, clocks in core_text(config).clocks.items():
        count = counts[table.module_class(path)]
        for index, n in enumerate((clocks.flip_flops, clocks.gated, clocks.gated_reset)):
            count[index] += n
    report = {name: dict(zip(("flip-flops", "enable", "reset and enable"), count, strict=True)) for name, count in counts.items()}
    total, *enabled = (sum(count[index] for count in counts.values()) for index in range(3))
    assert sum(enabled) >= 0.95 * total, report
    assert enabled[0] >= 0.6 * total, report
    for name in ("walker", "mac", "psums", "post-processing"):
        assert sum(counts[name][1:]) >= 0.85 * counts[name][0], (name, report[name])
