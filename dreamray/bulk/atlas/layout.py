"""Where the dreams of an atlas lie in its picture. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from dreamray.base.geometry import Shape
from dreamray.bulk.atlas.plates import Plate

_ASPECT = 1.5
"""Of the whole, width by height, about."""


@dataclass(frozen=True)
class Band:
    """Rows of the picture, all of one kind: a layer's title, or a row of its dreams."""

    top: int
    height: int
    plate: Plate
    channels: tuple[int, ...] = ()
    """Of the dreams, from left to right; of a title none."""


@dataclass(frozen=True)
class Layout:
    """The grid: layers one below the other, each under its title, dreams under their labels."""

    plates: Sequence[Plate]
    cell: int
    """Pixels a side of a dream."""

    @property
    def gap(self) -> int:
        """Pixels between dreams, and around all."""
        return max(4, self.cell // 20)

    @property
    def label(self) -> int:
        """Pixels of a label's height."""
        return max(12, self.cell // 9)

    @property
    def title(self) -> int:
        """Pixels of a title's height."""
        return 3 * self.label

    @property
    def pitch(self) -> tuple[int, int]:
        """Pixels from dream to dream, down and across."""
        return self.cell + self.label + self.gap, self.cell + self.gap

    @cached_property
    def columns(self) -> int:
        """Dreams beside each other, at the most."""
        down, across = self.pitch
        count = sum(len(plate.channels) for plate in self.plates)
        wanted = math.ceil(math.sqrt(count * _ASPECT * down / across))
        return min(max(wanted, 2), max(len(plate.channels) for plate in self.plates))

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """From top to bottom; between them there is nothing."""
        found, top = list[Band](), self.gap
        for plate in self.plates:
            found.append(Band(top, self.title, plate))
            top += self.title
            for start in range(0, len(plate.channels), self.columns):
                channels = plate.channels[start : start + self.columns]
                found.append(Band(top, self.pitch[0], plate, channels))
                top += self.pitch[0]
        return tuple(found)

    @property
    def shape(self) -> Shape:
        """Of the whole picture."""
        last = self.bands[-1]
        return Shape(last.top + last.height, self.gap + self.columns * self.pitch[1])

    def left(self, column: int) -> int:
        """Of a dream."""
        return self.gap + column * self.pitch[1]

    def cells(self, plate: Plate) -> Iterator[tuple[int, int, int]]:
        """Of each of a layer's dreams the channel, and its left and top pixel."""
        for band in self.bands:
            if band.plate == plate:
                for column, channel in enumerate(band.channels):
                    yield channel, self.left(column), band.top + self.label
