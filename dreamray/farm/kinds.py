"""Which kinds of workers a run has: pinned to one, or told where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamray.base.messages import Warn
from dreamray.farm import answers
from dreamray.model.processor import remark_on

KIND = "dreamray.io/kind"
"""Label of Ray's nodes: those with one value of it compute the same bits."""


class Kinds:
    """The first worker's kind, and what becomes of the others.

    `pinned`: workers are wanted on nodes with the label of the first one's. Where nodes have no
    label, or in spite of it, a worker may differ: the user is told so, once for each difference.
    """

    def __init__(self, *, pinned: bool, precision: str, warn: Warn) -> None:
        """`precision` is what they compute in: `warn` is told what that costs on their kind."""
        self._pinned = pinned
        self._precision = precision
        self._warn = warn
        self._labels: dict[str, str | None] = {}
        self._told: set[str] = set()
        self.first: Mapping[str, Any] | None = None
        """What the first one says of itself."""
        self.wanted: str | None = None
        """The label that further workers have to have; None for any."""

    def welcome(self, node: str, about: Mapping[str, Any]) -> None:
        """A worker on that node is ready, and computes with this."""
        if self.first is None:
            self.first = about
            if self._pinned:
                self.wanted = self._label(node)
            if remark := remark_on(self._precision, about):
                self._warn(remark)
        elif not self.is_other(node) and (found := differences(about, self.first)):
            self._tell(
                f"a worker differs from the first one ({found}): the picture will be good, but "
                "its last bits not the same on every run"
            )

    def is_other(self, node: str) -> bool:
        """Whether workers on that node are not wanted."""
        return self.wanted is not None and self._label(node) != self.wanted

    @property
    def asked_for(self) -> str:
        """What is asked of nodes beside their resources, for who waits for one in vain."""
        if self.wanted is None:
            return ""
        return f" on a node of {self.wanted} (any other with --same-kind never)"

    def tell_left_out(self, node: str) -> None:
        """A worker on that node is let go."""
        label = self._label(node) or "no kind"
        self._tell(
            f"workers on nodes of {label} are left out, as the first one is on {self.wanted}; "
            "--same-kind never takes them, too"
        )

    def _label(self, node: str) -> str | None:
        """The kind of a node; None if it has no label, or is gone."""
        if node not in self._labels:
            known = {one["NodeID"]: one.get("Labels") or {} for one in answers.nodes()}
            self._labels |= {name: labels.get(KIND) or None for name, labels in known.items()}
            self._labels.setdefault(node, None)
        return self._labels[node]

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what one kind differs from another: `driver 550.54 in place of 550.90`; empty if in none.

    Both are what workers say of themselves: see `dreamray.model.device_identity`.
    """
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return ", ".join(
        f"{name} {one.get(name, 'none')} in place of {other.get(name, 'none')}" for name in names
    )
