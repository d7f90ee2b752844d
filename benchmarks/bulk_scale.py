"""What a set of a million pictures costs its driver, and how fast tasks go through the pool.

    python benchmarks/bulk_scale.py keys [--keys 1000000]
    python benchmarks/bulk_scale.py tasks [--tasks 20000] [--workers 2]

`keys` lists so many keys from an S3 server of its own, which makes the pages of the listing up
as they are asked for, and plans the run: names, clashes, what is done already. The growth of
the process' memory is compared with that for a tenth of them.

`tasks` runs so many pictures through a real Ray pool, the task store and the manifest, with workers
that do nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import common

from dreamray.base.messages import show_size
from dreamray.bulk.record import Record, State
from dreamray.bulk.request import BulkRequest
from dreamray.bulk.scheduler import BulkScheduler
from dreamray.bulk.task import Outcome, Task
from dreamray.bulk.task_store import TaskStore
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import LocalFolder, locate_folder

PAGE = 1000


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("keys", "tasks"), default="keys")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--case", help="for its own use")
    given = parser.parse_args()
    if given.case:
        print(json.dumps(plan_keys(**json.loads(given.case))))
    elif given.what == "keys":
        report_keys(given.keys)
    else:
        report_tasks(given.tasks, given.workers)


def report_keys(keys: int) -> None:
    """Memory and time for a tenth, and for all."""
    rows = []
    for count in (keys // 10, keys):
        found = common.in_fresh_process(__file__, {"keys": count})
        rows.append(
            (
                f"{count:,}",
                f"{found['seconds']:.1f}",
                f"{count / found['seconds']:,.0f}",
                show_size(found["before"]),
                show_size(found["peak"]),
            )
        )
    print(common.table(("keys", "s", "keys/s", "memory before", "at the peak"), rows))


def plan_keys(keys: int) -> dict[str, float]:
    """List and plan in this process; every third picture is done already."""
    with listing_server(keys) as url, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_REGION": "us-east-1",
        }
        list(locate_folder("s3://few/").files())  # boto3 is loaded.
        before = common.held_memory()
        begun = time.perf_counter()
        with TaskStore() as store:
            wanted = wanted_of("s3://many/pictures", Path(folder))
            run = BulkScheduler(wanted, store, lambda: None, lambda event: None)
            run.plan()
            assert store.counts.total == keys
            assert sum(1 for _ in store.todo()) == keys
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "before": before, "peak": common.peak_memory()}


def wanted_of(source: str, destination: Path) -> BulkRequest:
    """A set with the default dream."""
    return BulkRequest(source, LocalFolder(destination), Dream(), Execution(), "0" * 64)


class listing_server:  # noqa: N801
    """An S3 server that has nothing but listings; a process of its own, for its memory's sake."""

    def __init__(self, keys: int) -> None:
        self._keys = keys

    def __enter__(self) -> str:
        reading, writing = os.pipe()
        self._child = os.fork()
        if not self._child:
            serve_listing(self._keys, writing)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            return f"http://127.0.0.1:{int(pipe.readline())}"

    def __exit__(self, *error: object) -> None:
        os.kill(self._child, 9)
        os.waitpid(self._child, 0)


def serve_listing(keys: int, warn: int) -> None:
    """Answer `list_objects_v2`; the port is told through a pipe."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            count = keys if urlsplit(self.path).path.strip("/") == "many" else 1
            body = page(int(asked.get("continuation-token", ["0"])[0]), count).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        os.write(warn, f"{server.server_port}\n".encode())
        os.close(warn)
        server.serve_forever()


def page(first: int, count: int) -> str:
    """One page of the listing."""
    last = min(first + PAGE, count)
    contents = "".join(
        f"<Contents><Key>pictures/{n // 1000:04}/photo-{n:07}.jpg</Key>"
        f'<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"{n:032x}"</ETag>'
        f"<Size>{n}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for n in range(first, last)
    )
    more = last < count
    token = f"<NextContinuationToken>{last}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
        f"<Name>many</Name><Prefix>pictures/</Prefix><KeyCount>{last - first}</KeyCount>"
        f"<MaxKeys>{PAGE}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{token}{contents}</ListBucketResult>"
    )


@dataclass(frozen=True)
class Nothing:
    """In place of `dreamray.bulk.task_runner.TaskRunnerSpec`: makes no picture, at once."""

    threads: int | None = None
    in_hand: int = 4

    def runner(self) -> Nothing:
        """Itself."""
        return self

    def with_threads(self, threads: int) -> Nothing:
        """The same."""
        return replace(self, threads=threads)

    def about(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def make(self, task: Task) -> Outcome:
        """Done."""
        record = Record(task.output, str(task.source), State.DONE, worker=str(os.getpid()))
        return Outcome(record, work=1)


def report_tasks(tasks: int, workers: str) -> None:
    """Tasks a second, and the driver's memory as it goes."""
    from dreamray.bulk.executors import ray_task_executor

    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder, "list.txt")
        listing.write_text("".join(f"/nowhere/{n:07}.jpg\n" for n in range(tasks)))
        wanted = wanted_of(str(listing), Path(folder, "out"))
        execution = Execution(workers=workers, threads=1)
        marks: list[tuple[int, float, int]] = []

        def handle(event: object) -> None:
            done = store.counts.done
            if done >= (len(marks) + 1) * tasks // 4:
                marks.append((done, time.perf_counter(), common.held_memory()))

        with (
            TaskStore() as store,
            ray_task_executor(Nothing(), execution, tasks, print) as executor,  # type: ignore[arg-type]
        ):
            run = BulkScheduler(wanted, store, lambda: None, handle)
            run.plan()
            begun = time.perf_counter()
            processor = time.process_time()
            run.make(executor)
            seconds = time.perf_counter() - begun
            processor = time.process_time() - processor
            run.keep()
    rows = [(f"{done:,}", f"{at - begun:.1f}", show_size(held)) for done, at, held in marks]
    print(common.table(("tasks", "s", "driver's memory"), rows))
    print(
        f"\n{tasks / seconds:.0f} tasks/s with {workers} workers; "
        f"{1000 * processor / tasks:.2f} ms of the driver's processor time each"
    )


if __name__ == "__main__":
    main()
