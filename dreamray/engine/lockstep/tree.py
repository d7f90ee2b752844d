"""The tree that sums go up, and decisions come down."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

FAN = 4
"""How many a worker hears of directly: 64 workers are three levels deep."""

ROOT = 0
"""Who decides."""


@dataclass(frozen=True)
class Tree:
    """Workers, numbered from 0, of whom each but the first has a parent."""

    count: int

    def parent(self, member: int) -> int | None:
        """Whom a worker tells; None for the root."""
        return None if member == ROOT else (member - 1) // FAN

    def children(self, member: int) -> range:
        """Who tells a worker, ascending."""
        first = member * FAN + 1
        return range(min(first, self.count), min(first + FAN, self.count))

    def below(self, member: int) -> Iterator[int]:
        """The worker, and all whom it hears of."""
        yield member
        for child in self.children(member):
            yield from self.below(child)

    def tiles_below(self, member: int, owners: tuple[int, ...]) -> tuple[int, ...]:
        """The tiles whose sums a worker tells, in the plan's order."""
        return _tiles_of(frozenset(self.below(member)), owners)


@functools.lru_cache(maxsize=64)
def _tiles_of(members: frozenset[int], owners: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(tile for tile, owner in enumerate(owners) if owner in members)
