"""Sums of terms: how they are written, and what they mean."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dreamray import Dream, Objective
from dreamray.base.errors import RequestError
from dreamray.model.layers import LayerChoice
from dreamray.model.terms import DAMPERS, KINDS, Near, Term, parse_sum

shares = st.floats(0, 1).filter(lambda share: share == 0 or share > 1e-9)
channels = st.lists(st.integers(0, 700), min_size=1, max_size=4, unique=True).map(sorted)
parts = st.floats(-1e3, 1e3).filter(lambda part: abs(part) > 1e-3)
names = st.sampled_from(["mixed3", "mixed4", "mixed5"])
places = st.one_of(
    st.none(),
    st.builds(Near, shares, shares, st.floats(1e-3, 1)),
    st.sampled_from(["sky", "Sky_2", "mixed4"]),
)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    """Any term of layers of 768 channels, or of the picture."""
    kind = draw(st.sampled_from([*KINDS, *DAMPERS]))
    if kind in DAMPERS:
        return Term(kind, LayerChoice("input_layer", None), draw(places))
    chosen = tuple(draw(channels))
    if kind in ("direction", "cosine"):
        mix = tuple(draw(st.lists(parts, min_size=len(chosen), max_size=len(chosen))))
        of = LayerChoice(draw(names), chosen, mix)
    else:
        of = LayerChoice(draw(names), draw(st.just(chosen) | st.none()))
    return Term(kind, of, draw(places))


weights = st.floats(-1e6, 1e6).filter(lambda weight: abs(weight) > 1e-6)


@given(terms())
def test_a_term_is_read_as_it_is_written(term: Term) -> None:
    assert Term.parse(str(term)) == term
    assert term.describe().isprintable()


@given(st.dictionaries(terms(), weights, min_size=1, max_size=4), st.randoms())
def test_a_sum_is_the_layers_that_it_names(chosen: dict[Term, float], random: object) -> None:
    layers = {"mixed0": 1.0, **{str(term): weight for term, weight in chosen.items()}}
    text = " + ".join(f"{weight!r}*{term}" for term, weight in layers.items())
    of_text, of_mapping = Dream(layers=text), Dream(layers=layers)
    assert of_text == of_mapping
    assert of_text.digest() == of_mapping.digest()
    assert Dream.from_yaml(of_text.to_yaml()) == of_text
    assert Dream(layers=Objective(layers)) == of_text


def test_the_algebra() -> None:
    text = "2*(mixed4[12] - mean(mixed5)/4) + mixed4[12] - -tv * 0.5 + +mixed3 - mixed3"
    layers = {"tv": 0.5, "mixed4[12]": 3.0, "mean(mixed5)": -0.5}
    assert Dream(layers=text).layers == layers
    a, b = Objective("mixed4[12]"), Objective("mean(mixed5)")
    assert Dream(layers=2 * (a - b / 4) + a - -Objective("tv") * 0.5).layers == layers
    assert Dream(layers="mixed4[12]" + 2 * a - ("0.5*mean(mixed5)" - Objective("tv") / 2)) == Dream(
        layers=layers
    )


def test_a_layer_as_such_is_what_it_always_was() -> None:
    """With the digests of older dreams."""
    for layers in ({"mixed4": 2.0}, {"mixed3[4,9]": -1.0, "mixed5": 0.5}):
        assert Dream(layers=layers).layers == layers
    assert Dream(layers={"square(mixed4)": 2}).layers == {"mixed4": 2.0}
    digest = "d13dffbe9c57d7df4deee2e241d537a7d17101d5dfe7fcc15b5bb205ea2fe4ed"
    assert Dream().digest() == digest


@pytest.mark.parametrize(
    "text",
    [
        "mixed11",
        "foo(mixed4)",
        "mixed4 mixed5",
        "mixed4*mixed5",
        "mixed4/0",
        "1/0*mixed4",
        "direction(mixed4)",
        "cosine(mixed4[1])",
        "mixed4[1:2]",
        "mean(mixed4[1:2])",
        "direction(mixed4[1:0])",
        "direction(mixed4[1:2,1:3])",
        "direction(mixed4[1:2:3])",
        "direction(mixed4[1:nan])",
        "mixed4[a]",
        "mixed4[-1]",
        "near(mixed4,1,2,3)",
        "near(mixed4,0.5,0.5)",
        "near(near(mixed4,.1,.1,.1),.2,.2,.2)",
        "masked(near(mixed4,.1,.1,.1),sky)",
        "masked(masked(mixed4,sky),sea)",
        "masked(mixed4,'sky.png')",
        "masked(mixed4,3)",
        "masked(mixed4,s\u00e4a)",
        "masked(mixed4)",
        "masked(mixed4," + "a" * 65 + ")",
        "tv",
        "-l2 - 2*tv",
        "mean(mixed4, 3)",
        "mean(layer=mixed4)",
        "f(x)[1]",
        "3",
        "",
        "mixed4 - mixed4",
        "1e999*mixed4",
        "1e7*mixed4",
        "9" * 400 + "*mixed4",
        "mixed4\0",
        "lambda: mixed4",
        "'mixed4'",
        "True*mixed4",
        "(" * 300 + "mixed4" + ")" * 300,
        "-" * 5000 + "mixed4",
        "mixed4 + " * 9000 + "mixed4",
        "mixed4\n",
        "mixed4 +\nmixed5",
    ],
)
def test_what_is_no_sum_is_told_in_one_line(text: str) -> None:
    if text == "mixed4\n":
        assert Dream(layers=text).layers == {"mixed4": 1.0}
        return
    with pytest.raises(RequestError) as error:
        Dream(layers=text)
    assert len(str(error.value)) < 300
    assert str(error.value).isprintable()


@given(st.text(string.printable, max_size=40))
@example("mixed4[")
@example("{mixed4}")
def test_any_text_is_a_sum_or_told_in_one_line(text: str) -> None:
    for layers in (text, {text: 1.0}):
        told = ""
        try:
            Dream(layers=layers)
        except RequestError as error:
            told = str(error)
        assert len(told) < 400
        assert told.isprintable()


def test_a_key_is_one_term() -> None:
    for text in ("2*mixed4", "mixed4 + mixed5", "mean(mixed4) - mean(mixed4)"):
        with pytest.raises(RequestError, match="single term"):
            Dream(layers={text: 1.0})


def test_terms_are_told_in_words() -> None:
    told = {
        "mixed4": "the mean square of mixed4",
        "mean(mixed4[3,12])": "the mean of channels 3, 12 of mixed4",
        "cosine(mixed4[12:1,40:-0.5])": "the mean cosine of mixed4 with 12:1 40:-0.5",
        "near(mixed4[3],0.5,0.25,0.1)": "the mean square of channel 3 of mixed4, within 10 % of "
        "the longer side around 50 % across and 25 % down",
        "masked(mean(mixed4),sky)": "the mean of mixed4, where the mask sky is white",
        "near(tv,0.5,0.5,0.25)": "the total variation of the picture, within 25 % of the longer "
        "side around 50 % across and 50 % down",
        "tv": "the total variation of the picture",
    }
    for text, words in told.items():
        assert next(iter(parse_sum(text))).describe() == words
