"""The workers of a cluster for the pictures of a set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dreamray.base.messages import Warn
from dreamray.bulk.task_executor import TaskExecutor
from dreamray.bulk.task_runner import TaskRunnerSpec
from dreamray.farm.cluster import connect
from dreamray.settings.execution import Execution


@contextlib.contextmanager
def ray_task_executor(
    spec: TaskRunnerSpec, execution: Execution, pictures: int, warn: Warn
) -> Iterator[TaskExecutor]:
    """A task executor on a cluster's workers for so many pictures, let go at the end.

    Raises as `dreamray.farm.ray_tile_executor`.
    """
    with connect(execution):
        from dreamray.bulk.bulk_metrics import BulkMetrics
        from dreamray.bulk.ray_executor import RayTaskExecutor, task_runner_maker
        from dreamray.farm.pool import WorkerPool
        from dreamray.farm.resources import worker_count, worker_resources

        resources = worker_resources(execution)
        workers = worker_count(execution, resources).at_most(pictures)
        feeding = spec.feeding()
        calls = feeding.most + 1  # One to introduce itself, while the first tasks come.
        make = task_runner_maker(spec.with_threads(resources.cpus), resources, calls)
        pool = WorkerPool(
            make,
            workers,
            resources,
            wait=execution.wait,
            warn=warn,
            same_kind=execution.keeps_kind(exact=False),
            precision=execution.precision,
        )
        with contextlib.closing(RayTaskExecutor(pool, feeding, BulkMetrics())) as executor:
            yield executor
