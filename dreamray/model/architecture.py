"""InceptionV3's architecture as data: layers, sizes, strides, receptive fields.

Pure Python: nothing here computes an activation, so that planning a picture or listing the
layers needs no TensorFlow. The wiring is that of Szegedy et al., "Rethinking the Inception
Architecture for Computer Vision" (2015), with the layer names of `keras.applications`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from dreamray.base.errors import RequestError

INPUT = "input_layer"
OUTPUT = "mixed10"

Op = Literal["input", "conv", "batch_norm", "relu", "max_pool", "average_pool", "concat"]


@dataclass(frozen=True)
class Axis:
    """How a layer's indices lie over the pixels of one axis.

    Index `k` of the layer sees the pixels `stride * k + first` to `stride * k + last`,
    both included.
    """

    stride: int
    first: int
    last: int

    @property
    def receptive_field(self) -> int:
        """Number of pixels that one index sees."""
        return self.last - self.first + 1

    def under(self, kernel: int, stride: int, pad: int) -> Axis:
        """The axis of a layer that slides a kernel over this one, `pad` cells of it before 0."""
        return Axis(
            stride=self.stride * stride,
            first=self.first - pad * self.stride,
            last=self.last + (kernel - 1 - pad) * self.stride,
        )


@dataclass(frozen=True)
class Layer:
    """One layer: its operation, where its input comes from, and how it lies over the picture."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    channels: int
    rows: Axis
    columns: Axis
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    valid: bool = False
    """Without padding: only where the whole kernel fits. Otherwise padded to keep the size."""

    @property
    def position(self) -> int:
        """Creation number of a convolution or its batch norm: 4 for `conv2d_4`."""
        suffix = self.name.rpartition("_")[2]
        return int(suffix) if suffix.isdigit() else 0

    def output_length(self, length: int, axis: int) -> int:
        """Cells along `axis` (0 rows, 1 columns) made from `length` cells; 0 if none fits."""
        if not self.valid:
            return length
        return max((length - self.kernel[axis]) // self.stride + 1, 0)


def _number(stem: str, number: int) -> str:
    return stem if number == 0 else f"{stem}_{number}"


class _Builder:
    """Adds layers one after another, numbered as Keras numbers them."""

    def __init__(self) -> None:
        pixel = Axis(stride=1, first=0, last=0)
        self.layers: dict[str, Layer] = {
            INPUT: Layer(INPUT, "input", (), 3, pixel, pixel),
        }
        self._counts: dict[str, int] = {}

    def _next(self, stem: str) -> str:
        number = self._counts.get(stem, 0)
        self._counts[stem] = number + 1
        return _number(stem, number)

    def _slide(
        self,
        op: Op,
        name: str,
        source: str,
        channels: int,
        kernel: tuple[int, int],
        stride: int,
        valid: bool,
    ) -> str:
        below = self.layers[source]
        pads = [0 if valid else (k - 1) // 2 for k in kernel]
        self.layers[name] = Layer(
            name,
            op,
            (source,),
            channels,
            below.rows.under(kernel[0], stride, pads[0]),
            below.columns.under(kernel[1], stride, pads[1]),
            kernel,
            stride,
            valid,
        )
        return name

    def _pointwise(self, op: Op, stem: str, source: str) -> str:
        below = self.layers[source]
        name = self._next(stem)
        self.layers[name] = Layer(name, op, (source,), below.channels, below.rows, below.columns)
        return name

    def conv(
        self,
        source: str,
        channels: int,
        rows: int,
        columns: int,
        *,
        stride: int = 1,
        valid: bool = False,
    ) -> str:
        """A convolution with its batch norm and ReLU."""
        name = self._next("conv2d")
        self._slide("conv", name, source, channels, (rows, columns), stride, valid)
        return self._pointwise(
            "relu", "activation", self._pointwise("batch_norm", "batch_normalization", name)
        )

    def max_pool(self, source: str) -> str:
        name = self._next("max_pooling2d")
        return self._slide("max_pool", name, source, self.layers[source].channels, (3, 3), 2, True)

    def average_pool(self, source: str) -> str:
        name = self._next("average_pooling2d")
        return self._slide(
            "average_pool", name, source, self.layers[source].channels, (3, 3), 1, False
        )

    def concat(self, sources: Iterable[str], name: str | None = None) -> str:
        below = [self.layers[source] for source in sources]
        name = name or self._next("concatenate")
        rows, columns = (
            Axis(axes[0].stride, min(a.first for a in axes), max(a.last for a in axes))
            for axes in ([b.rows for b in below], [b.columns for b in below])
        )
        self.layers[name] = Layer(
            name,
            "concat",
            tuple(b.name for b in below),
            sum(b.channels for b in below),
            rows,
            columns,
        )
        return name


def _build() -> dict[str, Layer]:
    b = _Builder()
    x = b.conv(INPUT, 32, 3, 3, stride=2, valid=True)
    x = b.conv(x, 32, 3, 3, valid=True)
    x = b.conv(x, 64, 3, 3)
    x = b.max_pool(x)
    x = b.conv(x, 80, 1, 1, valid=True)
    x = b.conv(x, 192, 3, 3, valid=True)
    x = b.max_pool(x)

    for block, pool_channels in enumerate((32, 64, 64)):
        one = b.conv(x, 64, 1, 1)
        five = b.conv(b.conv(x, 48, 1, 1), 64, 5, 5)
        double = b.conv(b.conv(b.conv(x, 64, 1, 1), 96, 3, 3), 96, 3, 3)
        pool = b.conv(b.average_pool(x), pool_channels, 1, 1)
        x = b.concat((one, five, double, pool), f"mixed{block}")

    three = b.conv(x, 384, 3, 3, stride=2, valid=True)
    double = b.conv(b.conv(x, 64, 1, 1), 96, 3, 3)
    double = b.conv(double, 96, 3, 3, stride=2, valid=True)
    x = b.concat((three, double, b.max_pool(x)), "mixed3")

    for block, channels in enumerate((128, 160, 160, 192), start=4):
        one = b.conv(x, 192, 1, 1)
        seven = b.conv(b.conv(x, channels, 1, 1), channels, 1, 7)
        seven = b.conv(seven, 192, 7, 1)
        double = b.conv(b.conv(x, channels, 1, 1), channels, 7, 1)
        double = b.conv(b.conv(double, channels, 1, 7), channels, 7, 1)
        double = b.conv(double, 192, 1, 7)
        pool = b.conv(b.average_pool(x), 192, 1, 1)
        x = b.concat((one, seven, double, pool), f"mixed{block}")

    three = b.conv(b.conv(x, 192, 1, 1), 320, 3, 3, stride=2, valid=True)
    seven = b.conv(b.conv(b.conv(x, 192, 1, 1), 192, 1, 7), 192, 7, 1)
    seven = b.conv(seven, 192, 3, 3, stride=2, valid=True)
    x = b.concat((three, seven, b.max_pool(x)), "mixed8")

    for block in (9, 10):
        one = b.conv(x, 320, 1, 1)
        three = b.conv(x, 384, 1, 1)
        three = b.concat(
            (b.conv(three, 384, 1, 3), b.conv(three, 384, 3, 1)),
            "mixed9_0" if block == 9 else "mixed9_1",
        )
        double = b.conv(b.conv(x, 448, 1, 1), 384, 3, 3)
        double = b.concat((b.conv(double, 384, 1, 3), b.conv(double, 384, 3, 1)))
        pool = b.conv(b.average_pool(x), 192, 1, 1)
        x = b.concat((one, three, double, pool), f"mixed{block}")
    return b.layers


LAYERS: Mapping[str, Layer] = MappingProxyType(_build())
"""Every layer by its Keras name, in an order in which each comes after its inputs."""

CONVOLUTIONS: tuple[Layer, ...] = tuple(layer for layer in LAYERS.values() if layer.op == "conv")
"""The 94 convolutions in the order in which they are created."""


def layer(name: str) -> Layer:
    """The layer of that name; RequestError if InceptionV3 has none."""
    try:
        return LAYERS[name]
    except KeyError:
        raise RequestError(
            f"layer {name!r}: InceptionV3 has no such layer; choose one of mixed0 to mixed10, "
            "or another that `dreamray layers --all` lists"
        ) from None


def kernel_shape(convolution: Layer) -> tuple[int, int, int, int]:
    """Of a convolution's kernel: rows, columns, channels in, channels out."""
    rows, columns = convolution.kernel
    return rows, columns, LAYERS[convolution.inputs[0]].channels, convolution.channels


def ancestors(names: Iterable[str]) -> list[Layer]:
    """The named layers and all they are computed from, inputs before their users."""
    wanted = set(names)
    for candidate in reversed([*LAYERS.values()]):
        if candidate.name in wanted:
            wanted.update(candidate.inputs)
    return [candidate for candidate in LAYERS.values() if candidate.name in wanted]


def feature_shape(name: str, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a layer's feature map over a picture; (0, 0) if it is too small."""
    return feature_length(name, height, 0), feature_length(name, width, 1)


@functools.lru_cache(maxsize=4096)
def feature_length(name: str, length: int, axis: int) -> int:
    """Cells of a layer's feature map along `axis` (0 rows, 1 columns) over `length` pixels."""
    this = layer(name)
    if not this.inputs:
        return length
    return this.output_length(feature_length(this.inputs[0], length, axis), axis)


def convolution_flops(names: Iterable[str], height: int, width: int) -> int:
    """Floating point operations of the convolutions in one step on a picture of that size.

    A multiply-add counts as two. Forward and backward to the picture, which take as many each.
    """
    flops = 0
    for this in ancestors(names):
        if this.op == "conv":
            rows, columns = feature_shape(this.name, height, width)
            flops += 2 * 2 * rows * columns * math.prod(kernel_shape(this))
    return flops


@functools.cache
def keras_order() -> tuple[Layer, ...]:
    """The convolutions in the order of `keras.Model.layers`, hence of Keras' weight files.

    Keras sorts layers by their depth (the longest way to the output, deepest first), and
    layers of one depth by when a walk from the output, inputs in turn, first meets them.
    """
    depth = {OUTPUT: 0}
    for this in reversed([*LAYERS.values()]):
        for source in this.inputs:
            depth[source] = max(depth.get(source, 0), depth[this.name] + 1)

    met: dict[str, int] = {}

    def walk(name: str) -> None:
        if name not in met:
            met[name] = len(met)
            for source in LAYERS[name].inputs:
                walk(source)

    walk(OUTPUT)
    return tuple(sorted(CONVOLUTIONS, key=lambda c: (-depth[c.name], met[c.name])))
