"""Counterexamples for people: replayed in Amaranth's simulator."""

from pathlib import Path

from amaranth import Value
from amaranth.sim import Simulator

from tests.formal.harness import Harness

__all__ = ["replay"]


def replay(harness: Harness, trace: list[dict[str, int]], vcd: Path | None = None) -> str:
    """A table of the ports of the design under proof and of the checks, a column for each cycle of the trace.

    Parameters
    ----------
    harness : Harness
        Like the one that was decided, not elaborated yet.
    trace : list of dict
        Of its `Verdict`.
    vcd : Path, optional
        All signals go there.

    Raises
    ------
    AssertionError
        No check fails in the last cycle: simulator and abc do not agree.
    """
    rows: dict[str, list[int]] = {}
    sim = Simulator(harness)
    sim.add_clock(1e-6)

    async def drive(ctx) -> None:
        shown = {"rst": harness.sync.rst, **harness.inputs}
        for path, _, value in harness.dut.signature.flatten(harness.dut):
            shown.setdefault("__".join(map(str, path)), Value.cast(value))
        shown.update({f"violated: {name}": signal for name, signal in {**harness.assumptions, **harness.checks}.items()})
        for inputs in trace:
            ctx.set(harness.sync.rst, inputs.get("rst", 0))
            for name, signal in harness.inputs.items():
                ctx.set(Value.cast(signal), inputs.get(name, 0))
            _, _, bad, *values = await ctx.tick().sample(harness.bad, *map(Value.cast, shown.values()))
            for name, value in zip(shown, values, strict=True):
                rows.setdefault(name, []).append(value)
        assert bad, "the simulator does not reproduce the counterexample"

    sim.add_testbench(drive)
    if vcd is None:
        sim.run()
    else:
        with sim.write_vcd(str(vcd)):
            sim.run()
    return "\n".join(f"{name:32} {' '.join(f'{value:>8x}' for value in values)}" for name, values in rows.items() if any(values))
