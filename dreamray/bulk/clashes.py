"""Pictures that would have one result's name: who has it, who gets another, who fails.

Decided by the pictures alone, and not by their order, so that every run decides alike:

- a picture that is asked for several times in the same words is made once;
- a name that a list gives goes over one that a picture has itself (`logo.png`), and that over one
  that is made of a picture's (`logo.gif`);
- those who give way get their whole name with the result's suffix: `logo.gif.png`;
- where that does not tell them apart, they fail.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath


class Claim(enum.IntEnum):
    """By what right a picture has its result's name, the best first."""

    GIVEN = 0
    """The list gives it."""
    OWN = 1
    """It is the picture's own."""
    DERIVED = 2
    """It is the picture's own with another suffix."""
    LONGER = 3
    """It is the picture's own with a suffix added, as it has given way."""


@dataclass(frozen=True)
class Claimant:
    """A picture that is asked for."""

    number: int
    """Of its row in the task store."""
    source: str
    request: str
    name: str
    """What its result is named by."""
    claim: Claim


@dataclass(frozen=True)
class Decision:
    """What becomes of several pictures with one name: of any other nothing changes."""

    dropped: tuple[Claimant, ...] = ()
    """Others say the same."""
    renamed: tuple[tuple[Claimant, str], ...] = ()
    failed: tuple[Claimant, ...] = ()


def decide(output: str, claimants: Sequence[Claimant]) -> Decision:
    """Who of several pictures has the name `output`."""
    different: dict[tuple[str, str], Claimant] = {}
    for one in sorted(claimants, key=lambda one: (one.claim, one.number)):
        different.setdefault((one.source, one.request), one)
    left = [*different.values()]
    kept = {one.number for one in left}
    dropped = tuple(one for one in claimants if one.number not in kept)
    best = min(one.claim for one in left)
    first = [one for one in left if one.claim == best]
    others = [one for one in left if one.claim != best]
    if len(first) > 1 and best is Claim.DERIVED:
        first, others = [], left
    failed = first if len(first) > 1 else []
    failed += [one for one in others if one.claim is Claim.LONGER]
    suffix = PurePosixPath(output).suffix
    renamed = tuple((one, f"{one.name}{suffix}") for one in others if one.claim is not Claim.LONGER)
    return Decision(dropped, renamed, tuple(failed))
