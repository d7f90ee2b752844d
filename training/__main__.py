"""`python -m training`: draw the pictures, train on them, look at dreams, export the weights."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from dreamray.errors import DreamrayError
from dreamray.request import parse_layers
from training.recipe import Recipe

_ROWS = ["mixed3=0.5,mixed4=1,mixed5=1.2", "mixed3=1", "mixed4=1", "mixed5=1"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)


@app.command("sheet")
def sheet_command(
    output: Path,
    families: Annotated[list[str] | None, typer.Argument(help="names; all if none")] = None,
    each: Annotated[int, typer.Option(help="pictures of each family")] = 4,
    columns: Annotated[int, typer.Option(help="families side by side")] = 4,
    side: Annotated[int, typer.Option(help="pixels a side of a picture")] = 96,
) -> None:
    """A contact sheet of the families."""
    from training.bestiary import FAMILIES
    from training.sheets import bestiary_sheet

    unknown = sorted({*(families or ())} - {*FAMILIES})
    if unknown:
        raise typer.BadParameter(
            f"no family is called {unknown[0]}; there are {', '.join(FAMILIES)}"
        )
    bestiary_sheet(families or (), each, columns, side).save(output)


@app.command()
def draw(
    folder: Path,
    shards: Annotated[int, typer.Option(help="of 2000 pictures each")] = 20,
    processes: Annotated[int, typer.Option()] = os.cpu_count() or 1,
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
    updates: Annotated[int, typer.Option()] = Recipe.updates,
    batch: Annotated[int, typer.Option()] = Recipe.batch,
    pixels: Annotated[int, typer.Option()] = Recipe.pixels,
    replays: Annotated[int, typer.Option(help="1: without the adversary")] = Recipe.replays,
    rate: Annotated[float, typer.Option()] = Recipe.rate,
    still: Annotated[float, typer.Option()] = Recipe.still,
    dream_step: Annotated[float, typer.Option()] = Recipe.dream_step,
    dream_penalty: Annotated[float, typer.Option()] = Recipe.dream_penalty,
    seed: Annotated[int, typer.Option()] = Recipe.seed,
    last: Annotated[str, typer.Option(help="the block where the network ends")] = "mixed5",
    save_seconds: Annotated[float, typer.Option(help="between two checkpoints")] = 120,
) -> None:
    """Train, with a checkpoint now and then; the same command goes on after a stop."""
    if forget and start is None:
        raise typer.BadParameter("there is nothing to --forget without --start")
    from dreamray import weights
    from training.gallery import Gallery
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
    gallery = Gallery(folder)
    repeatable(seed)
    model = network(len(gallery.families), last)
    if start is not None:
        start_from(model, weights.load(start))
        if forget:
            forget_names(model)
    trainer = Trainer(model, recipe)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        print(f"going on after {trainer.done} updates", flush=True)
    saved, report = time.monotonic(), Report(recipe)
    for progress in trainer.run(lambda number: gallery.batch(number, batch, seed)):
        report.add(progress)
        whole = progress.replay == recipe.replays - 1
        if whole and time.monotonic() - saved > save_seconds:
            trainer.save(checkpoint)
            saved = time.monotonic()
            print(report.line(), flush=True)
    trainer.save(checkpoint)
    print(f"{checkpoint}: {trainer.done} updates are made", flush=True)


@app.command()
def look(
    folder: Annotated[Path, typer.Argument(help="the drawn pictures")],
    checkpoint: Path,
    sheet: Annotated[Path, typer.Argument(help="the picture to be written")],
    pictures: Annotated[list[Path], typer.Argument(help="what to dream of")],
    layer: Annotated[
        list[str], typer.Option(help="NAME=WEIGHT,…: a row of the sheet each")
    ] = _ROWS,
    width: Annotated[int, typer.Option(help="of each picture")] = 450,
    liking: Annotated[float, typer.Option(help="0: all channels count the same")] = 1.0,
    last: Annotated[str, typer.Option(help="the block where the network ends")] = "mixed5",
    beside: Annotated[list[str] | None, typer.Option(help="other weights, a row each")] = None,
) -> None:
    """Dreams of a checkpoint, with their losses: what it is to be chosen by."""
    from dreamray import weights
    from dreamray.settings import Dream
    from training.finish import finished
    from training.gallery import Gallery
    from training.select import dream_sheet, shown

    named = {text: _layers(text) for text in layer}
    mine = finished(checkpoint, Gallery(folder), last=last, name=checkpoint.stem, power=liking)
    rows = {text: (mine, Dream(layers=chosen, max_loss=None)) for text, chosen in named.items()}
    for source in beside or ():
        rows[source] = weights.load(source), Dream(max_loss=None)
    dream_sheet([shown(path, width) for path in pictures], rows).save(sheet)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="the drawn pictures")],
    checkpoint: Path,
    output: Annotated[Path, typer.Argument(help="the file of weights to be written")],
    version: Annotated[int, typer.Option(help="one more than that of the last file shipped")],
    layer: Annotated[str, typer.Option(help="NAME=WEIGHT,…: the default layers")] = _ROWS[0],
    liking: Annotated[float, typer.Option(help="0: all channels count the same")] = 1.0,
    fact: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, of the training")] = None,
) -> None:
    """Write a checkpoint's weights as dreamray ships them."""
    layers = _layers(layer)
    from training.export import export as write
    from training.finish import finished
    from training.gallery import Gallery
    from training.model import LAST

    weights = finished(checkpoint, Gallery(folder), last=LAST, name="bestiary", power=liking)
    facts = dict(text.split("=", 1) for text in fact or ())
    write(weights, output, version=version, default_layers=layers, facts=facts)
    print(f"{output}: {output.stat().st_size:,} bytes")


def _layers(text: str) -> dict[str, float]:
    return parse_layers(re.split(r",(?=mixed)", text))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except (DreamrayError, OSError, ValueError) as error:
        sys.exit(f"training: {error}")
