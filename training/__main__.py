"""`python -m training`: draw the pictures, train on them, look at dreams, export the weights."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dreamray.base.errors import DreamrayError
from dreamray.base.geometry import Shape
from dreamray.model.architecture import ancestors
from dreamray.model.device import start_tensorflow
from dreamray.plan.octaves import plan_octaves
from dreamray.settings.dream import Dream, parse_layers
from training import outputs
from training.recipe import Origin, Recipe

_ROWS = ["mixed3=0.9,mixed4=0.3,mixed5=1.5", "mixed3=1", "mixed4=1", "mixed5=1"]

_INTERRUPTED = 130
_USAGE: Any = typer.BadParameter.__mro__[1]
"""Typer's UsageError: it has no public name, and was Click's once."""


class Block(StrEnum):
    """Where a network may end: `training.model.HEADS`, which only Keras' import would tell."""

    MIXED3 = "mixed3"
    MIXED4 = "mixed4"
    MIXED5 = "mixed5"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number to reckon with")
    return value


Last = Annotated[Block, typer.Option(help="the block where the network ends")]
Liking = Annotated[
    float, typer.Option(min=0, callback=_finite, help="0: all channels count the same")
]
Checkpoint = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)


@app.command("sheet")
def sheet_command(
    output: Path,
    families: Annotated[list[str] | None, typer.Argument(help="names; all if none")] = None,
    each: Annotated[int, typer.Option(min=1, help="pictures of each family")] = 4,
    columns: Annotated[int, typer.Option(min=1, help="families side by side")] = 4,
    side: Annotated[int, typer.Option(min=1, help="pixels a side of a picture")] = 96,
) -> None:
    """A contact sheet of the families."""
    from training.bestiary import FAMILIES
    from training.sheets import bestiary_sheet

    unknown = sorted({*(families or ())} - {*FAMILIES})
    if unknown:
        raise typer.BadParameter(
            f"no family is called {unknown[0]}; there are {', '.join(FAMILIES)}"
        )
    outputs.check_picture(output)
    drawn = bestiary_sheet(families or (), each, columns, side)
    with outputs.whole(output) as part:
        drawn.save(part)


@app.command()
def draw(
    folder: Path,
    shards: Annotated[int, typer.Option(min=1, help="of 2000 pictures each")] = 20,
    processes: Annotated[int, typer.Option(min=1)] = os.cpu_count() or 1,
) -> None:
    """Draw pictures into FOLDER; those that are there already stay."""
    from training.gallery import Gallery

    for number in Gallery(folder).draw(shards, processes):
        print(f"shard {number} of {shards}", flush=True)


