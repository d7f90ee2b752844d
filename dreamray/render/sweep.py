"""A contact sheet of dreams of one picture, one setting changed at a time."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dreamray import pictures
from dreamray.base.errors import DreamrayError, MemoryExhaustedError, RequestError
from dreamray.base.geometry import Shape
from dreamray.base.messages import Aside, brief
from dreamray.engine.events import Listener, Notice, ignore
from dreamray.pictures import Picture
from dreamray.pictures.encoding import PICTURE_SUFFIXES
from dreamray.pictures.noise import locate_source
from dreamray.pictures.outputs import check_output_place, is_dream
from dreamray.pictures.reduction import reduce_array
from dreamray.plan.planner import Planner
from dreamray.render.guide import open_guide
from dreamray.render.named_pictures import check_masks, open_masks, settle_pictures
from dreamray.render.provenance import describe
from dreamray.render.renderer import Renderer, read_picture
from dreamray.settings.dream import Dream
from dreamray.settings.named_presets import every_preset, read_preset
from dreamray.storage import MemoryFolder, locate

PAPER = (
    ("iterations", ("10", "100")),
    ("max_loss", ("5", "20")),
    ("step", ("0.1", "0.001")),
    ("octave_scale", ("0.7", "5")),
)
"""The experiments of the paper that the defaults come from: each changes one setting."""

SIZE = 400
"""Longer side of each picture, where the dream has no size."""

_VARIED = (
    "layer",
    "preset",
    *(name for name in Dream.model_fields if name not in ("layers", "size")),
)

_MARGIN, _LABEL = 12, 26
_COLUMNS = 6
_BACKGROUND, _INK, _FAINT = (24, 24, 28), (236, 236, 236), (140, 140, 148)
_COMMA = re.compile(r",(?![^\[]*\])(?![^(]*\))")  # Not those within a term.


Cell = tuple[str, pictures.Pixels | None]
"""A picture with its label; None where it could not be dreamt."""


@dataclass(frozen=True)
class Sheet:
    """What became of a sheet's dreams."""

    dreams: int
    failed: tuple[str, ...]
    """Why some are not on it, a line each."""


@dataclass(frozen=True)
class Experiment:
    """A dream with its label on the sheet."""

    label: str
    dream: Dream


def parse_experiments(vary: list[str], dream: Dream) -> list[list[Experiment]]:
    """The rows of a sheet: one for each `SETTING=A,B,…`, or the paper's for none.

    Raises RequestError for a setting that there is not, or a value that it may not have.
    """
    if not vary:
        every = [_experiment(dream, setting, value) for setting, vs in PAPER for value in vs]
        return [every[:4], every[4:]]
    return [_row(text, dream) for text in vary]


def _row(text: str, dream: Dream) -> list[Experiment]:
    setting, equals, values = text.partition("=")
    setting = setting.strip().replace("-", "_")
    if not equals or not values.strip():
        raise RequestError(
            f"--vary {brief(text)} is not of the form SETTING=A,B, such as step=0.01,0.1"
        )
    if setting not in _VARIED:
        known = ", ".join(_VARIED)
        raise RequestError(f"--vary {brief(setting)}: no such setting; there are {known}")
    if (setting, values.strip()) == ("preset", "all"):
        values = ",".join(preset.name for preset in every_preset())
    return [_experiment(dream, setting, value.strip()) for value in _COMMA.split(values)]


def _experiment(dream: Dream, setting: str, value: str) -> Experiment:
    if setting == "preset":
        return Experiment(value, dream.replace(**read_preset(value).settings))
    if setting == "layer":
        name, equals, weight = value.partition("=")
        return Experiment(value, dream.replace(layers={name: weight} if equals else name))
    return Experiment(f"{setting} {value}", dream.replace(**{setting: value}))


