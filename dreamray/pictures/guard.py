"""Decoders held in check: silent, within limits, and with errors of one true line."""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from PIL import Image, UnidentifiedImageError

from dreamray.base.errors import DreamrayError, PictureError
from dreamray.base.messages import shown

MAX_PIXELS = 178_956_970
"""Where Pillow itself refuses to go on."""

# How decoders say that a file may be sound, but is not for them.
_NOT_FOR_THEM = re.compile(
    r"unsupported|not supported|not configured|unknown|unrecogni[sz]ed|not implemented|"
    r"no codec|can ?not handle|cannot decode|bit depth|not available",
    re.IGNORECASE,
)


class KindError(Exception):
    """A file that may be sound, but of a kind that is not read; the text says what it has."""


class _Silence:
    """Pillow's warnings, hidden from the first that enters until the last one leaves.

    The list of filters belongs to the whole process, so `warnings.catch_warnings` in several
    threads would restore it wrongly, or have one of them wait for all that another decodes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filter: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._filter = warnings.filters[0]

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._filter in warnings.filters:
                warnings.filters.remove(self._filter)  # type: ignore[attr-defined]


_silence = _Silence()


@contextlib.contextmanager
def decoding(name: str) -> Iterator[None]:
    """Decoders without Pillow's warnings, and with their errors as one line about the picture."""
    with damage_told(name), _silence:
        yield


@contextlib.contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Errors of decoders as one line about the picture."""
    try:
        yield
    except DreamrayError:
        raise
    except KindError as error:
        raise PictureError(
            f"{name} {error}, which dreamray does not read: "
            "save it anew as PNG or TIFF, in RGB with 8 or 16 bits a channel"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{name} has more than {MAX_PIXELS:,} pixels, the most that can be read whole: "
            "shrink it"
        ) from error
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name} is damaged or of a rare kind: copy or download it again, or save it anew"
        ) from error
    except MemoryError as error:
        raise PictureError(f"{name} needs more memory than there is: shrink it") from error
    except Exception as error:  # decoders fail on hostile bytes in every way there is
        if _NOT_FOR_THEM.search(str(error)):
            raise PictureError(
                f"{name} is of a kind that is not read ({one_line(error)}): "
                "save it anew as PNG or TIFF, in RGB with 8 or 16 bits a channel"
            ) from error
        raise PictureError(
            f"{name} is damaged or cut short ({one_line(error)}): copy or download it again"
        ) from error


# Which function of libvips was called, and what is said besides of each attempt and each tag.
_IDLE_WORDS = re.compile(
    r"unable to (call|write|load)[^\n]*\n|tiff2vips: Defined set_get_field_type[^\n]*|"
    r"source: bad seek[^\n]*"
)


def one_line(error: Exception) -> str:
    """An error's message, short and without line breaks, for use in a longer one."""
    words = _IDLE_WORDS.sub("", f"{error}\n").split() or str(error).split()
    return shown(" ".join(words)[:160]) or type(error).__name__
