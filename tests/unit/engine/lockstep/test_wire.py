"""What is sent arrives as it was, and what was changed on the way is known by it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.geometry import Shape
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles
from dreamray.engine.lockstep.tree import Tree
from dreamray.engine.lockstep.wire import (
    PIXEL_BYTES,
    Head,
    Key,
    Kind,
    expected_messages,
    pack,
    unpack,
)
from dreamray.plan.tiles import plan_tiles

words = st.integers(0, 2**32 - 1)
heads = st.builds(
    Head,
    st.binary(min_size=16, max_size=16),
    words,
    words,
    st.builds(Key, st.sampled_from(Kind), words, words),
)
payloads = st.lists(st.binary(max_size=40), max_size=4)


@given(heads, payloads)
def test_a_message_arrives_as_it_was(head: Head, payload: list[bytes]) -> None:
    assert unpack(pack(head, payload)) == (head, payload)


@given(heads, payloads, st.randoms(use_true_random=False))
def test_any_bit_that_is_changed_shows(head: Head, payload: list[bytes], random: object) -> None:
    frames = [bytearray(frame) for frame in pack(head, payload)]
    whole = random.choice([frame for frame in frames if frame])
    at = random.randrange(len(whole))
    whole[at] ^= 1 << random.randrange(8)
    found = unpack(frames)
    # Three bytes of the head mean nothing.
    assert found is None or (whole is frames[0] and found == (head, payload))


@given(heads, payloads, st.randoms(use_true_random=False))
def test_what_was_cut_lengthened_or_left_out_shows(
    head: Head, payload: list[bytes], random: object
) -> None:
    frames = [*map(bytes, pack(head, payload))]
    number = random.randrange(len(frames))
    one = frames[number]
    changed = [[*frames, b""], [*frames[:number], one + b"\0", *frames[number + 1 :]]]
    changed.append([*frames[:number], *frames[number + 1 :]])
    if one:
        changed.append([*frames[:number], one[:-1], *frames[number + 1 :]])
    for wrong in changed:
        assert unpack(wrong) is None


def test_rubbish_is_no_message() -> None:
    for frames in [], [b""], [b"x" * 44], [b"x"] * 99, [bytes(44), bytes(12)]:
        assert unpack(frames) is None


@given(
    st.integers(40, 150),
    st.integers(40, 150),
    st.integers(1, 6),
    st.integers(-40, 40),
    st.integers(1, 5),
)
def test_all_expect_what_others_send(
    height: int, width: int, count: int, roll: int, bands: int
) -> None:
    """Halos and parts of gradients, by their lengths, and a word each along the tree."""
    plan = plan_tiles(Shape(height, width), ["max_pooling2d"], 32)
    owners = assign_tiles(plan, count)
    exchange, tree = HaloExchange(plan, owners, (roll, roll)), Tree(max(owners) + 1)
    for me in range(tree.count):
        expected = expected_messages(exchange, tree, me, bands)
        halos = {key.sender: sum(n) for key, n in expected.items() if key.kind == Kind.HALOS}
        assert halos == {
            other: sum(PIXEL_BYTES * r.pixels for r in exchange.needed(other, me).values())
            for other in range(tree.count)
            if me in exchange.receivers(other)
        }
        for window, owner in enumerate(owners):
            pieces = itertools.chain.from_iterable(exchange.pieces[window])
            mine = [piece for piece in pieces if owners[piece.source] == me]
            found = expected.get(Key(Kind.GRADIENT, owner, window))
            if owner == me or not mine:
                assert found is None
                assert owner == me or me not in exchange.reached(window)
            else:
                assert found == tuple(PIXEL_BYTES * bands * piece.inside.pixels for piece in mine)
                assert me in exchange.reached(window)
                assert me in exchange.senders(owner)
        told = [key.sender for key in expected if key.kind == Kind.MEASURE]
        assert told == [*tree.children(me)]


def test_arrays_are_sent_without_a_copy() -> None:
    array = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    frames = pack(Head(bytes(16), 1, 2, Key(Kind.HALOS, 3)), [array])
    assert frames[1] is array
