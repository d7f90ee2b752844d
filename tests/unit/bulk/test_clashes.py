"""Who has a name that several pictures would have is decided by them, not by their order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dreamray.bulk.clashes import Claim, Claimant, Decision, decide

CLAIMS = [Claim.GIVEN, Claim.OWN, Claim.DERIVED, Claim.LONGER]
CLAIMANTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("12"), st.sampled_from(CLAIMS)), min_size=2
).map(
    lambda all: [
        Claimant(number, f"/in/{source}.gif", request, f"{source}.gif", claim)
        for number, (source, request, claim) in enumerate(all)
    ]
)


def fates(claimants: list[Claimant], decision: Decision) -> dict[tuple[str, str], str]:
    """What becomes of each picture with its settings."""
    dropped = {one.number for one in decision.dropped}
    renamed = {one.number: name for one, name in decision.renamed}
    failed = {one.number for one in decision.failed}
    return {
        (one.source, one.request): "failed"
        if one.number in failed
        else renamed.get(one.number, "stays")
        for one in claimants
        if one.number not in dropped
    }


def one(source: str, claim: Claim, request: str = "1", number: int = 0) -> Claimant:
    return Claimant(number, f"/in/{source}", request, source, claim)


@given(CLAIMANTS, st.randoms())
def test_the_order_decides_nothing_and_at_most_one_has_the_name(claimants, random):
    shuffled = [*claimants]
    random.shuffle(shuffled)
    shuffled = [replace(one, number=number) for number, one in enumerate(shuffled)]
    decided = fates(claimants, decide("x.png", claimants))
    assert decided == fates(shuffled, decide("x.png", shuffled))
    assert [*decided.values()].count("stays") <= 1
    assert decided.keys() == {(one.source, one.request) for one in claimants}


def test_a_picture_that_is_asked_for_twice_is_made_once():
    twice = [one("a.png", Claim.OWN), one("a.png", Claim.OWN, number=1)]
    assert decide("a.png", twice) == Decision(dropped=(twice[1],))


def test_two_dreams_of_a_picture_in_one_result_fail():
    both = [one("a.png", Claim.OWN), one("a.png", Claim.OWN, "2", 1)]
    assert decide("a.png", both) == Decision(failed=(*both,))


def test_who_has_the_name_keeps_it_and_the_others_get_longer_ones():
    gif, png, given = one("a.gif", Claim.DERIVED), one("a.png", Claim.OWN), one("b", Claim.GIVEN)
    gif, png, given = (replace(o, number=n) for n, o in enumerate((gif, png, given)))
    assert decide("a.png", [gif, png]) == Decision(renamed=((gif, "a.gif.png"),))
    assert decide("a.png", [given, png]) == Decision(renamed=((png, "a.png.png"),))


def test_where_nobody_has_the_name_all_get_longer_ones():
    gif, bmp = one("a.gif", Claim.DERIVED), one("a.bmp", Claim.DERIVED, number=1)
    assert decide("a.png", [gif, bmp]).renamed == ((gif, "a.gif.png"), (bmp, "a.bmp.png"))


def test_a_longer_name_that_is_taken_fails():
    holder, late = one("a.gif.png", Claim.OWN), one("a.gif", Claim.LONGER, number=1)
    assert decide("a.gif.png", [late, holder]) == Decision(failed=(late,))
