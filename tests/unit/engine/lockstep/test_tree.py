"""Everybody is heard by way of a tree, once, and nobody hears of many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dreamray.engine.lockstep.tree import FAN, ROOT, Tree

counts = st.integers(1, 400)


@given(counts)
def test_all_but_the_root_have_one_parent_that_knows_them(count: int) -> None:
    tree = Tree(count)
    heard = [child for member in range(count) for child in tree.children(member)]
    assert sorted(heard) == list(range(1, count))
    assert tree.parent(ROOT) is None
    for child in heard:
        parent = tree.parent(child)
        assert parent is not None
        assert child in tree.children(parent)


@given(counts)
def test_it_is_as_shallow_as_it_can_be(count: int) -> None:
    tree = Tree(count)
    member, depth = count - 1, 0
    while (parent := tree.parent(member)) is not None:
        member, depth = parent, depth + 1
    assert depth == 0 or (FAN**depth - 1) // (FAN - 1) < count
    assert max(len(tree.children(member)) for member in range(count)) <= FAN


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_the_root_is_told_of_every_tile_in_the_plans_order(owners: list[int]) -> None:
    numbers = {owner: number for number, owner in enumerate(sorted(set(owners)))}
    dense = tuple(numbers[owner] for owner in owners)
    tree = Tree(len(numbers))
    assert tree.tiles_below(ROOT, dense) == tuple(range(len(dense)))
    for member in range(tree.count):
        own = {tile for tile, owner in enumerate(dense) if owner == member}
        below = [set(tree.tiles_below(child, dense)) for child in tree.children(member)]
        assert set(tree.tiles_below(member, dense)) == own.union(*below)
        assert len(tree.tiles_below(member, dense)) == len(own) + sum(map(len, below))
