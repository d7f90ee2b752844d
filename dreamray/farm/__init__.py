"""Ray: a cluster to dream on, its pool of workers, and pictures dreamt by many of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamray.engine.events import Listener
    from dreamray.engine.tile_executor import TileExecutor
    from dreamray.engine.worker import EngineSpec
    from dreamray.settings.execution import Execution


@contextlib.contextmanager
def ray_tile_executor(
    spec: EngineSpec, execution: Execution, tiles: Sequence[int], on_event: Listener
) -> Iterator[TileExecutor]:
    """A tile executor on the workers of a cluster, which are let go at the end.

    `tiles` is how many of them each octave has: workers that would not help are not asked for.
    Raises RequestError or DreamrayError where there is no cluster, or it has no workers.
    """
    # A submitter's `python -m dreamray.farm.submit` imports this package, and none of these.
    from dreamray.base.messages import plural
    from dreamray.engine.events import Notice
    from dreamray.engine.halo_exchange import helping_most
    from dreamray.farm.cluster import connect

    with connect(execution):
        from dreamray.farm.actors import worker_maker
        from dreamray.farm.executor import RayTileExecutor
        from dreamray.farm.metrics import Metrics
        from dreamray.farm.pool import WorkerPool
        from dreamray.farm.resources import worker_count, worker_resources

        def warn(text: str) -> None:
            on_event(Notice(text))

        resources = worker_resources(execution)
        asked = worker_count(execution, resources)
        most = helping_most(tiles, asked.most)
        if asked.most > most:
            warn(
                f"{plural(most, 'worker')} of {asked.most}: with {plural(max(tiles), 'tile')} more "
                "would not be faster; a smaller --tile or --memory makes more of them"
            )
        make = worker_maker(dataclasses.replace(spec, threads=resources.cpus), resources)
        pool = WorkerPool(
            make,
            asked.at_most(most),
            resources,
            wait=execution.wait,
            warn=warn,
            same_kind=execution.keeps_kind(exact=execution.seams == "exact"),
            precision=execution.precision,
        )
        farm = RayTileExecutor(pool, Metrics(), warn, execution.exchange_ports)
        with contextlib.closing(farm) as executor:
            yield executor
