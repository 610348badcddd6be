"""``quiesce verilog``."""

from pathlib import Path

import click

from quiesce.cli.options import OutFile, config_options, core_config

__all__ = ["verilog"]


@click.command()
@config_options
@click.option("-o", "--out", type=OutFile, metavar="FILE", help="Where to write; by default standard output.")
def verilog(preset_name: str, overrides: tuple[str, ...], out: Path | None) -> None:
    """Write the Verilog of a core, top module `quiesce`."""
    config = core_config(preset_name, overrides)
    from quiesce.rtl.verilog import emit

    text = emit(config)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text)
