"""What workers send each other: a head, and frames of raw numbers.

A head says which run, epoch and step a message belongs to, who sent it, and what it is, and has a
check sum of all. What lies in the frames is known from the plan, and so are their lengths.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamray.engine.ascent import Decision, Effort
from dreamray.engine.halo_exchange import HaloExchange
from dreamray.engine.lockstep.tree import Tree

Frame = Any
"""Bytes, or an array that lies in one piece."""

PIXEL_BYTES = 12

_HEAD = struct.Struct("<16sIIIIB3xQ")
_DECISION = struct.Struct("<d????4x")
_NUMBER_BYTES = 8
_EFFORT_BYTES = 8 * len(Effort.__dataclass_fields__)

_LARGE_FRAME = 1 << 16
"""Bytes from which on a word at a time is faster than a good polynomial."""

_FACTOR = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


class Kind(enum.IntEnum):
    """What a message has."""

    HALOS = 1
    """Of each of the sender's tiles the part that the receiver needs, float32."""
    GRADIENT = 2
    """Of one of the sender's windows the parts in the receiver's cores, float32."""
    MEASURE = 3
    """Losses and sums of the tiles below the sender, float64 [tiles, 1 + bands]; its effort."""
    DECISION = 4
    STORED = 5
    """All below the sender have stored their tiles."""
    AGAIN = 6
    """The receiver is to send something again: one byte, the kind."""


_KINDS = {int(kind): kind for kind in Kind}


class Key(NamedTuple):
    """One message of a step."""

    kind: Kind
    sender: int
    tile: int = 0
    """The window of a gradient."""


class Head(NamedTuple):
    """What a message is."""

    run: bytes
    """16 bytes."""
    epoch: int
    """Another one each time that tiles are dealt."""
    step: int
    key: Key


def pack(head: Head, payload: Sequence[Frame]) -> list[Frame]:
    """The frames of a message."""
    kind, sender, tile = head.key
    bare = _HEAD.pack(head.run, head.epoch, head.step, sender, tile, kind, 0)
    seal = _seal([bare, *payload])
    return [_HEAD.pack(head.run, head.epoch, head.step, sender, tile, kind, seal), *payload]


def unpack(frames: Sequence[Frame]) -> tuple[Head, Sequence[Frame]] | None:
    """The head and the other frames of a message; None if it is damaged, or none of ours."""
    if not frames or len(first := bytes(frames[0])) != _HEAD.size:
        return None
    run, epoch, step, sender, tile, kind, seal = _HEAD.unpack(first)
    payload = frames[1:]
    bare = _HEAD.pack(run, epoch, step, sender, tile, kind, 0)
    known = _KINDS.get(kind)
    if known is None or _seal([bare, *payload]) != seal:
        return None
    return Head(run, epoch, step, Key(known, sender, tile)), payload


def expected_messages(
    exchange: HaloExchange, tree: Tree, me: int, bands: int = 1
) -> dict[Key, tuple[int, ...]]:
    """All that a worker gets in a step, with the lengths of the frames in bytes.

    Gradients have so many bands.
    """
    lengths = {
        Key(Kind.HALOS, sender): _sizes(exchange.needed(sender, me).values())
        for sender in exchange.senders(me)
    }
    for window, parts in exchange.contributions(me).items():
        key = Key(Kind.GRADIENT, exchange.owners[window], window)
        lengths[key] = _sizes((piece.inside for piece in parts), bands)
    for child in tree.children(me):
        tiles = tree.tiles_below(child, exchange.owners)
        numbers = len(tiles) * (1 + bands)
        lengths[Key(Kind.MEASURE, child)] = (_NUMBER_BYTES * numbers, _EFFORT_BYTES)
        lengths[Key(Kind.STORED, child)] = ()
    if (parent := tree.parent(me)) is not None:
        lengths[Key(Kind.DECISION, parent)] = (_DECISION.size + _NUMBER_BYTES * bands,)
    return lengths


def pack_decision(decision: Decision) -> bytes:
    """A frame."""
    loss, scales, *words = decision
    return _DECISION.pack(loss, *words) + np.array(scales, np.float64).tobytes()


def unpack_decision(frame: Frame) -> Decision:
    """Of a frame."""
    data = bytes(frame)
    loss, *words = _DECISION.unpack_from(data)
    scales = np.frombuffer(data, np.float64, offset=_DECISION.size).tolist()
    return Decision(loss, tuple(scales), *words)


def _sizes(regions: Iterable[Any], bands: int = 1) -> tuple[int, ...]:
    return tuple(PIXEL_BYTES * bands * region.pixels for region in regions)


def _seal(frames: Iterable[Frame]) -> int:
    """A check sum that every change of a bit changes: fast, and no protection from malice."""
    seal = 1
    for frame in frames:
        size = memoryview(frame).nbytes
        # An odd factor, so that frames that change places show, and no change is lost.
        seal = (_FACTOR * seal + _sum_of(frame, size) + (size << 32)) & _WORD
    return seal


def _sum_of(frame: Frame, size: int) -> int:
    if size < _LARGE_FRAME:
        return zlib.crc32(frame)
    data = np.frombuffer(frame, np.uint8)
    whole = size & ~7
    rest = int.from_bytes(data[whole:].tobytes(), "little")
    return int(np.bitwise_xor.reduce(data[:whole].view(np.uint64))) ^ rest
