"""What Ray is asked, with a limit: its own calls wait for ever where its head has stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import ray

from dreamray.base.errors import DreamrayError
from dreamray.farm import ray_compat
from dreamray.farm.patience import Patience

T = TypeVar("T")


class NoAnswerError(DreamrayError):
    """Ray's head, or its process on this machine, did not answer in time."""


def within(what: str, call: Callable[[], T], seconds: float | None = None) -> T:
    """What a call gives or raises; NoAnswerError, which names `what`, after so many seconds.

    Without a number it is `Patience.answer`. The call is made by a thread of its own, which is
    left behind where it hangs.
    """
    limit = Patience.from_environment().answer if seconds is None else seconds
    found: list[T] = []
    raised: list[BaseException] = []

    def answer() -> None:
        try:
            found.append(call())
        except BaseException as error:
            raised.append(error)

    asking = threading.Thread(target=answer, name=f"ray: {what}", daemon=True)
    asking.start()
    asking.join(limit)
    if raised:
        raise raised[0]
    if not found:
        raise NoAnswerError(
            f"Ray did not answer for {limit:.0f} s when asked to {what}: its head, or its process "
            "on this machine, is stopped, overloaded or cut off; see to it, then run the same "
            "command again, which goes on"
        )
    return found[0]


def put(value: object) -> Any:
    """The ref of a value that Ray keeps from now on, for as long as there are refs."""
    return within("keep what all workers need", lambda: ray.put(value))


def nodes() -> list[dict[str, Any]]:
    """What Ray knows of the nodes that are alive."""
    known = within("list its nodes", lambda: ray.nodes())  # type: ignore[no-untyped-call]
    return [node for node in known if node["Alive"]]


def free_resources() -> Mapping[str, float]:
    """What nobody uses."""
    found: Mapping[str, float] = within(
        "list what is free",
        lambda: ray.available_resources(),  # type: ignore[no-untyped-call]
    )
    return found


def draining_nodes() -> frozenset[str]:
    """See `ray_compat.draining_nodes`."""
    return within("list its nodes", ray_compat.draining_nodes)


def last_line(error: Exception) -> str:
    """Ray's errors end with what was raised."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:200] if lines else type(error).__name__