def render_sheet(
    source: str,
    output: str,
    renderer: Renderer,
    rows: list[list[Experiment]],
    on_event: Listener = ignore,
    *,
    overwrite: bool = False,
) -> Sheet:
    """Dream each experiment of a picture reduced to the dream's size, and write them as one sheet.

    The original and the dream without change come first. The network is built once for each
    choice of layers. An experiment that cannot be dreamt costs only itself; raises what is wrong
    with it where that holds for all. With `overwrite` what dreamray has not made is replaced, too.
    """
    target = locate(output)
    format = pictures.output_format(target.name, PICTURE_SUFFIXES)
    target.check_writable()

    def check() -> None:
        sources = [locate_source(source), *renderer.reads]
        check_output_place(target, is_dream, overwrite=overwrite, sources=sources)

    check()
    picture = read_picture(source, on_event)
    renderer.load()
    small = _reduce(picture.pixels, renderer.dream.size)
    shape = Shape(*small.shape[:2])
    unchanged = Experiment("as set", renderer.dream)
    rows = [[unchanged, *(_settled(cell, renderer) for cell in row)] for row in rows]
    cells = {experiment.dream.digest(): experiment for row in rows for experiment in row}
    # What may be wrong with any of them is found now, and not after the first hours.
    failed = dict[str, DreamrayError]()
    for digest, cell in cells.items():
        try:
            _check(cell.dream, renderer, shape)
        except DreamrayError as error:
            failed[digest] = error
    good = {digest: cell for digest, cell in cells.items() if digest not in failed}
    if not good:
        raise next(iter(failed.values()))

    dreams: dict[str, pictures.Pixels] = {}
    metadata: dict[str, Any] = {}
    for number, (digest, cell) in enumerate(good.items(), start=1):
        on_event(Notice(Aside(f"dream {number} of {len(good)}: {cell.label}")))
        with renderer.with_dream(cell.dream) as one:
            if not metadata:
                plan = one.plan(shape)
                about = one.executor(plan).about()
                metadata = describe(one, picture.sha256, plan, about, locate_source(source))
            try:
                dreams[digest] = one.dream_pixels(small)
            except MemoryExhaustedError as error:
                failed[digest] = error

    metadata["sweep"] = [[cell.label for cell in row] for row in rows]
    sheet = [
        line
        for row in rows
        for line in _wrap(
            [("original", small), *((c.label, dreams.get(c.dream.digest())) for c in row)]
        )
    ]
    plain = Picture(small, None, picture.icc_profile, None, picture.sha256, ())
    check()
    target.write(pictures.encode(paste(sheet, shape), plain, format, metadata))
    problems = tuple(f"{cells[digest].label}: {error}" for digest, error in failed.items())
    return Sheet(len(dreams), problems)


def _settled(experiment: Experiment, renderer: Renderer) -> Experiment:
    """With definite layers and, where it can be read, the bytes that its pictures are told by."""
    dream = experiment.dream.settled(renderer.weights.layers)
    with contextlib.suppress(DreamrayError):  # `_check` says why it cannot be dreamt.
        dream = settle_pictures(dream)
    return replace(experiment, dream=dream)


def _check(dream: Dream, renderer: Renderer, shape: Shape) -> None:
    """Raise a DreamrayError for what is wrong with a dream of a picture of that shape."""
    renderer.weights.check_reaches(dream.layer_names)
    check_masks(dream)
    settled = settle_pictures(dream)
    open_guide(settled)
    open_masks(settled, shape, MemoryFolder(), lambda _: None)
    Planner(settled, renderer.execution).plan(shape)


def _reduce(pixels: pictures.Pixels, size: int | None) -> pictures.Pixels:
    """The picture in 8 bits, of at most that many pixels a side."""
    shape = Shape(*pixels.shape[:2])
    if shape.within(size) != shape:
        pixels = reduce_array(pixels, shape.within(size))
    return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


def _wrap(row: list[Cell]) -> list[list[Cell]]:
    """A row cut into lines of at most `_COLUMNS` cells, as equal as can be."""
    lines = -(-len(row) // _COLUMNS)
    columns = -(-len(row) // lines)
    return [row[start : start + columns] for start in range(0, len(row), columns)]


def paste(rows: list[list[Cell]], shape: Shape) -> pictures.Pixels:
    """The labelled pictures in rows, each under its label."""
    columns = max(len(row) for row in rows)
    sheet = Image.new(
        "RGB",
        (
            _MARGIN + columns * (shape.width + _MARGIN),
            _MARGIN + len(rows) * (shape.height + _LABEL + _MARGIN),
        ),
        _BACKGROUND,
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for row, cells in enumerate(rows):
        for column, (label, pixels) in enumerate(cells):
            x = _MARGIN + column * (shape.width + _MARGIN)
            y = _MARGIN + row * (shape.height + _LABEL + _MARGIN)
            draw.text((x, y), label, fill=_INK, font=font)
            if pixels is None:
                draw.text((x, y + _LABEL), "not dreamt", fill=_FAINT, font=font)
            else:
                sheet.paste(Image.fromarray(pixels), (x, y + _LABEL))
    return np.asarray(sheet)
