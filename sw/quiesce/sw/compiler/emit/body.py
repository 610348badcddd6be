"""The two parts of a program: what is loaded once, and what is executed for each item."""

from collections import deque
from collections.abc import Iterator

from quiesce.sw.compiler.emit.describe import describe
from quiesce.sw.compiler.emit.loading import load_parts
from quiesce.sw.compiler.emit.packets import PacketWriter
from quiesce.sw.compiler.schedule.network_schedule import ScheduledNetwork
from quiesce.sw.compiler.schedule.placement import Sizes
from quiesce.sw.compiler.tile.network_tiling import TiledNetwork

__all__ = ["item_body", "prologue"]


def _parts_of(tiled: TiledNetwork, index: int, base: Sizes) -> Iterator[PacketWriter]:
    """What loads the weights of pass ``index`` of all its cores."""
    each = tiled.passes[index]
    for mapping in each.mappings:
        yield from load_parts(each.layer, mapping, base, tiled.cores[mapping])


def prologue(scheduled: ScheduledNetwork) -> PacketWriter:
    """Loads of the weights and parameters that stay; its counters go to the last set."""
    writer, pending = PacketWriter(scheduled.config), dict(scheduled.loads.resident)
    for index, each in enumerate(scheduled.tiled.passes):
        base = pending.pop(each.mappings, None)
        for part in () if base is None else _parts_of(scheduled.tiled, index, base):
            writer.append(part)
    writer.wait(flush_to=scheduled.config.max_layers - 1)
    return writer


def _describe_all(body: PacketWriter, scheduled: ScheduledNetwork, index: int) -> None:
    for tile in scheduled.tiled.passes[index].tiles:
        body.cores(1 << tile.core)
        describe(body, scheduled, index, tile)


def item_body(scheduled: ScheduledNetwork) -> PacketWriter:
    """All passes of an item, the loads between them, and barriers between layers.

    Passes are described in front of their loads, so that their activations come meanwhile, but behind the barrier from which on
    these are there. A load overwrites what passes before the one in front of it used. A core that has no part in the latter may
    still be running one of the former, so then all wait first.
    """
    config, plan, passes = scheduled.config, scheduled.loads, scheduled.tiled.passes
    body = PacketWriter(config)
    parts = [deque(_parts_of(scheduled.tiled, index, step.base) if step.loads else ()) for index, step in enumerate(plan.steps)]
    running: set[int] = set()  # cores with a pass since all waited
    latest: set[int] = set()  # those with a pass just in front
    for index, step in enumerate(plan.steps):
        tiles = passes[index].tiles
        barrier = config.n_cores > 1 and index > 0 and passes[index].layer is not passes[index - 1].layer
        if (index == 0 and plan.wait_first) or (plan.gaps[index] and running - latest):
            body.wait()
            running = set()
        if not barrier:
            _describe_all(body, scheduled, index)
        for target, beats in plan.gaps[index]:
            if target == index and step.wait:
                body.wait()
                running = set()
            end = body.n_beats + beats
            while parts[target] and (target == index or body.n_beats < end):
                body.append(parts[target].popleft())
        if barrier:
            body.wait(flush_to=passes[index - 1].counter)
            running = set()
            _describe_all(body, scheduled, index)
        body.cores(sum(1 << tile.core for tile in tiles))
        body.start()
        latest = {tile.core for tile in tiles}
        running |= latest
    if config.n_cores > 1:
        body.wait(flush_to=passes[-1].counter)
    body.item_end()
    return body
