"""An executor whose workers are threads of a `World`, as a farm's are processes of a cluster."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import override

from dreamray.engine.ascent import Octave, Step, StepMeasure, Stored, Wish
from dreamray.engine.blending import TileTask
from dreamray.engine.halo_exchange import assign_tiles
from dreamray.engine.lockstep.mailbox import (
    AbandonedError,
    Epoch,
    Limits,
    Mailbox,
    PeerLostError,
)
from dreamray.engine.lockstep.member import Member, Place
from dreamray.engine.tile_executor import TileExecutor, WorkersLostError
from dreamray.engine.worker import Worker
from tests.support.in_process import Killed, Link, World

LIMITS = Limits(again=0.5, unreachable=20, message=60, goodbye=10, look=0.2)


class Crew(TileExecutor):
    """So many workers, dealt tiles anew whenever one is lost."""

    def __init__(
        self,
        make: Callable[[], Any],
        count: int,
        worlds: Iterator[World] | None = None,
        *,
        limits: Limits = LIMITS,
        wish: Callable[[int], Wish] = lambda wishes: Wish.GO_ON,
    ) -> None:
        """`make` makes an engine; each octave that is begun is made in the next of `worlds`.

        `wish` is asked with how often it was asked before.
        """
        self._workers = [Worker(make()) for _ in range(count)]
        self._worlds = worlds or (World() for _ in itertools.count())
        self._limits = limits
        self._epochs = itertools.count(1)
        self._wishes = itertools.count()
        self._wish = wish
        self.begun = 0
        """Octaves, each as often as it was begun."""
        self.dropped: Counter[str] = Counter()
        """Messages, by what was wrong with them."""

    @property
    @override
    def size(self) -> int:
        return len(self._workers)

    @override
    def about(self) -> Mapping[str, Any]:
        return self._workers[0].about()

    @override
    def dream(self, octave: Octave) -> Iterator[Step | Stored]:
        told: list[Step | Stored] = []
        outcomes = self._run(octave, lambda member: _note(member, told))
        # All that counts is what was stored; a driver would have heard the steps meanwhile.
        yield from [one for one in told if not isinstance(one, Stored) or not one.last]
        self._check(outcomes)
        yield from [one for one in told if isinstance(one, Stored) and one.last]

    @override
    def measure(self, octave: Octave) -> StepMeasure:
        outcomes = self._run(octave, Member.measure)
        self._check(outcomes)
        return outcomes[0]

    @override
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        for task in tasks:
            done(task, self._workers[0].dream_tile(task))

    def _run(self, octave: Octave, work: Callable[[Member[Any]], Any]) -> list[Any]:
        owners = assign_tiles(octave.plan, len(self._workers))
        world, epoch = next(self._worlds), Epoch(b"run of this test", next(self._epochs))
        abandoned: list[int] = []
        mailboxes: list[Mailbox] = []
        self.begun += 1

        def life(me: int) -> Callable[[Link], Any]:
            def live(link: Link) -> Any:
                mailbox = Mailbox(
                    link,
                    me,
                    epoch,
                    self._limits,
                    abandoned=lambda: bool(abandoned),
                    clock=world.clock,
                )
                mailboxes.append(mailbox)
                wish = lambda: self._wish(next(self._wishes))  # noqa: E731
                member = self._workers[me].join(octave, Place(owners, me, mailbox), wish)
                return work(member)

            return live

        outcomes = world.run(*map(life, range(max(owners) + 1)), ended=abandoned.append)
        for mailbox in mailboxes:
            self.dropped += mailbox.dropped
        return outcomes

    def _check(self, outcomes: Sequence[Any]) -> None:
        errors = [one for one in outcomes if isinstance(one, BaseException)]
        for error in errors:
            if not isinstance(error, Killed | AbandonedError | PeerLostError):
                raise error
        if errors:
            raise WorkersLostError(f"{len(errors)} of {len(outcomes)} workers got lost")


def _note(member: Member[Any], told: list[Step | Stored]) -> None:
    """What happens, as the root tells it."""
    events = member.ascend()
    told.extend(event for event in events if member.leads)
