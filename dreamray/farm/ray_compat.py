"""Every touch of Ray's private parts, so that a new Ray is looked at in one place.

Most fall back to doing without where a Ray lacks the part. That the Ray of `constraints.txt` has
them all is tested: `tests/unit/farm/test_ray_compat.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

LOOPBACK: dict[str, Any] = {"_node_ip_address": "127.0.0.1"}
"""Options of `ray.init`: a cluster of our own listens on this machine only."""

_log = logging.getLogger(__name__)


def logs() -> str:
    """The folder where a Ray of this machine says what it did last."""
    try:
        utils: Any = importlib.import_module("ray._common.utils")
        folder = utils.get_default_ray_temp_dir()
    except (ImportError, AttributeError):
        folder = "/tmp/ray"
    return f"{folder}/session_latest/logs"


def reread_token() -> None:
    """Let a Ray that was imported already take note of the token in the environment.

    It reads it once, when it is imported. Where that cannot be changed, starting a cluster fails.
    """
    if "ray" in sys.modules:
        raylet: Any = importlib.import_module("ray._raylet")
        try:
            raylet.Config.initialize("")
            raylet.AuthenticationTokenLoader.instance().reset_cache()
        except AttributeError as error:
            _log.warning("this Ray's token cannot be read anew: %s", error)


def job_client(address: str, seconds: float) -> JobSubmissionClient:
    """A client of a cluster's job server, whose requests all end after so long a silence.

    Ray's own wait for ever. Raises as Ray's does: it asks for the server's version.
    """
    from ray.job_submission import JobSubmissionClient

    class BoundedClient(JobSubmissionClient):
        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            return super()._do_request(method, endpoint, **{"timeout": seconds, **options})

    return BoundedClient(address)


def ask_job_server(client: JobSubmissionClient, path: str) -> Any:
    """The answer to a GET, asked with the client's token."""
    return client._do_request("GET", path)


def draining_nodes() -> frozenset[str]:
    """The ids of the nodes that are about to leave, which Ray tells in its internal state only."""
    from ray._private.state import state

    nodes = getattr(state, "get_draining_nodes", None)
    return frozenset(nodes() if nodes is not None else ())


def processes_of_ours() -> list[psutil.Process]:
    """The processes of the cluster that this one has started, its workers included."""
    from ray._private import worker

    node = getattr(worker, "_global_node", None)
    found: list[psutil.Process] = []
    for several in getattr(node, "all_processes", {}).values():
        for one in several:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(one.process.pid)
                found += [process, *process.children(recursive=True)]
    return found


def skip_shutdown_at_exit() -> None:
    """Keep Ray from trying once more to part from its cluster as this process ends."""
    from ray._private import worker

    atexit.unregister(worker.shutdown)


@contextlib.contextmanager
def without_cluster_errors() -> Iterator[None]:
    """Keep Ray from printing what goes wrong in the cluster to the driver's standard output.

    A lost node is thirty lines of log there, whatever the log level; we tell of it ourselves.
    """
    from ray._private import worker

    printing = getattr(worker, "print_to_stdstream", None)
    if printing is None:
        yield
        return
    worker.print_to_stdstream = lambda *arguments, **options: None
    try:
        yield
    finally:
        worker.print_to_stdstream = printing
