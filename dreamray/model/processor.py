"""The processor of this machine: its instructions, and what they make of bfloat16."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dreamray.base.messages import Aside

_CPUINFO = Path("/proc/cpuinfo")

_X86 = (
    ("AMX with bfloat16", {"amx_bf16"}),
    ("AVX-512 with bfloat16", {"avx512_bf16"}),
    ("AVX-512", {"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
    ("AVX2", {"avx2"}),
    ("AVX", {"avx"}),
)
"""Sets of instructions that TensorFlow's convolutions are written for, the best first."""

_ARM = (("NEON with bfloat16", {"bf16"}), ("NEON", {"asimd"}))

_FAST = {"AVX-512 with bfloat16"}
_EVEN = {"AVX2"}
"""Where it was measured: see docs/performance.md."""


class Processor(NamedTuple):
    """A processor, as far as the bits and the time of a step depend on it."""

    name: str
    instructions: str
    """The best set that convolutions are written for, such as `AVX2`."""


@functools.cache
def this_processor() -> Processor:
    """That of this machine."""
    try:
        text = _CPUINFO.read_text(errors="replace")
    except OSError:
        text = ""
    return parse_cpuinfo(text)


def parse_cpuinfo(text: str) -> Processor:
    """What `/proc/cpuinfo` tells; a name and instructions that say so where it does not."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    known = _ARM if "asimd" in flags else _X86
    sets = (name for name, needed in known if needed <= flags)
    name = fields.get("model name") or fields.get("CPU part") or platform.machine()
    return Processor(" ".join(name.split()), next(sets, "unknown instructions"))


def about_bfloat16(instructions: str) -> str:
    """What bfloat16 costs beside float32 with these instructions, in one line."""
    if instructions in _FAST:
        return f"bfloat16 is about twice as fast as float32 on this processor ({instructions})"
    if instructions in _EVEN:
        return f"bfloat16 takes about as long as float32 on this processor ({instructions})"
    return (
        f"whether bfloat16 is faster than float32 on this processor ({instructions}) was never "
        "measured: `dreamray check` does"
    )


def remark_on(precision: str, about: Mapping[str, Any]) -> str | None:
    """What the user of a precision should know of who computes; None if there is nothing.

    `about` is what a worker says of itself; on a graphics card there is nothing to know.
    """
    instructions = about.get("instructions")
    if instructions is None:
        return None
    if precision == "tf32":
        return "tf32 is float32 on a processor: only graphics cards have it"
    if precision != "bfloat16":
        return None
    told = about_bfloat16(instructions)
    return Aside(told) if instructions in _FAST else told
