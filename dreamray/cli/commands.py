"""The commands. Each imports what it needs when it runs, and no sooner."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamray.base.errors import DreamrayError, WeightsError
from dreamray.base.messages import duration, plural, shown
from dreamray.cli import interruption
from dreamray.cli.options import CliOptions, with_settings
from dreamray.cli.streams import say, tell

if TYPE_CHECKING:
    from dreamray.bulk.task_store import Counts
    from dreamray.cli.merge import MergedSettings
    from dreamray.cli.progress import QuietLines
    from dreamray.engine.events import Event, Listener

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Warnings and errors alone.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace what is there also where dreamray has not made it."),
]
Input = Annotated[str, typer.Argument(metavar="INPUT", help="A picture: a path or s3:// URI.")]
Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="The result: a path or s3:// URI; format by suffix.")
]


@with_settings
def render(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…", help="Pictures: paths or s3:// URIs; or noise:WIDTHxHEIGHT@SEED."
        ),
    ],
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            help="The result: a path or s3:// URI; format by suffix. Of several inputs a folder, "
            "or an s3:// prefix that ends in a slash.",
        ),
    ],
    given: CliOptions,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, whatever earlier work there is.")
    ] = False,
    keep_work: Annotated[
        bool, typer.Option("--keep-work", help="Leave the work folder as it is at the end.")
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="After each octave write OUTPUT.preview.jpg.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Dream of a picture, or of several. Run again after an interruption, it goes on."""
    from dreamray.cli.inputs import pair_up
    from dreamray.engine.events import Notice
    from dreamray.render.files import RenderOptions, render_picture

    interruption.goes_on(_again("--fresh" if fresh else ""))
    done: list[str] = []
    failed: list[str] = []
    pairs = pair_up(sources, output, overwrite=overwrite)
    with (
        _make_ready(given, quiet) as (request, show),
        request.renderer(show) as renderer,
    ):
        options = RenderOptions(fresh=fresh, work=keep_work, preview=preview, overwrite=overwrite)
        for pair in pairs:
            started = time.monotonic()
            try:
                rendered = render_picture(pair.source, pair.output, renderer, show, options)
            except WeightsError:
                raise  # It would be the same with the others.
            except DreamrayError as error:
                if len(pairs) == 1:
                    raise
                failed.append(pair.source)
                show(Notice(f"failed: {shown(pair.source)}: {error}"))
                continue
            took = duration(time.monotonic() - started)
            done.append(f"{shown(rendered.output)}: {rendered.shape} in {took}")
    for line in done:
        say(line)
    if failed:
        tell(f"{len(failed)} of {len(pairs)} pictures failed: {', '.join(map(shown, failed))}")
        raise typer.Exit(1)


@with_settings
def bulk(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, an s3:// prefix, or a list of pictures (.txt, .csv, .jsonl).",
        ),
    ],
    destination: Annotated[
        str, typer.Argument(metavar="DEST", help="The results' folder or s3:// prefix.")
    ],
    given: CliOptions,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Take what matches, by name or, with a slash in it, by path; repeatable. Default: "
            "what ends like a picture.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(metavar="png|jpeg|webp|tiff", help="Of all results. Default: as the source."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make all anew, whatever is there, but the sources.")
    ] = False,
    max_failures: Annotated[
        str | None,
        typer.Option(metavar="N|P%", help="Stop when more pictures have failed. Default: never."),
    ] = None,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=256,
            help="Pictures of one shape that are dreamt at a time, at the most.",
        ),
    ] = 1,
    padded: Annotated[
        bool,
        typer.Option(
            "--padded",
            help="Compute them as one array, filled up with empty ones: for small pictures on "
            "GPUs. The last bits then depend on --batch.",
        ),
    ] = False,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write index.html and thumbnails.")
    ] = True,
    quiet: Quiet = False,
) -> None:
    """Dream of a set of pictures. Run again, it makes what is new, has changed or has failed."""
    from dreamray.bulk.job import BulkOptions, dream_set
    from dreamray.bulk.request import parse_format, parse_limit
    from dreamray.cli.bulk_progress import BulkBar, BulkLines

    started = time.monotonic()
    interruption.goes_on(_again("--overwrite" if overwrite else ""))
    request = _prepare(given)
    options = BulkOptions(
        include=tuple(include or ()),
        format=parse_format(format),
        overwrite=overwrite,
        max_failures=parse_limit(max_failures),
        batch=batch,
        padded=padded,
        report=report,
    )
    with _progress(quiet, bar=BulkBar, lines=BulkLines) as show:
        counts = dream_set(
            source,
            destination,
            request.dream,
            execution=request.execution,
            options=options,
            on_event=show,
        )
    _end_set(destination, destination, counts, started)


