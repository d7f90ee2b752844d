"""One picture: from its file through the octaves to the finished file."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dreamray import pictures, weights
from dreamray.ascent import Step, ascend
from dreamray.device import start_tensorflow, used_threads
from dreamray.errors import MemoryExhaustedError, RequestError
from dreamray.events import Listener, OctaveStarted, Remark, StepDone, ignore
from dreamray.execution import Execution
from dreamray.octaves import Raster, Shape, lost_detail, resize
from dreamray.pictures import Picture
from dreamray.planning import PicturePlan, Planner
from dreamray.settings import Dream
from dreamray.storage import locate
from dreamray.tiles import TilePlan
from dreamray.version import __version__

if TYPE_CHECKING:
    from dreamray.gradient import PictureGradient


class Dreamer:
    """Dreams pictures of any size with one dream's settings, its network built once."""

    def __init__(
        self,
        dream: Dream,
        execution: Execution,
        listen: Listener = ignore,
        *,
        loaded: weights.Weights | None = None,
    ) -> None:
        """`loaded` are weights to use in place of loading those that `execution` names."""
        self.dream = dream
        self.execution = execution
        self._listen = listen
        self._planner = Planner(dream, execution)
        self._weights = loaded
        self._gradient: PictureGradient | None = None

    def dreaming(self, dream: Dream) -> Dreamer:
        """A dreamer of another dream, with the same weights and, if it can be, network."""
        other = Dreamer(dream, self.execution, self._listen, loaded=self.weights)
        if dream.layers == self.dream.layers:
            other._gradient = self.gradient
        return other

    def plan(self, shape: Shape) -> PicturePlan:
        """The plan of a picture; see `Planner.plan`."""
        return self._planner.plan(shape)

    @property
    def weights(self) -> weights.Weights:
        """The weights, loaded when they are first asked for."""
        if self._weights is None:
            self._weights = weights.load(
                self.execution.weights, tell=lambda text: self._listen(Remark(text))
            )
        return self._weights

    @property
    def gradient(self) -> PictureGradient:
        """The network and its gradient, built when it is first asked for.

        TensorFlow is imported here, after everything that can be wrong with a request.
        """
        if self._gradient is None:
            self.weights.check_reaches(self.dream.layer_names)
            start_tensorflow(self.execution.threads)
            from dreamray.gradient import PictureGradient

            self._gradient = PictureGradient(
                self.dream.choices, self.weights, self.execution.precision
            )
        return self._gradient

    def run(self, image: Raster, plan: PicturePlan | None = None) -> Raster:
        """The dream of an image, float32 [height, width, 3] in -1 to 1; may exceed that range.

        Raises PictureError if the image is too small, MemoryExhaustedError if even the
        smallest tiles do not fit into memory.
        """
        shape = Shape(*image.shape[:2])
        plan = plan or self.plan(shape)
        gradient = self.gradient
        for remark in plan.remarks:
            self._listen(Remark(remark))
        dreamt, previous = image, plan.stages[0].shape
        for number, stage in enumerate(plan.stages):
            self._listen(
                OctaveStarted(
                    number,
                    len(plan.stages),
                    stage.shape,
                    len(stage.tiles.tiles),
                    stage.tiles.largest_side,
                    self.dream.iterations,
                    stage.flops,
                    sum(s.flops for s in plan.stages[number + 1 :]) * self.dream.iterations,
                )
            )
            dreamt = ascend(
                resize(dreamt, stage.shape),
                stage.tiles,
                self.dream,
                gradient,
                octave=number,
                on_step=functools.partial(self._tell_step, number),
                smaller=self._smaller,
            )
            dreamt += lost_detail(image, previous, stage.shape)
            previous = stage.shape
        if previous != shape:
            dreamt = resize(dreamt, shape) + lost_detail(image, previous, shape)
        return dreamt

    def _tell_step(self, octave: int, step: Step) -> None:
        self._listen(StepDone(octave, step.number, step.loss, step.moved))

    def _smaller(self, plan: TilePlan) -> TilePlan:
        smaller = self._planner.smaller(plan)
        if smaller is None:
            raise MemoryExhaustedError(
                "memory ran out even on the smallest tiles: close other programs, choose an "
                "earlier layer, or give --precision bfloat16"
            )
        self._listen(
            Remark(
                f"memory ran out on a window of {plan.largest_window.shape}: "
                f"going on with tiles of {smaller.largest_side} pixels"
            )
        )
        return smaller


