"""``python -m quiesce.cli`` is ``quiesce``."""

from quiesce.cli.main import main

main(prog_name="quiesce")
