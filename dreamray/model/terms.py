"""What a dream amplifies: a sum of terms, each something of a layer's cells, with a weight.

    mixed4[12] + 2*mixed5 - 0.5*mean(mixed3) - 0.1*tv

A term is written as a layer (its mean square), as `KIND(LAYER)` for another of `KINDS`, as the name
of what damps the picture, or as any of these in a part of the picture: `near(TERM, X, Y, RADIUS)`,
`masked(TERM, NAME)`.
"""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief
from dreamray.model import architecture
from dreamray.model.layers import LayerChoice, number

SQUARE = "square"
GUIDE = "guide"

KINDS: Mapping[str, str] = {
    SQUARE: "the mean square of {of}",
    "mean": "the mean of {of}",
    "direction": "the mean of {of} along {direction}",
    "cosine": "the mean cosine of {of} with {direction}",
    GUIDE: "what in {of} is like the best match in the guide",
    "accent": "what in {of} is like the source's own",
    "unlike": "what in {of} is not like the source's own",
}
"""What may be made of a layer's cells, in words."""

_COMPARING = ("accent", "unlike")
"""Kinds that compare a cell with the source's."""

_MIXED = ("direction", "cosine")
"""Kinds that give channels parts in a direction, as in [12:1,40:-0.5]."""

DAMPERS: Mapping[str, str] = {
    "tv": "the total variation of the picture",
    "l2": "the mean square of the picture's distance from grey",
}
"""What may be made of the picture itself; with weights below 0 they damp."""

BORDER = 2
"""Cells at the edge of a feature map that the objective leaves out."""

_MOST_CHARACTERS = 20_000
_FORMS = (
    "a sum of at least one layer, such as mixed4[12] + 2*mixed5 - 0.5*mean(mixed3); "
    "docs/controls.md has all terms"
)


class Near(NamedTuple):
    """A square part of a picture of any size."""

    x: float
    """Its middle, as a share of the width."""
    y: float
    """As a share of the height."""
    radius: float
    """Half its side, as a share of the longer side."""


Part = Near | str
"""Where a term counts: a square, or what is white in the mask of that name."""

MASK_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
"""What a mask may be called."""


@dataclass(frozen=True)
class Scope:
    """The cells that a term counts."""

    layer: str
    part: Part | None = None
    """None for all of the picture."""
    border: int = BORDER
    """Cells at the picture's edge that are left out."""
    pairs: bool = False
    """Whether each is compared with the next ones: the picture's last row and column have none."""


@dataclass(frozen=True)
class Term:
    """One thing that a dream amplifies."""

    kind: str
    of: LayerChoice
    part: Part | None = None

    @property
    def scope(self) -> Scope:
        """Where it looks."""
        border = 0 if self.damps else BORDER
        return Scope(self.of.name, self.part, border, pairs=self.kind == "tv")

    @property
    def damps(self) -> bool:
        """Whether it looks at the picture itself, and not at what the network sees there."""
        return self.kind in DAMPERS

    @property
    def compares(self) -> bool:
        """Whether it takes what the network sees in the source."""
        return self.kind in _COMPARING

    def __str__(self) -> str:
        text = str(self.of)
        if self.damps:
            text = self.kind
        elif self.kind != SQUARE:
            text = f"{self.kind}({text})"
        if isinstance(self.part, Near):
            return f"near({text},{','.join(map(number, self.part))})"
        return text if self.part is None else f"masked({text},{self.part})"

    def describe(self) -> str:
        """In words."""
        if self.damps:
            text = DAMPERS[self.kind]
        else:
            of, mix = self.of.name, self.of.mix
            channels = [*map(str, self.of.channels or ())]
            if channels and mix is None:
                of = f"channel{'s' * (len(channels) > 1)} {', '.join(channels)} of {of}"
            parts = zip(channels, map(number, mix or ()), strict=False)
            text = KINDS[self.kind].format(of=of, direction=" ".join(map(":".join, parts)))
        if isinstance(self.part, Near):
            x, y, radius = (f"{100 * share:g} %" for share in self.part)
            return f"{text}, within {radius} of the longer side around {x} across and {y} down"
        return text if self.part is None else f"{text}, where the mask {self.part} is white"

    @classmethod
    def parse(cls, text: str) -> Term:
        """Read one term. Raises RequestError."""
        if any(character in text for character in "(*+") or text.strip() in DAMPERS:
            terms = parse_sum(text)
            if [*terms.values()] != [1.0]:
                raise RequestError(f"layer {brief(text)} is no single term; allowed: {_FORMS}")
            return next(iter(terms))
        return _of_kind(SQUARE, text)


