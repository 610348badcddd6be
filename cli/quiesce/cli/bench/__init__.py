"""``quiesce bench``: figures of the core and of training beside what they should be, one command a file."""

import click

from quiesce.cli.bench.delta import delta
from quiesce.cli.bench.density import density
from quiesce.cli.bench.energy import energy
from quiesce.cli.bench.model import model
from quiesce.cli.bench.peer import peer
from quiesce.cli.bench.scaling import scaling
from quiesce.cli.bench.space import space
from quiesce.cli.bench.speed import speed
from quiesce.cli.bench.traffic import traffic
from quiesce.cli.bench.training import training
from quiesce.cli.bench.utilisation import utilisation

__all__ = ["bench"]


@click.group()
def bench() -> None:
    """Measure the core or training, each figure beside its target; docs/benchmarks.md defines all of them."""


for _command in (utilisation, density, peer, traffic, scaling, speed, model, energy, space, training, delta):
    bench.add_command(_command)
