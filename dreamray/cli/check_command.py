"""The command `check`: whether this machine, or a cluster's nodes, keep the promises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamray.cli.streams import say, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from dreamray.farm.check.findings import MachineReport
    from dreamray.farm.check.machine_check import CheckOptions
    from dreamray.settings.execution import Execution

THIS = "this machine"


def check(
    short: Annotated[
        bool, typer.Option("--short", help="The promises alone, on small pictures.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All that was found, as JSON.")] = False,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URI", help="A folder or s3:// prefix to write to and read from."),
    ] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="N", help="Processors to use. Default: all.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Measure the algorithms of --fast, too fast to repeat.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT|auto",
            help="Check a node of each kind of this Ray cluster. Default: $RAY_ADDRESS, or none.",
            envvar="RAY_ADDRESS",
            show_envvar=False,
        ),
    ] = None,
    gpus_per_worker: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Of the cluster's. Default auto: 1 where it has any."),
    ] = None,
    wait: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="For room on a node. Default 600.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="The findings alone, not what is tried.")
    ] = False,
) -> None:
    """Whether dreamray keeps its promises here, and how fast it is. Takes minutes.

    Same bits, exact tiles, float32 that is float32, memory as planned, bytes that arrive; steps of
    several sizes in each precision. Ends with 1 where a promise does not hold.
    """
    from dreamray.farm.check.findings import last_words
    from dreamray.farm.check.machine_check import CheckOptions
    from dreamray.settings.execution import Execution
    from dreamray.storage import locate_folder

    given: dict[str, Any] = {
        "threads": threads,
        "address": address,
        "gpus_per_worker": gpus_per_worker,
        "wait": wait,
        "kernels": "fast" if fast else None,
    }
    execution = Execution(**{name: value for name, value in given.items() if value is not None})
    options = CheckOptions(short, storage, execution.threads, execution.kernels)
    if storage is not None:  # A mistyped one is told before minutes of work.
        folder = locate_folder(storage)
        if execution.address is None:
            folder.check_writable()

    def progress(text: str) -> None:
        if not quiet:
            tell(f"trying {text}")

    reports = _reports(options, execution, progress)
    if as_json:
        say(json.dumps({name: one.to_json() for name, one in reports.items()}, indent=2))
    else:
        for name, report in reports.items():
            say("" if name == THIS else f"\n{name}")
            for line in report.lines():
                say(line)
        say("")
    (tell if as_json else say)(last_words(reports))
    if any(report.broken for report in reports.values()):
        raise typer.Exit(1)


def _reports(
    options: CheckOptions, execution: Execution, progress: Callable[[str], None]
) -> dict[str, MachineReport]:
    from dreamray.farm.check.machine_check import check_machine

    if execution.address is None:
        return {THIS: check_machine(options, progress)}
    from dreamray.farm.check.findings import MachineReport
    from dreamray.farm.cluster import connect

    reports = {}
    with connect(execution):
        from dreamray.farm.visits import visit_kinds

        for name, found in visit_kinds(options, execution, progress):
            reports[name] = MachineReport.from_json(found)
    return reports
