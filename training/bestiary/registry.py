"""The families: what can be drawn, by name.

    @family("animals", upright=True)
    def owl(pen: Pen) -> None:
        '''A tufted owl, seen from the front.'''
        ...

A family's function draws one new specimen on an empty pen each time it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from training.bestiary.pen import Pen

__all__ = ["FAMILIES", "Family", "family"]

Draw = Callable[[Pen], None]


@dataclass(frozen=True)
class Family:
    """One kind of picture, a class of the training."""

    name: str
    group: str
    """what it belongs to in the sheet: `eyes`, `heads`, `animals`, …"""
    draw: Draw
    upright: bool = False
    """if it has an up and a down, so that it is not turned by more than a little"""
    texture: bool = False
    """if it covers the whole layer, rather than standing before a background"""


FAMILIES: dict[str, Family] = {}
"""By name, in the order of their groups and names: the same wherever a family is written down.

Filled when `training.bestiary` is imported.
"""


def family(group: str, *, upright: bool = False, texture: bool = False) -> Callable[[Draw], Draw]:
    """Register the function as the family of its name.

    Raises ValueError if the name is taken.
    """

    def register(draw: Draw) -> Draw:
        name = draw.__name__
        if name in FAMILIES:
            raise ValueError(f"There are two families called {name}.")
        FAMILIES[name] = Family(name, group, draw, upright, texture)
        for kind in sorted(FAMILIES.values(), key=attrgetter("group", "name")):
            FAMILIES[kind.name] = FAMILIES.pop(kind.name)
        return draw

    return register