@app.command()
def train(
    folder: Annotated[Path, typer.Argument(help="the drawn pictures")],
    checkpoint: Annotated[
        Path, typer.Argument(help="FILE.npz: written, and resumed if it is there")
    ],
    start: Annotated[
        str | None, typer.Option(help="weights to start from, as dreamray's --weights names them")
    ] = None,
    forget: Annotated[
        bool, typer.Option(help="which channels of the start stand for which families")
    ] = False,
    updates: Annotated[int, typer.Option(min=1)] = Recipe.updates,
    batch: Annotated[int, typer.Option(min=1)] = Recipe.batch,
    pixels: Annotated[int, typer.Option(min=75)] = Recipe.pixels,
    replays: Annotated[int, typer.Option(min=1, help="1: without the adversary")] = Recipe.replays,
    rate: Annotated[float, typer.Option(min=0, callback=_finite)] = Recipe.rate,
    still: Annotated[float, typer.Option(min=0, max=1, callback=_finite)] = Recipe.still,
    dream_step: Annotated[float, typer.Option(min=0, callback=_finite)] = Recipe.dream_step,
    dream_penalty: Annotated[float, typer.Option(min=0, callback=_finite)] = Recipe.dream_penalty,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = Recipe.seed,
    last: Last = Block.MIXED5,
    save_seconds: Annotated[
        float, typer.Option(min=0, callback=_finite, help="between two checkpoints")
    ] = 120,
    keep: Annotated[
        int, typer.Option(min=0, help="updates between copies that stay; 0: there are none")
    ] = 0,
) -> None:
    """Train, with a checkpoint now and then; the same command goes on after a stop."""
    if forget and start is None:
        raise typer.BadParameter(
            "there is nothing to forget without --start", param_hint="--forget"
        )
    if forget and still < 1:
        # A norm over the batch would make what is faint loud again, and nothing be forgotten.
        raise typer.BadParameter("it needs --still 1", param_hint="--forget")
    outputs.check(checkpoint)
    from dreamray.model.weights import loader
    from training.gallery import Gallery

    gallery = Gallery(folder)
    gallery.batch(0, 1, seed)  # What is amiss with the pictures is to be said at once.
    begun = None if start is None else loader.load(start)
    if begun is not None:
        begun.check_reaches([last])
    _start_quietly()
    from training.model import forget_names, network, start_from
    from training.report import Report
    from training.trainer import Trainer
    from training.update import repeatable

    recipe = Recipe(
        seed=seed,
        updates=updates,
        batch=batch,
        pixels=pixels,
        smallest_crop=min(Recipe.smallest_crop, pixels),
        replays=replays,
        rate=rate,
        still=still,
        dream_step=dream_step,
        dream_penalty=dream_penalty,
    )
    repeatable(seed)
    model = network(len(gallery.families), last)
    if begun is not None:
        start_from(model, begun)
        if forget:
            forget_names(model)
    origin = Origin(
        tuple(gallery.families),
        gallery.total,
        None if begun is None else f"{begun.name}, SHA-256 {begun.sha256}",
        forget,
    )
    trainer = Trainer(model, recipe, origin)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        print(f"going on after {trainer.done} updates", flush=True)
    kept, saved, report = trainer.done, time.monotonic(), Report(recipe)
    for progress in trainer.run(lambda number: gallery.batch(number, batch, seed)):
        report.add(progress)
        whole = progress.replay == recipe.replays - 1
        if whole and time.monotonic() - saved > save_seconds:
            trainer.save(checkpoint)
            saved = time.monotonic()
            print(report.line(), flush=True)
        if whole and keep and trainer.done // keep > kept // keep:
            kept = trainer.done
            trainer.save(checkpoint.with_stem(f"{checkpoint.stem}-{kept:05}"))
    trainer.save(checkpoint)
    print(f"{checkpoint}: {trainer.done} updates are made", flush=True)


