"""Numbers and times as people read them."""

from __future__ import annotations


def rate(number: float) -> str:
    """`1,234`, `12.3`, `0.12`."""
    digits = 0 if number >= 100 else 1 if number >= 1 else 2
    return f"{number:,.{digits}f}"


def duration(seconds: float) -> str:
    """`0.12 s`, `12.3 s`, `4 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 0.005:
        return "0 s"
    if seconds < 59.95:
        return f"{seconds:.{1 if seconds >= 9.995 else 2}f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h"
    if hours:
        return f"{hours} h {minute} min"
    return f"{minutes} min {second} s" if second else f"{minutes} min"
