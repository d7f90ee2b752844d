"""What a set is to become, and when a run gives up on it."""

from __future__ import annotations

from dataclasses import dataclass

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief
from dreamray.bulk.entry import EntryList
from dreamray.bulk.task_store import Counts
from dreamray.pictures.encoding import PICTURE_SUFFIXES, Format
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import Folder


@dataclass(frozen=True)
class Limit:
    """How many pictures may fail before the run stops: a number, or a share of all."""

    number: float
    is_share: bool = False
    """Whether `number` is a share from 0 to 1."""

    def is_passed(self, counts: Counts) -> bool:
        """Whether so many have failed that going on is hopeless."""
        return counts.failed > (self.number * counts.total if self.is_share else self.number)

    def __str__(self) -> str:
        return f"{self.number * 100:g}%" if self.is_share else f"{self.number:g}"


def parse_limit(text: str | None) -> Limit | None:
    """Read `20` or `5%`; RequestError for anything else, None for nothing."""
    if text is None:
        return None
    digits = text.strip().removesuffix("%")
    is_share = digits != text.strip()
    try:
        number = float(digits) / 100 if is_share else int(digits)
        if number < 0 or (is_share and not number <= 1):
            raise ValueError
    except ValueError:
        raise RequestError(
            f"--max-failures {brief(text)} is not allowed; allowed: a number from 0, or a share "
            "such as 5%"
        ) from None
    return Limit(number, is_share)


def parse_format(text: str | None) -> Format | None:
    """Read `jpeg`, or a suffix of it; RequestError for what is no format of single pictures."""
    if text is None:
        return None
    format = PICTURE_SUFFIXES.get(f".{text.strip().lower().removeprefix('.')}")
    if format is None:
        raise RequestError(f"--format {brief(text)} is not allowed; allowed: png, jpeg, webp, tiff")
    return format


@dataclass(frozen=True)
class BulkRequest:
    """What a set is to become."""

    source: str | EntryList
    """A folder, an s3:// prefix, or a list file; or what a program asks for."""
    destination: Folder
    dream: Dream
    execution: Execution
    weights_sha256: str
    include: tuple[str, ...] = ()
    format: Format | None = None
    """Of all results; None for that of each source."""
    overwrite: bool = False
    max_failures: Limit | None = None
    thumbnails: bool = True
    weights_name: str = ""
    """What the weights are, whatever they were asked for as."""
