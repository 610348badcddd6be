"""``quiesce verilog``."""

from pathlib import Path

import click

from quiesce.cli.app import CliError
from quiesce.cli.options import OutFile, config_option
from quiesce.spec.config import CoreConfig

__all__ = ["verilog"]


@click.command()
@config_option()
@click.option("-o", "--out", type=OutFile, metavar="FILE", help="Where to write; by default standard output.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a folder instead: the core, its RAMs in a file of their own, a file list, parameters, lint waivers.",
)
def verilog(config: CoreConfig, out: Path | None, folder: Path | None) -> None:  # fmt: skip
    """Write the Verilog of a core, top module `quiesce`."""
    from quiesce.rtl.verilog.emit import emit
    from quiesce.rtl.verilog.files import verilog_files

    if folder is not None:
        if out is not None:
            raise CliError("--folder and --out are two ways to say where to write")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in verilog_files(config).items():
            (folder / name).write_text(text)
    elif out is None:
        click.echo(emit(config), nl=False)
    else:
        out.write_text(emit(config))
