"""What goes up and down the tree: sums, what is decided, and that all have stored."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import numpy as np

from dreamray.engine.ascent import Decision, Effort
from dreamray.engine.lockstep.mailbox import AbandonedError, Mailbox, PeerLostError
from dreamray.engine.lockstep.stopwatch import Stopwatch
from dreamray.engine.lockstep.tree import Tree
from dreamray.engine.lockstep.wire import Key, Kind, pack_decision, unpack_decision

Found = dict[int, tuple[float, ...]]
"""Loss and sum of the absolute gradient, or of the squares of each of its bands, by tile."""


class AllReduce:
    """One worker's place in the tree. Raises AbandonedError and PeerLostError when it waits."""

    def __init__(self, owners: tuple[int, ...], me: int, mailbox: Mailbox) -> None:
        """`owners` has the worker of each tile; `me` is the one that this is."""
        self.tree = Tree(max(owners) + 1)
        self.stopwatch = Stopwatch(mailbox)
        self.effort = Effort()
        """Of all below in the tree: see `gather`."""
        self._owners = owners
        self._me = me
        self._mail = mailbox

    def gather(self, found: Found) -> Found:
        """With what the children in the tree tell, and what it took them."""
        found = dict(found)
        efforts = [self.stopwatch.effort()]
        missing = {Key(Kind.MEASURE, child) for child in self.tree.children(self._me)}
        while missing:
            with self.stopwatch.lap("reduction"):
                key, (values, effort) = self._mail.take(missing)
            missing.remove(key)
            tiles = self.tree.tiles_below(key.sender, self._owners)
            numbers = np.frombuffer(values, np.float64).reshape(len(tiles), -1).tolist()
            found |= zip(tiles, map(tuple, numbers), strict=True)
            efforts.append(Effort(*np.frombuffer(effort, np.float64).tolist()))
        kinds = zip(*(vars(one).values() for one in efforts), strict=True)
        self.effort = Effort(*map(math.fsum, kinds))
        return found

    def agree(self, number: int, found: Found, decide: Callable[[], Decision]) -> Decision:
        """Tell the root what was found by all below, and hear what it decides.

        `decide` is called at the root alone.
        """
        parent = self.tree.parent(self._me)
        if parent is None:
            decision = decide()
        else:
            values = np.array([found[tile] for tile in sorted(found)], np.float64)
            effort = np.array(tuple(vars(self.effort).values()), np.float64)
            self._mail.send(parent, Kind.MEASURE, [values, effort], step=number)
            with self.stopwatch.lap("reduction"):
                _, (frame,) = self._mail.take([Key(Kind.DECISION, parent)])
            decision = unpack_decision(frame)
        for child in self.tree.children(self._me):
            self._mail.send(child, Kind.DECISION, [pack_decision(decision)], step=number)
        return decision

    def stored(self, number: int, *, leaves: bool) -> None:
        """Tell that all below have stored their tiles, once they have."""
        limit = self._mail.limits.goodbye if leaves else None
        missing = {Key(Kind.STORED, child) for child in self.tree.children(self._me)}
        # All that it is for is done: who waits for the word of somebody who has gone need not.
        with contextlib.suppress(*[AbandonedError, PeerLostError] if leaves else []):
            while missing:
                with self.stopwatch.lap("reduction"):
                    key, _ = self._mail.take(missing, limit)
                missing.remove(key)
            if (parent := self.tree.parent(self._me)) is not None:
                self._mail.send(parent, Kind.STORED, [], step=number)
