"""Digests that tell whether a finished picture is still the one that is asked for.

The dream, the weights and what shows of the execution make the digest of a request; with the
source's bytes it is that of a result. Both can be had from the settings embedded in a finished
picture, but for tiles that are not exact. Neither depends on who dreamt it: not on threads,
exact tiles, device or release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dreamray.settings.dream import Dream
from dreamray.settings.execution import VISIBLE, VISIBLE_IF_USED, Execution

DIGEST_KEY = "dreamray-digest"
"""The name of a result's digest in the metadata of its object."""


def request_digest(dream: Dream, weights_sha256: str, execution: Execution) -> str:
    """Of all that is the same for every picture with these settings, in hexadecimal."""
    visible: list[object] = [*execution.visible.values()]
    if execution.shows_tiles:
        visible += [execution.tile, execution.memory]
    return _digest(dream.digest(), weights_sha256, *visible)


def result_digest(request: str, source_sha256: str) -> str:
    """Of one picture's result, in hexadecimal."""
    return _digest(request, source_sha256)


def digest_of(metadata: Mapping[str, Any]) -> str | None:
    """The digest of a finished picture, from its embedded settings; None if they lack something."""
    try:
        execution = metadata["execution"]
        request = _digest(
            metadata["dream_digest"],
            metadata["weights"]["sha256"],
            *(execution[name] for name in VISIBLE),
            *(execution[name] for name in VISIBLE_IF_USED if name in execution),
        )
        return result_digest(request, metadata["source"]["sha256"])
    except (KeyError, TypeError):
        return None


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