@app.command()
def look(
    folder: Annotated[Path, typer.Argument(help="the drawn pictures")],
    checkpoint: Checkpoint,
    sheet: Annotated[Path, typer.Argument(help="the picture to be written")],
    pictures: Annotated[list[Path], typer.Argument(help="what to dream of")],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=WEIGHT,…: a row of the sheet each; if none is given, those of "
            f"{'; '.join(_ROWS)} that the network reaches"
        ),
    ] = None,
    width: Annotated[int, typer.Option(min=1, help="of each picture")] = 450,
    liking: Liking = 1.0,
    last: Last = Block.MIXED5,
    beside: Annotated[list[str] | None, typer.Option(help="other weights, a row each")] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="CHECKPOINT", help="another one: the same rows"
        ),
    ] = None,
) -> None:
    """Dreams of checkpoints, with their losses: what they are to be chosen by."""
    outputs.check_picture(sheet)
    texts = layer or [text for text in _ROWS if not _unreached(_layers(text), last)]
    dreams = {text: _dream(text, last) for text in texts}
    from dreamray.model.weights import loader
    from dreamray.render.default_layers import settle_layers
    from training.gallery import Gallery
    from training.select import dream_sheet, shown

    images = [shown(path, width) for path in pictures]
    others = {}
    for source in beside or ():
        loaded = loader.load(source)
        others[source] = loaded, settle_layers(Dream(max_loss=None), loaded, _tell)
    for dream in [*dreams.values(), *(dream for _, dream in others.values())]:
        plan_octaves(Shape(*images[0].shape[:2]), dream)
    gallery = Gallery(folder)
    gallery.batch(0, 1, seed=1)
    _start_quietly()
    from training.finish import finished

    rows = {}
    for path in (checkpoint, *(also or ())):
        mine = finished(path, gallery, last=last, power=liking)
        for text, dream in dreams.items():
            rows[f"{path}: {text}" if also else text] = mine, dream
    dreamt = dream_sheet(images, rows | others)
    with outputs.whole(sheet) as part:
        dreamt.save(part)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="the drawn pictures")],
    checkpoint: Checkpoint,
    output: Annotated[Path, typer.Argument(help="the file of weights to be written")],
    version: Annotated[
        int, typer.Option(min=1, help="one more than that of the last file shipped")
    ],
    layer: Annotated[str, typer.Option(help="NAME=WEIGHT,…: the default layers")] = _ROWS[0],
    liking: Liking = 1.0,
    fact: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, of the training")] = None,
) -> None:
    """Write a checkpoint's weights as dreamray ships them."""
    outputs.check(output)
    layers = _dream(layer, Block.MIXED5).layers
    facts = dict(map(_fact, fact or ()))
    from training.gallery import Gallery

    gallery = Gallery(folder)
    gallery.batch(0, 1, seed=1)
    _start_quietly()
    from training.export import export as write
    from training.finish import finished
    from training.model import LAST

    weights = finished(checkpoint, gallery, last=LAST, power=liking)
    write(weights, output, version=version, default_layers=layers, facts=facts)
    print(f"{output}: {output.stat().st_size:,} bytes")


def _layers(text: str) -> dict[str, float]:
    return parse_layers(re.split(r",(?![^\[]*\])", text))  # Channels have commas, too.


def _dream(text: str, last: str) -> Dream:
    """The dream of a row; RequestError for layers that there are not, or not in the network."""
    dream = Dream(layers=_layers(text), max_loss=None)
    if unreached := _unreached(dream.layer_names, last):
        raise typer.BadParameter(
            f"{unreached[0]} lies behind {last}, where the network ends; name layers before it",
            param_hint="--layer",
        )
    return dream


def _unreached(layers: Iterable[str], last: str) -> list[str]:
    reached = {layer.name for layer in ancestors([last])}
    return [name for name in layers if name not in reached]


def _fact(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is not of the form KEY=VALUE", param_hint="--fact")
    return key, value


def _start_quietly() -> None:
    """Import TensorFlow, if Keras is to run on it, without the lines that it greets with."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        start_tensorflow()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; what goes wrong ends in one line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if app(arguments, standalone_mode=False) == _INTERRUPTED:
            _end("interrupted", _INTERRUPTED)
    except typer.Abort:  # How earlier versions of Typer tell of an interruption.
        _end("interrupted", _INTERRUPTED)
    except _USAGE as error:
        if text := error.format_message():  # It has none where help was shown.
            _end(f"{text.rstrip('.')}; --help tells what is allowed", 2)
        sys.exit(2)
    except DreamrayError as error:
        _end(str(error), error.exit_code)
    except ImportError as error:
        _end(
            f"{error}: something that the training needs is missing; pip install -e '.[training]', "
            "and what KERAS_BACKEND names",
            1,
        )
    except MemoryError as error:
        _end(f"memory has run out ({error or 'MemoryError'}); take less at a time", 1)
    except (OSError, ValueError, ArithmeticError) as error:
        _end(str(error) or type(error).__name__, 1)


def _end(text: str, code: int) -> NoReturn:
    _tell(f"training: {' '.join(text.split())}")
    sys.exit(code)


if __name__ == "__main__":
    main()
