"""The graphics card that this process would compute on, as NVIDIA's driver tells of it.

Without TensorFlow, which takes seconds to import and then holds memory of the card: nothing is
allocated there for this. Which card is the first one follows from `CUDA_VISIBLE_DEVICES`, as for
TensorFlow; a part of a card (MIG) is a card of its own.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76
"""Of the driver's `CUdevice_attribute`."""

Load = Callable[[str], Any]
"""Loads a library of C by its name; OSError if there is none."""


class _NoCardError(Exception):
    """The driver does not answer, or has no card for this process."""


@dataclass(frozen=True)
class Card:
    """A graphics card, or the part of one that this process may use."""

    name: str
    memory: int
    """Bytes, used or not."""
    compute_capability: str
    """The generation, such as `9.0`."""
    multiprocessors: int
    driver: str


@functools.cache
def first_card(load: Load = ctypes.CDLL) -> Card | None:
    """The card that computes by default; None where there is no driver, or no card for us."""
    try:
        cuda = load("libcuda.so.1")
        _ask(cuda.cuInit, 0)
        device = ctypes.c_int()
        _ask(cuda.cuDeviceGet, ctypes.byref(device), 0)
        name = ctypes.create_string_buffer(256)
        _ask(cuda.cuDeviceGetName, name, len(name), device)
        memory = ctypes.c_size_t()
        _ask(cuda.cuDeviceTotalMem_v2, ctypes.byref(memory), device)
        major, minor, multiprocessors = (
            _attribute(cuda, number, device) for number in (_MAJOR, _MINOR, _MULTIPROCESSORS)
        )
    except (OSError, AttributeError, _NoCardError):
        return None
    return Card(
        name.value.decode(errors="replace"),
        memory.value,
        f"{major}.{minor}",
        multiprocessors,
        _driver(load),
    )


@functools.cache
def usable_card() -> Card | None:
    """The first card, where TensorFlow's own libraries for it are installed as well."""
    card = first_card()
    return card if card is not None and _has_libraries() else None


def cudnn_version(built_for: str, load: Load = ctypes.CDLL) -> str:
    """Of the library that TensorFlow, built for a major version of it, has loaded."""
    try:
        version = int(load(f"libcudnn.so.{built_for}").cudnnGetVersion())
    except (OSError, AttributeError):
        return "unknown"
    base = 10_000 if version >= 10_000 else 1_000  # Version 9 counts otherwise than those before.
    return f"{version // base}.{version % base // 100}.{version % 100}"


def _attribute(cuda: Any, number: int, device: Any) -> int:
    value = ctypes.c_int()
    _ask(cuda.cuDeviceGetAttribute, ctypes.byref(value), number, device)
    return value.value


def _driver(load: Load) -> str:
    """The release of the driver, by the library that is meant for such questions."""
    try:
        management = load("libnvidia-ml.so.1")
        _ask(management.nvmlInit_v2)
        text = ctypes.create_string_buffer(80)
        _ask(management.nvmlSystemGetDriverVersion, text, len(text))
    except (OSError, AttributeError, _NoCardError):
        return "unknown"
    return text.value.decode(errors="replace")


def _ask(function: Any, *arguments: Any) -> None:
    if function(*arguments) != 0:
        raise _NoCardError


def _has_libraries() -> bool:
    """Whether cuDNN is there, from its wheel or from the system."""
    try:
        wheel = importlib.util.find_spec("nvidia.cudnn")
    except ModuleNotFoundError:
        wheel = None
    return wheel is not None or ctypes.util.find_library("cudnn") is not None
