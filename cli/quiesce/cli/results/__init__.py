"""``quiesce results``: what trained networks reach, beside the figures of the papers."""

import click

from quiesce.cli.results.measure import measure
from quiesce.cli.results.write import write

__all__ = ["results"]


@click.group()
def results() -> None:
    """Measure trained networks and write docs/results.md, which defines all figures."""


for _command in (measure, write):
    results.add_command(_command)