def dream(
    image: npt.ArrayLike,
    dream: Dream | None = None,
    *,
    listen: Listener = ignore,
    **execution: Any,
) -> pictures.Pixels:
    """Dream of an RGB array.

    Args:
        image: uint8 or uint16 [height, width, 3].
        dream: the settings; the defaults if left out.
        listen: told what happens, as the events of `dreamray.events`.
        execution: the fields of `dreamray.execution.Execution`, such as `weights="imagenet"`.

    Returns: the dream, of the same shape and dtype.

    Raises RequestError for another shape or dtype and for wrong settings, PictureError for a
    picture too small for the layers.
    """
    pixels = np.asarray(image)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise RequestError(
            f"image: {pixels.dtype} {list(pixels.shape)} is not RGB; "
            "give uint8 or uint16 [height, width, 3]"
        )
    dreamer = Dreamer(dream or Dream(), Execution(**execution), listen)
    return pictures.from_tensor(dreamer.run(pictures.to_tensor(pixels)), pixels.dtype)


@dataclass(frozen=True)
class Rendered:
    """A picture that was rendered."""

    output: str
    shape: Shape
    metadata: dict[str, Any]


def render_picture(
    source: str, output: str, dreamer: Dreamer, listen: Listener = ignore
) -> Rendered:
    """Read a picture, dream of it, and write the result, complete or not at all.

    `source` and `output` are paths or s3:// URIs; the output's suffix gives its format.
    Everything that can be known to be wrong is raised before the dream starts: RequestError,
    WeightsError, PictureError or StorageError.
    """
    target = locate(output)
    format = pictures.output_format(target.name)
    target.check_writable()
    picture = read_picture(source, listen)
    shape = Shape(*picture.pixels.shape[:2])
    pictures.check_output(format, shape.width, shape.height)
    plan = dreamer.plan(shape)
    dreamt = dreamer.run(pictures.to_tensor(picture.pixels), plan)
    metadata = describe(dreamer, picture, plan)
    pixels = pictures.from_tensor(dreamt, picture.pixels.dtype)
    target.write(pictures.encode(pixels, picture, format, metadata))
    return Rendered(str(target), shape, metadata)


def read_picture(source: str, listen: Listener = ignore) -> Picture:
    """Read and decode a picture, its notes told as remarks."""
    place = locate(source)
    picture = pictures.decode(place.read(), place.name)
    for note in picture.notes:
        listen(Remark(note))
    return picture


def describe(dreamer: Dreamer, picture: Picture, plan: PicturePlan) -> dict[str, Any]:
    """What a result's metadata say: all that is needed to make it again, and to compare."""
    import tensorflow as tf

    return {
        "version": __version__,
        "dream": dreamer.dream.model_dump(mode="json"),
        "dream_digest": dreamer.dream.digest(),
        "weights": {"name": dreamer.weights.name, "sha256": dreamer.weights.sha256},
        "source": {"sha256": picture.sha256},
        "execution": {
            "precision": dreamer.execution.precision,
            "tile": max(stage.tiles.largest_side for stage in plan.stages),
            "overlap": dreamer.execution.overlap,
            "threads": used_threads(),
            "device": _device(tf),
            "tensorflow": tf.__version__,
        },
    }


def _device(tf: Any) -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"CPU {platform.machine()}"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU {details.get('device_name', 'unknown')}"