def _end_set(output: str, folder: str, counts: Counts, started: float) -> None:
    """Say what became of a set, whose results lie in a folder."""
    say(f"{shown(output)}: {counts} in {duration(time.monotonic() - started)}")
    if counts.failed:
        tell(
            f"{counts.failed} of {plural(counts.total, 'picture')} failed: "
            f"{shown(folder.rstrip('/'))}/manifest.jsonl says why; mend that, and run it again"
        )
        raise typer.Exit(1)


@functools.partial(with_settings, but=frozenset({"layer", "objective", "size", "seed"}))
def atlas(
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            help="A Deep Zoom, OUTPUT.dzi, or a folder of pictures: a path or s3:// URI.",
        ),
    ],
    given: CliOptions,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A layer whose channels are dreamt, as mixed4, mixed4[12,40] or mean(mixed4). "
            "Repeatable.",
        ),
    ] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="N-N,N,…", help="These channels alone, as 0-63,70.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="PIXELS", help="A side of each dream. Default 144.")
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="N", help="Seed of noise and jitter. Default 0.")
    ] = None,
    own_noise: Annotated[
        bool,
        typer.Option(
            "--own-noise", help="Begin each channel with noise of its own: seed plus channel."
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Make all anew, and replace what others have made."),
    ] = False,
    max_failures: Annotated[
        str | None,
        typer.Option(metavar="N|P%", help="Stop when more channels have failed. Default: never."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """What each channel of a layer makes of noise. Run again, it makes what is not there yet.

    Dreams have the defaults of an atlas where nothing else is said: docs/controls.md.
    """
    from dreamray.bulk.atlas.atlas_job import dreams_of, make_atlas
    from dreamray.bulk.atlas.plates import SETTINGS, Atlas
    from dreamray.bulk.job import BulkOptions
    from dreamray.bulk.request import parse_limit
    from dreamray.cli.bulk_progress import BulkBar, BulkLines

    started = time.monotonic()
    interruption.goes_on(_again("--overwrite" if overwrite else ""))
    given |= {name: value for name, value in (("size", size), ("seed", seed)) if value is not None}
    request = _prepare(given, SETTINGS)
    wanted = Atlas.of(layer or [], request.dream, channels=channels, own_noise=own_noise)
    options = BulkOptions(overwrite=overwrite, max_failures=parse_limit(max_failures))
    with _progress(quiet, bar=BulkBar, lines=BulkLines) as show:
        counts = make_atlas(output, wanted, request.execution, options, show)
    _end_set(output, dreams_of(output), counts, started)


@with_settings
def sweep(
    source: Input,
    output: Output,
    given: CliOptions,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTING=A,B,…",
            help="A setting and its values, such as step=0.001,0.01 or layer=mixed0,mixed4; "
            "repeatable. The default are the experiments of the Deep Dream paper.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """A contact sheet of dreams, one setting changed at a time.

    Each is 400 pixels long, or as --size says.
    """
    from dreamray.render.sweep import SIZE, parse_experiments, render_sheet

    with _make_ready(given, quiet) as (request, show):
        small = request.of_size(SIZE)
        experiments = parse_experiments(vary or [], small.dream)
        with small.renderer(show) as renderer:
            sheet = render_sheet(source, output, renderer, experiments, show, overwrite=overwrite)
    say(f"{shown(output)}: {plural(sheet.dreams, 'dream')}")
    for problem in sheet.failed:
        tell(f"not dreamt: {problem}")
    if sheet.failed:
        raise typer.Exit(1)


@with_settings
def plan(
    source: Input,
    given: CliOptions,
    probe: Annotated[bool, typer.Option(help="Measure this machine's speed for a moment.")] = True,
) -> None:
    """What a render would do: octaves, tiles, memory, work and time."""
    from dreamray.cli.estimate import measure_speed, plan_picture, report

    request = _prepare(given)
    planned, dream = plan_picture(source, request)
    speed = measure_speed(planned, dream, request.execution) if probe else None
    for line in report(planned, dream, speed, request.execution):
        say(line)


def layers(
    all_layers: Annotated[
        bool, typer.Option("--all", help="Every layer, not only the blocks.")
    ] = False,
) -> None:
    """The layers that can be dreamt: stride, receptive field and channels of each.

    Weights need not reach all of them: the bestiary's do not.
    """
    from dreamray.model.architecture import LAYERS

    say(f"{'layer':<26}{'stride':>7}{'sees pixels':>14}{'channels':>10}")
    for layer in LAYERS.values():
        if all_layers or (layer.op == "concat" and layer.name.removeprefix("mixed").isdigit()):
            sees = f"{layer.columns.receptive_field}x{layer.rows.receptive_field}"
            say(f"{layer.name:<26}{layer.rows.stride:>7}{sees:>14}{layer.channels:>10}")


def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The one to print, as YAML.")
    ] = None,
) -> None:
    """The dreams that have a name, for --preset; of one, its settings.

    Those in the folder $DREAMRAY_PRESETS, files NAME.yaml, go before the package's, of which
    docs/presets.md has pictures.
    """
    from dreamray.base.errors import RequestError
    from dreamray.settings.named_presets import PAGE, preset_names, read_preset

    if name is not None:
        say(read_preset(name).text.rstrip())
        return
    names = preset_names()
    width = max(map(len, names))
    for one in names:
        try:
            about = read_preset(one).about
        except RequestError as error:  # One of the user's own; the others are there all the same.
            about = str(error)
        say(f"{one:<{width}}  {about}".rstrip())
    say(f"Pictures of them: {PAGE}")


def show(
    picture: Annotated[str, typer.Argument(metavar="OUTPUT", help="A finished picture.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Everything that it carries, as JSON.")
    ] = False,
) -> None:
    """How a finished picture was made, as YAML that --config takes."""
    from dreamray.cli.merge import describe_picture

    say(describe_picture(picture, as_json=as_json))


@contextlib.contextmanager
def _make_ready(given: CliOptions, quiet: bool) -> Iterator[tuple[MergedSettings, Listener]]:
    """The request understood, the process made ready, and progress shown meanwhile."""
    request = _prepare(given)
    with _progress(quiet) as show:
        yield request, _stopping(show)


@contextlib.contextmanager
def _progress(quiet: bool, **kinds: Any) -> Iterator[QuietLines]:
    """What is done shown, and what a storage has to say; `kinds` are those of `reporter`."""
    from dreamray.cli.progress import reporter
    from dreamray.engine.events import Notice
    from dreamray.storage import told_to

    with reporter(quiet=quiet, **kinds) as show, told_to(lambda text: show(Notice(text))):
        yield show


def _prepare(given: CliOptions, defaults: Mapping[str, Any] = {}) -> MergedSettings:
    """The request understood, and the process made ready."""
    from dreamray.cli.merge import merge_settings
    from dreamray.model.device import keep_freed_memory

    request = merge_settings(given, defaults)
    keep_freed_memory()
    return request


def _again(but: str) -> str:
    return f"the same command{f' without {but}' if but else ''} goes on from what is done"


def _stopping(on_event: Listener) -> Listener:
    """A listener that ends the ascent at a step, if an interruption has not ended it before.

    Raised within a callback of TensorFlow's, such as while it builds the network, it gets lost.
    """
    from dreamray.engine.events import StepDone, TileDone

    def handle(event: Event) -> None:
        on_event(event)
        if isinstance(event, StepDone | TileDone) and interruption.has_come():
            raise KeyboardInterrupt

    return handle
