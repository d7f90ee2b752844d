"""How long a plan takes: from its work and a short measurement of this machine's speed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dreamray.base.geometry import Raster, Shape
from dreamray.base.messages import duration, plural, show_size, shown
from dreamray.cli.merge import MergedSettings
from dreamray.engine.ascent import Octave
from dreamray.engine.halo_exchange import helping, helping_most
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.timing import step_seconds
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.model.architecture import CONVOLUTIONS, convolution_flops, kernel_shape
from dreamray.model.cuda import usable_card
from dreamray.model.processor import about_bfloat16, remark_on, this_processor
from dreamray.model.weights.arrays import Weights
from dreamray.pictures import decode
from dreamray.pictures.ingest import file_shape
from dreamray.pictures.noise import NoisePicture, locate_source
from dreamray.plan.octaves import smallest_side
from dreamray.plan.planner import PicturePlan, Planner
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.lazy import ArrayRaster
from dreamray.raster.pixels import HELD_PIXELS
from dreamray.render.default_layers import foresee_layers
from dreamray.render.guide import check_followed
from dreamray.render.named_pictures import check_masks, look_at_masks
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution, Workers
from dreamray.storage import Location

_PROBE_SIDE = 320
_PROBE_STEPS = 4
_PROBE_ENOUGH = 0.1
"""Seconds of a step after which no larger one is measured."""

_SHOWN_WORKERS = 32


def plan_picture(source: str, request: MergedSettings) -> tuple[PicturePlan, Dream]:
    """What rendering a picture would do, and the dream as far as it is known without weights.

    Raises as `file_shape`, `decode` and `Planner.plan`, and RequestError where masks or a guide do
    not go with the dream, or the picture.
    """
    notes: list[str] = []
    dream = foresee_layers(request.execution.weights, request.dream, notes.append)
    place = locate_source(source)
    if dream.names_layers:
        check_masks(dream)
        check_followed(dream)
    look_at_masks(dream, place)
    shape = _shape_of(place)
    plan = Planner(dream, request.execution).plan(shape.within(dream.size))
    advice = [plan.advice] if plan.advice else []
    return replace(plan, notices=(*notes, *plan.notices, *advice)), dream


def _shape_of(place: Location) -> Shape:
    if isinstance(place, NoisePicture):  # It takes a while to be made.
        return place.shape
    with place.as_local_file() as path:
        shape = file_shape(path, shown(place.name))
        if shape.pixels <= HELD_PIXELS:  # Decoded, what is wrong with it is told, too.
            shape = Shape(*decode(path.read_bytes(), place.name).pixels.shape[:2])
    return shape


def measure_speed(plan: PicturePlan, dream: Dream, execution: Execution) -> float:
    """Floating point operations a second of a step here, on small pictures of noise.

    Small windows are slow on a fast device: it is larger ones until a step takes a moment, or
    until they are as large as the plan's. Takes some seconds, most of them to start TensorFlow.
    The weights are noise too: nothing is downloaded for an estimate.
    """
    tools = EngineSpec(
        dream,
        _noise_weights(),
        execution.precision,
        execution.threads,
        _noise(_PROBE_SIDE),
        execution.kernels,
        execution.compiler,
    )
    executor = LocalTileExecutor(Worker(tools.engine()))
    largest = math.isqrt(max(stage.tiles.largest_window.pixels for stage in plan.stages))
    side = max(_PROBE_SIDE, smallest_side(dream.layer_names))
    while True:
        seconds = _step_seconds(executor, dream, side)
        if seconds > _PROBE_ENOUGH or 2 * side > largest:
            return convolution_flops(dream.layer_names, side, side) / seconds
        side *= 2


def _step_seconds(executor: LocalTileExecutor, dream: Dream, side: int) -> float:
    """Of a step on a square."""
    plan = plan_tiles(Shape(side, side), dream.layer_names)
    probe = dream.replace(iterations=1 + _PROBE_STEPS, max_loss=None)
    noise = _noise(side)
    channels = [noise] * dream.compares + [np.ones_like(noise[..., :1])] * len(dream.parts)
    beside = ArrayRaster(np.concatenate(channels, axis=2)) if channels else None
    return step_seconds(executor, Octave(plan, ArrayRaster(noise), probe, beside=beside))


def who_computes(execution: Execution) -> str | None:
    """What dreams on this machine, and what its precision means there; None where others do."""
    if execution.on_ray:
        return None
    card = usable_card()
    if card is None:
        processor = this_processor()
        told = remark_on(execution.precision, processor._asdict())
        return f"processor: {processor.name}; {told or about_bfloat16(processor.instructions)}"
    return (
        f"graphics card: {card.name}, compute capability {card.compute_capability}, "
        f"{show_size(card.memory)}"
    )


def report(
    plan: PicturePlan, dream: Dream, speed: float | None, execution: Execution
) -> Iterator[str]:
    """The plan as lines of text, a table of the octaves among them."""
    margin = f" with a margin of {plural(plan.margin, 'pixel')}" if plan.margin else ""
    octaves, steps = plural(len(plan.stages), "octave"), plural(dream.iterations, "step")
    yield f"picture {plan.shape}{margin}, {octaves}, up to {steps} each"
    yield f"layers {dream.shown_layers}, in {execution.precision}"
    if computes := who_computes(execution):
        yield computes
    yield from (f"note: {remark}" for remark in plan.notices)
    header = f"{'octave':<8}{'size':>13}{'tiles':>7}{'tile':>7}{'halo':>9}{'window':>13}"
    yield f"{header}{'extra':>7}{'memory':>10}{'GFLOP/step':>12}"
    for number, stage in enumerate(plan.stages, start=1):
        tiles = stage.tiles
        halo = f"{tiles.rows.before}+{tiles.rows.after}" if len(tiles.tiles) > 1 else "-"
        yield (
            f"{number:<8}{stage.shape!s:>13}{len(tiles.tiles):>7}{tiles.largest_side:>7}{halo:>9}"
            f"{tiles.largest_window.shape!s:>13}{tiles.overhead:>6.2f}x"
            f"{show_size(stage.memory):>10}{stage.flops / 1e9:>12,.1f}"
        )
    yield f"memory: {show_size(plan.memory)} of a budget of {show_size(plan.budget)}"
    yield from _helping([len(stage.tiles.tiles) for stage in plan.stages], execution.workers)
    work = sum(stage.flops for stage in plan.stages) * dream.iterations
    yield f"work: {work / 1e9:,.0f} GFLOP if no octave ends early"
    if speed is not None:
        seconds = duration(work / speed)
        yield f"time: about {seconds} at the {speed / 1e9:,.0f} GFLOP/s measured here"


def _helping(tiles: Sequence[int], workers: Workers | None) -> Iterator[str]:
    """How many workers make a picture faster, with so many tiles in each octave."""
    largest = max(tiles)
    if workers is not None and workers.most > 1:
        help_it = helping_most(tiles, workers.most)
        busiest = plural(-(-largest // help_it), "tile")
        yield f"workers: {help_it} of {workers.most} help, the busiest with {busiest}"
    elif largest > 1:
        asked = range(1, min(largest, _SHOWN_WORKERS) + 1)
        counts = sorted({helping(largest, count) for count in asked})
        more = ", …" if asked[-1] < largest else ""
        yield f"workers: {', '.join(map(str, counts))}{more}; others are as fast as the next fewer"


def _noise(side: int) -> Raster:
    return np.random.default_rng(0).uniform(-1, 1, (side, side, 3)).astype(np.float32)


def _noise_weights() -> Weights:
    random = np.random.default_rng(0)
    kernels = []
    for layer in CONVOLUTIONS:
        shape = kernel_shape(layer)
        scale = (2 / math.prod(shape[:3])) ** 0.5
        kernels.append(np.float32(scale) * random.standard_normal(shape, np.float32))
    zeros = tuple(np.zeros(layer.channels, np.float32) for layer in CONVOLUTIONS)
    ones = tuple(np.ones(layer.channels, np.float32) for layer in CONVOLUTIONS)
    return Weights("noise", "", tuple(kernels), zeros, ones)
