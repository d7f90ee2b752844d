"""Connecting to a Ray cluster, or starting one on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import psutil

from dreamray.base.errors import DreamrayError, RequestError
from dreamray.farm import ray_compat
from dreamray.model.device import available_threads
from dreamray.settings.execution import Execution

_log = logging.getLogger(__name__)

LOCAL = "local"
"""The address that asks for a cluster of one's own, on this machine."""

_QUIET = {
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "GLOG_minloglevel": "3",
}

_TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

_OBJECTS = 1 << 30
"""Bytes for halos on their way, and the weights, in a cluster of our own."""


_LEAVE_WITHIN = 4.0
"""Seconds for Ray's own way to end; an interruption gives 6 in all."""

_KILLED_WITHIN = 1.0
"""Seconds in which Ray notices that what it waited for is gone."""


_hanging = threading.Event()
"""Whether Ray did not let go of this process."""


@contextlib.contextmanager
def connect(execution: Execution) -> Iterator[None]:
    """Be a driver of the cluster that is asked for, or of one started for the meantime.

    A cluster of our own asks for a token, and listens on this machine only; so does its
    dashboard. Ray's own messages stay out of the terminal.

    Raises RequestError where the address is none, or nobody answers there.
    """
    address = execution.address or LOCAL
    if address.startswith(("ray://", "http://", "https://")):
        raise RequestError(
            f"address {address}: dreamray runs inside the cluster; submit it there with "
            "`ray job submit -- dreamray …`, or give host:port of the cluster's head"
        )
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        yield  # By whoever calls us from Python, who also ends it.
        return
    before = {name: os.environ.get(name) for name in (*_QUIET, *_TOKEN)}
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address == LOCAL:
        _ask_for_a_token()
    else:
        _knock(address)

    # Ray exchanges it for a handler that ends the process without a word.
    handler = signal.getsignal(signal.SIGTERM)
    try:
        try:
            if address == LOCAL:
                _start(execution)
            else:
                _join(address)
        except SystemExit:
            raise KeyboardInterrupt from None
        if _in_main_thread():
            signal.signal(signal.SIGTERM, handler)
        _log.info("a driver of the cluster at %s", address)
        with ray_compat.without_cluster_errors():
            yield
    finally:
        _leave(own=address == LOCAL)
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old


def _leave(*, own: bool) -> None:
    """Part from the cluster within seconds, whatever of it hangs, and end one of our own."""
    import ray

    family = ray_compat.processes_of_ours() if own else []
    leaving = threading.Thread(target=ray.shutdown, name="ray: shutdown", daemon=True)
    leaving.start()
    leaving.join(_LEAVE_WITHIN)
    if hangs := leaving.is_alive():
        _log.info("Ray does not let go of this process")
        ray_compat.skip_shutdown_at_exit()
    for process in family:  # Ray ends them, but for those that are stopped.
        with contextlib.suppress(psutil.Error):
            process.kill()
    leaving.join(_KILLED_WITHIN)
    if hangs:
        _hanging.set()


def end_if_ray_hangs(code: object) -> None:
    """End the process with this exit code, if a part of Ray in it never came back.

    Python would end it, too, but its last steps crash on what still runs there, or wait for it.
    """
    if _hanging.is_set():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _knock(address: str) -> None:
    """Ray itself tries for minutes, and complains meanwhile."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise RequestError(
            f"address {address}: nothing answers there ({error}); start a cluster with "
            "`ray start --head`, or leave --address out to dream on this machine"
        ) from None


def _start(execution: Execution) -> None:
    import ray

    most = execution.workers.most if execution.workers else 1
    try:
        ray.init(
            address=LOCAL,
            num_cpus=max(available_threads(), most * threads_of_local(execution)),
            object_store_memory=_OBJECTS,
            dashboard_host="127.0.0.1",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **ray_compat.LOOPBACK,
        )
    except Exception as error:
        raise DreamrayError(
            f"Ray does not start on this machine ({_line(error)}); see {ray_compat.logs()}, or "
            "leave --workers out to dream in this process"
        ) from None


def _ask_for_a_token() -> None:
    """A token of our own for a cluster of our own. Ray reads it once, when it is imported."""
    known = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if known and os.environ.get("RAY_AUTH_MODE") == "token":
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    if not known:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    ray_compat.reread_token()


def _join(address: str) -> None:
    import ray

    from dreamray.farm.answers import NoAnswerError, within

    try:
        # From a thread: what hangs there does not hold up signals.
        within(
            "let this process in",
            lambda: ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR),
        )
    except NoAnswerError as error:
        raise NoAnswerError(f"address {address}: {error}") from None
    except Exception as error:
        if "auth" in f"{error!r}{error.__cause__!r}".lower():
            raise RequestError(
                f"address {address}: the cluster refuses the token; set RAY_AUTH_MODE=token and "
                "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH as the cluster has them"
            ) from None
        if "ersion mismatch" in str(error):
            raise RequestError(f"address {address}: {_line(error)}") from None
        raise RequestError(
            f"address {address}: no Ray cluster answers there ({type(error).__name__}); start one "
            "with `ray start --head`, or leave --address out to dream on this machine"
        ) from None


def threads_of_local(execution: Execution) -> int:
    """Threads of each worker on this machine: the processors, shared out."""
    most = execution.workers.most if execution.workers else 1
    return execution.threads or max(1, available_threads() // most)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
