"""What a processor's flags mean for bfloat16, and who is told of it."""

from __future__ import annotations

import pytest

from dreamray.model.processor import Processor, about_bfloat16, parse_cpuinfo, remark_on

SKYLAKE = "avx avx2 avx512f avx512bw avx512dq avx512vl"


def cpuinfo(flags: str, name: str = "Some  Processor") -> str:
    one = f"processor\t: 0\nmodel name\t: {name}\nflags\t\t: fpu {flags}\n\n"
    return one + one.replace(": 0", ": 1")


@pytest.mark.parametrize(
    ("flags", "instructions"),
    [
        ("avx", "AVX"),
        ("avx avx2", "AVX2"),
        ("avx avx2 avx512f", "AVX2"),  # Xeon Phi has no more of AVX-512 than that.
        (SKYLAKE, "AVX-512"),
        (f"{SKYLAKE} avx512_bf16", "AVX-512 with bfloat16"),
        (f"{SKYLAKE} avx512_bf16 amx_bf16 amx_tile", "AMX with bfloat16"),
        ("sse2", "unknown instructions"),
    ],
)
def test_the_best_instructions_are_found(flags: str, instructions: str) -> None:
    assert parse_cpuinfo(cpuinfo(flags)) == Processor("Some Processor", instructions)


def test_an_arm_is_read_too() -> None:
    text = "processor : 0\nFeatures : fp asimd {}\nCPU part : 0xd40\n"
    assert parse_cpuinfo(text.format("bf16")) == ("0xd40", "NEON with bfloat16")
    assert parse_cpuinfo(text.format("")) == ("0xd40", "NEON")


def test_a_system_that_does_not_tell_has_unknown_instructions() -> None:
    assert parse_cpuinfo("").instructions == "unknown instructions"


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        ("AVX-512 with bfloat16", "twice as fast"),
        ("AVX2", "about as long as"),
        ("AVX-512", "never measured"),
        ("AMX with bfloat16", "never measured"),
        ("NEON with bfloat16", "never measured"),
    ],
)
def test_what_bfloat16_costs_is_said_by_what_was_measured(instructions: str, words: str) -> None:
    assert words in about_bfloat16(instructions)
    assert instructions in about_bfloat16(instructions)


@pytest.mark.parametrize(
    ("precision", "about", "words"),
    [
        ("float32", {"instructions": "AVX2"}, None),
        ("bfloat16", {"instructions": "AVX2"}, "as long as float32"),
        ("bfloat16", {"instructions": "AVX-512 with bfloat16"}, "twice as fast"),
        ("bfloat16", {"instructions": "AVX"}, "never measured"),
        ("tf32", {"instructions": "AVX2"}, "tf32 is float32"),
        ("tf32", {"device": "GPU NVIDIA L4"}, None),
        ("bfloat16", {"device": "GPU NVIDIA L4"}, None),
    ],
)
def test_who_chose_a_precision_is_told_what_it_costs(
    precision: str, about: dict[str, str], words: str | None
) -> None:
    told = remark_on(precision, about)
    assert told == words if words is None else words in str(told)
