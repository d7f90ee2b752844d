"""One picture or several: which result each input becomes, as `cp` would have it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from dreamray.base.errors import PictureError, RequestError
from dreamray.base.messages import shown
from dreamray.bulk.entry import Entry
from dreamray.bulk.naming import output_name
from dreamray.pictures.noise import locate_source
from dreamray.pictures.outputs import check_output_place, is_dream
from dreamray.storage import Folder, LocalFolder, locate, locate_folder
from dreamray.storage.identity import identity, is_folder


class Pair(NamedTuple):
    """An input, and the result that it becomes: paths or URIs."""

    source: str
    output: str


def pair_up(sources: list[str], output: str, *, overwrite: bool) -> list[Pair]:
    """What `render SOURCES… OUTPUT` makes.

    In a folder, or below an s3:// prefix that ends in a slash, results have the names of their
    sources, with `.png` where results are not written in that format. Raises RequestError before
    anything is made: for several inputs without a folder, two with one result, a result in the
    place of any of the inputs or of what dreamray has not made.
    """
    folder = _folder(output)
    if folder is None:
        if len(sources) > 1:
            raise RequestError(
                f"{shown(output)}: this is no folder, which {len(sources)} pictures need; create "
                "it, or end an s3:// prefix in a slash"
            )
        return [Pair(sources[0], output)]
    pairs: list[Pair] = []
    taken: dict[str, str] = {}
    for source in sources:
        place = locate_source(source.rstrip("/") if is_folder(source) else source)
        if is_folder(source):
            raise RequestError(
                f"{shown(source)}: this is a folder; `dreamray bulk` takes all of its pictures"
            )
        try:
            name = output_name(Entry(place, place.name), None)
        except PictureError as error:
            raise RequestError(str(error)) from None
        if name in taken:
            raise RequestError(
                f"{shown(taken[name])} and {shown(source)} would both become {shown(name)}; "
                "rename one, or render them apart"
            )
        taken[name] = source
        pairs.append(Pair(source, str(folder.file(name))))
    _check(pairs, overwrite=overwrite)
    return pairs


def _check(pairs: list[Pair], *, overwrite: bool) -> None:
    inputs = {identity(locate_source(pair.source)): pair.source for pair in pairs}
    outputs: dict[Hashable, str] = {}
    for pair in pairs:
        place = locate(pair.output)
        other = outputs.setdefault(identity(place), pair.output)
        if other != pair.output:
            raise RequestError(
                f"{shown(other)} and {shown(pair.output)} are one file, which two pictures would "
                "become; remove the link, or name another folder"
            )
        source = inputs.get(identity(place))
        check_output_place(
            place,
            is_dream,
            overwrite=overwrite,
            sources=[locate_source(source)] if source is not None else [],
        )


def _folder(output: str) -> Folder | None:
    """The folder that an output names; None for a file."""
    if not is_folder(output):
        return None
    folder = locate_folder(output)
    if isinstance(folder, LocalFolder) and not folder.exists():
        raise RequestError(f"{shown(output)}: there is no such folder; create it first")
    return folder