class Objective:
    """A weighted sum of terms: what a dream's `layers` may be made of.

    `Objective("mixed4[12]") + 2 * Objective("mixed5") - "0.5*mean(mixed3)"` is the same as the
    whole as one text. Raises RequestError for what is none.
    """

    def __init__(self, text: str | Mapping[str, float]) -> None:
        if isinstance(text, str):
            self._terms = parse_sum(text)
        else:
            self._terms = {Term.parse(one): weight for one, weight in text.items()}

    @property
    def layers(self) -> dict[str, float]:
        """As `Dream.layers` has it."""
        return {str(term): weight for term, weight in self._terms.items()}

    def __add__(self, other: Objective | str) -> Objective:
        return self._of(_added(self._terms, _as_objective(other)._terms))

    def __radd__(self, other: str) -> Objective:
        return _as_objective(other) + self

    def __sub__(self, other: Objective | str) -> Objective:
        return self + -1 * _as_objective(other)

    def __rsub__(self, other: str) -> Objective:
        return _as_objective(other) - self

    def __mul__(self, factor: float) -> Objective:
        return self._of(_scaled(self._terms, factor))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1 / divisor)

    def __neg__(self) -> Objective:
        return self * -1

    def __str__(self) -> str:
        return " + ".join(f"{weight:g}*{term}" for term, weight in self._terms.items())

    @staticmethod
    def _of(terms: _Terms) -> Objective:
        made = Objective({})
        made._terms = terms
        return made


def parts_of(terms: Iterable[Term]) -> tuple[Part, ...]:
    """The parts of the picture that terms look at, each once."""
    return tuple(dict.fromkeys(term.part for term in terms if term.part is not None))


def check_layers(layers: Mapping[str, float]) -> dict[str, float]:
    """Terms with their weights in the network's order, each in its canonical spelling.

    Raises RequestError for a layer that InceptionV3 does not have or a term that is there twice,
    and for a weight that is 0, not finite or beyond a million; also where nothing is amplified.
    """
    chosen: dict[Term, float] = {}
    for text, weight in layers.items():
        term = Term.parse(text)
        if term in chosen:
            raise RequestError(f"layer {term} is given twice; give it once")
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise RequestError(f"layer {term} has weight {brief(weight)}, which is no number")
        if weight == 0 or not math.isfinite(weight) or abs(weight) > 1e6:
            raise RequestError(
                f"layer {term} has weight {weight:g}; allowed: -1e6 to 1e6, but not 0"
            )
        chosen[term] = weight
    if chosen and all(term.damps for term in chosen):
        raise RequestError(f"layers: {' and '.join(map(str, chosen))} only damp; add a layer")
    if chosen and all(term.damps or term.kind == "unlike" for term in chosen):
        raise RequestError(
            f"layers: {' and '.join(map(str, chosen))} has nowhere to begin, as the source is most "
            "like itself; add a layer, such as 0.1*mixed4"
        )
    return {str(term): chosen[term] for term in sorted(chosen, key=_rank)}


def _rank(term: Term) -> tuple[object, ...]:
    order = list(architecture.LAYERS)
    kinds = [*KINDS, *DAMPERS]
    part = ("", term.part or ()) if not isinstance(term.part, str) else (term.part, ())
    return (
        order.index(term.of.name),
        kinds.index(term.kind),
        part,
        term.of.channels or (),
        term.of.mix or (),
    )


