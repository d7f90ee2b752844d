"""The workers of a cluster for the pictures of a set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from dreamray.bulk.task_executor import Hands
from dreamray.bulk.task_runner import SetTools
from dreamray.farm.cluster import connected
from dreamray.settings.execution import Execution


@contextlib.contextmanager
def hired(
    tools: SetTools, execution: Execution, pictures: int, tell: Callable[[str], None]
) -> Iterator[Hands]:
    """The workers of a cluster as the hands of a set of so many pictures, let go at the end.

    Raises as `dreamray.farm.gathered`.
    """
    with connected(execution):
        from dreamray.bulk.bulk_metrics import SetMetrics
        from dreamray.bulk.ray_executor import RayHands, studio_maker
        from dreamray.farm.pool import Pool
        from dreamray.farm.resources import needs_of, workers_of

        needs = needs_of(execution)
        workers = workers_of(execution, needs).at_most(pictures)
        calls = tools.in_hand + 1  # One to introduce itself, while the first tasks come.
        make = studio_maker(tools.with_threads(needs.cpus), needs, calls)
        pool = Pool(make, workers, needs, wait=execution.wait, tell=tell)
        with contextlib.closing(RayHands(pool, tools.in_hand, SetMetrics())) as hands:
            yield hands
