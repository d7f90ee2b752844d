"""Ray: a cluster to dream on, its pool of workers, and pictures dreamt by many of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from dreamray.engine.events import Listener, Remark
from dreamray.engine.tile_executor import Crew
from dreamray.engine.worker import Tools
from dreamray.farm.cluster import connected
from dreamray.settings.execution import Execution


@contextlib.contextmanager
def gathered(tools: Tools, execution: Execution, tiles: int, listen: Listener) -> Iterator[Crew]:
    """The workers of a cluster as a crew, let go at the end.

    `tiles` is how many of them a picture has at the most: more workers would have nothing to do.
    Raises RequestError or DreamrayError where there is no cluster, or it has no workers.
    """
    with connected(execution):
        from dreamray.farm.actors import worker_maker
        from dreamray.farm.executor import RayCrew
        from dreamray.farm.metrics import Metrics
        from dreamray.farm.pool import Pool
        from dreamray.farm.resources import needs_of, workers_of

        def tell(text: str) -> None:
            listen(Remark(text))

        needs = needs_of(execution)
        asked = workers_of(execution, needs)
        if asked.most > tiles:
            tell(
                f"{asked.most} workers for {tiles} tile{'s' * (tiles != 1)}: the others would have "
                "nothing to do; a smaller --tile or --memory makes more"
            )
        make = worker_maker(dataclasses.replace(tools, threads=needs.cpus), needs)
        pool = Pool(make, asked.at_most(tiles), needs, wait=execution.wait, tell=tell)
        with contextlib.closing(RayCrew(pool, Metrics())) as crew:
            yield crew
