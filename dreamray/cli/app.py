"""The command line: a program with its commands, whose errors end in one line and an exit code."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import Annotated

import typer

from dreamray.base.errors import DreamrayError
from dreamray.base.messages import shown
from dreamray.base.version import __version__
from dreamray.cli import check_command, commands, interruption
from dreamray.cli.interruption import INTERRUPTED
from dreamray.cli.streams import make_lasting, tell


class LogLevel(StrEnum):
    """How much is logged."""

    WARNING = "warning"
    INFO = "info"


app = typer.Typer(
    help="Deep Dreams of pictures of any size.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_log = logging.getLogger(__name__)


def main() -> None:
    """Run the command line; every error of ours ends in one line and its exit code."""
    make_lasting()
    interruption.watch()
    try:
        try:
            app()
        except (Exception, KeyboardInterrupt) as error:
            # An interruption may come out of a library's depths as an error of its own.
            if isinstance(error, KeyboardInterrupt) or interruption.has_come():
                _log.info("interrupted: %r", error)
                interruption.say()
                sys.exit(INTERRUPTED)
            if not isinstance(error, DreamrayError):
                raise
            tell(str(error))
            sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # Typer's own end of a KeyboardInterrupt has no words.
            interruption.say()
        farm = sys.modules.get("dreamray.farm.cluster")
        if farm is not None:
            farm.end_if_ray_hangs(end.code)
        raise


class _OneLine(logging.Formatter):
    """A line for each record, whatever the names in it are."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def _log_to_stderr(level: LogLevel) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("dreamray")
    logger.addHandler(handler)
    logger.setLevel(level.value.upper())


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    log: Annotated[
        LogLevel | None,
        typer.Option(
            "--log",
            envvar="DREAMRAY_LOG",
            help="Tell on standard error what this process sees of workers, leases and storage, "
            "for whoever looks for a fault.",
        ),
    ] = None,
) -> None:
    if version:
        typer.echo(f"dreamray {__version__}")
        raise typer.Exit
    if log is not None:
        _log_to_stderr(log)


for _command in (
    commands.render,
    commands.bulk,
    commands.sweep,
    commands.atlas,
    commands.plan,
    commands.layers,
    commands.presets,
    commands.show,
    check_command.check,
):
    app.command()(_command)