_Terms = dict[Term, float]


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[tuple[Term, float], ...]:
    if len(text) > _MOST_CHARACTERS:
        raise RequestError(f"layers: {brief(text)} is longer than {_MOST_CHARACTERS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        terms = _read_sum(tree)
    except _NoneOfOursError as error:
        raise RequestError(
            f"layers: {brief(error.part)} in {brief(text)} is not allowed; allowed: {_FORMS}"
        ) from None
    except RequestError:
        raise
    # What Python raises of texts that are none, or too deep.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RequestError(f"layers: {brief(text)} is not understood; allowed: {_FORMS}") from None
    return tuple(terms.items())


def parse_sum(text: str) -> dict[Term, float]:
    """Read a sum of weighted terms; those that are there twice are added up. RequestError."""
    return dict(_parsed(text))


class _NoneOfOursError(Exception):
    def __init__(self, node: ast.AST) -> None:
        super().__init__()
        self.part = ast.unparse(node)


def _read_sum(node: ast.expr) -> _Terms:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return _added(_read_sum(left), _read_sum(right))
        case ast.BinOp(left, ast.Sub(), right):
            return _added(_read_sum(left), _scaled(_read_sum(right), -1))
        case ast.BinOp(left, ast.Mult(), right):
            number, of = (left, right) if _is_number(left) else (right, left)
            return _scaled(_read_sum(of), _read_number(number))
        case ast.BinOp(left, ast.Div(), right):
            divisor = _read_number(right)
            if divisor == 0:
                raise _NoneOfOursError(node)
            return _scaled(_read_sum(left), 1 / divisor)
        case ast.UnaryOp(ast.USub(), operand):
            return _scaled(_read_sum(operand), -1)
        case ast.UnaryOp(ast.UAdd(), operand):
            return _read_sum(operand)
    return {_read_term(node): 1.0}


def _read_term(node: ast.expr) -> Term:
    match node:
        case ast.Name(name) if name in DAMPERS:
            return Term(name, LayerChoice(architecture.INPUT, None))
        case ast.Name() | ast.Subscript():
            return _of_kind(SQUARE, ast.unparse(node))
        case ast.Call(ast.Name("near"), [term, *place], []) if len(place) == 3:
            inner, near = _read_term(term), Near(*map(_read_number, place))
            if inner.part is not None:
                raise _NoneOfOursError(node)
            if not _is_place(near):
                raise RequestError(
                    f"layers: {brief(ast.unparse(node))}: the middle of what is near is given in "
                    "shares of width and height from 0 to 1, and half its side as a share above 0 "
                    "and up to 1, such as near(mixed4,0.5,0.3,0.1)"
                )
            return replace(inner, part=near)
        case ast.Call(ast.Name("masked"), [term, ast.Name(name)], []):
            inner = _read_term(term)
            if inner.part is not None or not MASK_NAME.fullmatch(name):
                raise _NoneOfOursError(node)
            return replace(inner, part=name)
        case ast.Call(ast.Name(kind), [layer], []) if kind in KINDS:
            return _of_kind(kind, ast.unparse(layer))
    raise _NoneOfOursError(node)


def _of_kind(kind: str, layer: str) -> Term:
    choice = LayerChoice.parse(layer)
    if kind in _MIXED and choice.mix is None:
        raise RequestError(
            f"{kind}({choice}): say which direction, as in {kind}({choice.name}[12:1,40:-0.5])"
        )
    if kind not in _MIXED and choice.mix is not None:
        raise RequestError(
            f"layer {choice}: only {' and '.join(_MIXED)} take parts of channels, as in "
            f"direction({choice})"
        )
    return Term(kind, choice)


def _is_place(near: Near) -> bool:
    return 0 <= near.x <= 1 and 0 <= near.y <= 1 and 0 < near.radius <= 1


def _is_number(node: ast.expr) -> bool:
    try:
        _read_number(node)
    except _NoneOfOursError:
        return False
    return True


def _read_number(node: ast.expr) -> float:
    match node:
        case ast.Constant(int() | float() as value) if not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                raise _NoneOfOursError(node) from None
            if math.isfinite(number):
                return number
        case ast.UnaryOp(ast.USub(), operand):
            return -_read_number(operand)
    raise _NoneOfOursError(node)


def _added(one: _Terms, other: _Terms) -> _Terms:
    terms = dict(one)
    for term, weight in other.items():
        terms[term] = terms.get(term, 0.0) + weight
    return {term: weight for term, weight in terms.items() if weight}


def _scaled(terms: _Terms, factor: float) -> _Terms:
    return {term: weight * factor for term, weight in terms.items() if weight * factor}


def _as_objective(value: Objective | str) -> Objective:
    return value if isinstance(value, Objective) else Objective(value)
