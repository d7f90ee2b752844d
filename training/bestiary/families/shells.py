"""Shells and coral."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.bestiary.fields import COLUMNS, ROWS, blended, paint
from training.bestiary.light import Field, swell
from training.bestiary.palette import mixed, shaded
from training.bestiary.pen import UNIT, Pen
from training.bestiary.pigments import BROWN, CORAL, CREAM, PEARL, PINK, RUST, SAND
from training.bestiary.registry import family
from training.bestiary.shapes import band, blade, rotated
from training.bestiary.tints import tinted

__all__ = ["Field", "ammonite", "coral", "nautilus", "scallop", "snail_shell"]


@dataclass(frozen=True)
class _Coil:
    """A shell's spiral seen from its side, as fields over the layer."""

    across: Field
    """from 0 at the inner to 1 at the outer wall of the whorl"""
    along: Field
    """the angle (radians) along the whorls, from 0 at the mouth inwards"""
    light: Field
    """how much a tube would be lit there, about 0 to 1"""
    opacity: Field
    """0 to 1"""

    @classmethod
    def of(cls, pen: Pen, growth: float, turns: float, lip: float) -> _Coil:
        """`growth` is by how much the shell widens in a turn, `lip` how far its mouth curves."""
        rate = math.log(growth) / (2 * math.pi)
        start = pen.between(0, 2 * math.pi)
        # The middle of the box around the shell, whose axis lies nearer to the far side.
        far = math.exp(-rate * math.pi)
        size = 2 / (1 + far) * 0.97
        shift = (1 - far) / 2 * size
        x, y = COLUMNS + shift * math.cos(start), ROWS + shift * math.sin(start)
        out = np.maximum(np.sqrt(x * x + y * y), 1e-4)
        bow = np.minimum(out / size, 1)
        angle = np.arctan2(y, x) - start - lip * np.sin(math.pi * (2 * bow - 1).clip(0, 1))
        turned = np.mod(angle, 2 * math.pi)
        place = (np.log(size / out) / rate - turned) / (2 * math.pi)
        whorl = np.floor(place)
        across = 1 - (place - whorl)
        along = turned + 2 * math.pi * whorl
        wall = size * np.exp(-rate * turned)
        opacity = np.clip((wall - out) * UNIT + 0.5, 0, 1) * (along < 2 * math.pi * turns + 20)
        slope = 2 * across - 1
        facing = -(x * 0.6 + y * 0.8) / out
        light = 0.62 * np.sqrt(np.maximum(0, 1 - slope**2)) + 0.45 * slope * facing + 0.18
        return cls(across, along, light.clip(0, 1.1), opacity)


@family("shells")
def nautilus(pen: Pen) -> None:
    """A nautilus cut in half: a spiral of pearly chambers behind curved walls."""
    coil = _Coil.of(pen, pen.between(2.7, 3.4), 3, pen.between(-0.2, 0.35))
    wall = tinted(pen, RUST, BROWN, (70.0, 45.0, 40.0))
    pearl = tinted(pen, CREAM, PEARL, SAND)
    deep = shaded(tinted(pen, RUST, BROWN, (190.0, 95.0, 110.0), (70.0, 90.0, 130.0)), -0.45)
    count = pen.between(13, 18)  # in a turn
    bow = pen.between(0.7, 1.1)
    step = coil.along * count / (2 * math.pi) + bow * np.sin(math.pi * coil.across)
    phase = step - np.floor(step)
    body = coil.along < pen.between(0.7, 1.2)
    septum = np.where(body, 0, (phase < 0.16) * 1.0)
    shell = np.maximum((coil.across > 0.9) * 1.0, (coil.across < 0.05) * 1.0)
    hollow = np.where(body, 0.85 - 1.1 * coil.across, 1.25 * (phase - 0.16))
    hollow = hollow + 0.35 * (1 - np.sin(math.pi * coil.across))
    colors = blended(shaded(pearl, 0.25), deep, hollow)
    colors = np.where(septum[..., None] > 0, np.array(shaded(pearl, 0.55), np.float32), colors)
    edge = np.where((phase > 0.9) & ~body, 0.3, 1.0)
    colors = colors * edge[..., None]
    rim = blended(wall, shaded(wall, 0.5), coil.light - 0.2)
    if pen.chance(0.5):
        stripes = np.sin(coil.along * pen.count(6, 10)) > 0
        rim = np.where(stripes[..., None], rim, np.array(shaded(pearl, 0.2), np.float32))
    colors = np.where(shell[..., None] > 0, rim, colors * (0.75 + 0.3 * coil.light[..., None]))
    paint(pen, colors, coil.opacity)


@family("shells")
def snail_shell(pen: Pen) -> None:
    """A snail's shell: few round whorls with bands and fine lines of growth."""
    coil = _Coil.of(pen, pen.between(1.75, 2.3), 4, pen.between(0.1, 0.5))
    ground = tinted(pen, CREAM, SAND, (240.0, 205.0, 90.0), PINK, (175.0, 130.0, 85.0))
    bands = pen.pick((shaded(ground, -0.6), BROWN, shaded(pen.palette[1], -0.4)))
    count, phase = pen.pick((0, 1, 1, 2, 2, 3)), pen.between(0.2, 0.8)
    share = np.zeros_like(coil.across)
    for number in range(count):
        at = (number + phase) / count
        share = np.maximum(share, (np.abs(coil.across - at) < pen.between(0.05, 0.14)) * 0.9)
    lines = pen.count(18, 40)
    growth = np.sin(coil.along * lines + 2 * coil.across)
    if not count:
        share = 0.35 + 0.45 * growth * (pen.between(0.5, 1))
    colors = blended(ground, bands, share)
    light = coil.light * (1 + 0.1 * growth) * np.where(coil.across < 0.06, 0.35, 1)
    mouth = coil.along < pen.between(0.12, 0.25)
    colors = np.where(mouth[..., None], np.array(shaded(ground, 0.5), np.float32), colors)
    colors = colors * (0.22 + 0.95 * light[..., None])
    colors += 110 * np.maximum(0, light - 0.82)[..., None]
    colors *= np.where(coil.across > 0.97, 0.45, 1)[..., None]
    paint(pen, colors, coil.opacity)


@family("shells")
def ammonite(pen: Pen) -> None:
    """A fossil coil: many narrow whorls crossed by strong ribs."""
    coil = _Coil.of(pen, pen.between(1.5, 1.8), 6, 0)
    stone = tinted(pen, SAND, BROWN, (150.0, 145.0, 135.0), (190.0, 150.0, 80.0), share=0.75)
    shine = pen.pick((shaded(stone, 0.4), CREAM, shaded(pen.palette[1], 0.3)))
    ribs, lean = pen.count(18, 32), pen.between(0.6, 1.8) * pen.pick((-1, 1))
    wave = np.sin(ribs * coil.along + lean * (2 * coil.across - 1) ** 2 * 2)
    if ribs < 25 and pen.chance(0.5):
        # Towards the outer wall each rib forks in two.
        forked = np.sin(2 * ribs * coil.along + 2 * lean * coil.across)
        wave = np.where(coil.across > 0.55, forked, wave)
    rib = 0.5 + 0.5 * wave
    colors = blended(shaded(stone, -0.35), shine, rib * coil.light)
    light = coil.light * (0.45 + 0.7 * rib) * np.where(coil.across < 0.1, 0.25, 1)
    light = (0.12 + 1.15 * light) * np.where(coil.across > 0.965, 0.4, 1)
    paint(pen, colors * light[..., None], coil.opacity)


@family("shells")
def scallop(pen: Pen) -> None:
    """A fan of ribs from a hinge with two ears, in bands of growth."""
    color = tinted(pen, CORAL, PINK, CREAM, SAND, RUST, (190.0, 120.0, 200.0))
    second = pen.pick((shaded(color, 0.5), shaded(color, -0.35), pen.palette[1], CREAM))
    spread = pen.between(0.95, 1.2)
    ribs = pen.count(8, 14)
    hinge = 0.88
    x, y = COLUMNS, hinge - ROWS
    out, angle = np.sqrt(x * x + y * y), np.arctan2(x, np.maximum(y, 1e-4))
    place = angle / spread
    rib = np.cos(ribs * math.pi * place) * 0.5 + 0.5
    reach = (1.78 + 0.08 * rib) * np.cos(np.clip(place, -1, 1) * pen.between(0.95, 1.15)) ** 0.8
    inside = np.clip((reach - out) * UNIT, 0, 1) * np.clip((1 - abs(place)) * out * UNIT, 0, 1)
    inside *= y > 0
    t = out / reach
    ears = tinted(pen, color)
    for side in (-1, 1):
        ear = np.array(
            [(0, hinge + 0.06), (side * 0.42, hinge), (side * 0.34, hinge - 0.3), (0, 0.5)]
        )
        pen.polygon(ear * (1.06, 1.0), shaded(ears, -0.7))
        pen.polygon(ear, shaded(ears, -0.15 if side > 0 else 0.15))
        for share in (0.3, 0.55, 0.8):
            line = [(side * 0.4 * share, hinge), (side * 0.3 * share, hinge - 0.28)]
            pen.line(line, shaded(ears, -0.45), 1)
    bands = 0.5 + 0.5 * np.sin(t ** pen.between(1, 2) * pen.between(12, 30) + pen.between(0, 6))
    share = bands if pen.chance(0.6) else t**2
    colors: Field = blended(color, second, share)
    tilt = np.sin(ribs * math.pi * place)
    light = 0.3 + 0.62 * rib**0.8 - 0.22 * tilt - 0.12 * place
    light *= 0.8 + 0.3 * np.sin(math.pi * t.clip(0, 1)) - 0.12 * (np.sin(t * 60) > 0.75)
    light *= np.where((t > 0.97) | (np.abs(place) > 0.97), 0.45, 1)
    colors = colors * light[..., None].clip(0.1, 1.2) + 60 * np.maximum(0, light - 0.85)[..., None]
    paint(pen, colors, inside)


@family("shells")
def coral(pen: Pen) -> None:
    """Branching coral: thick forking arms with round tips, often dotted with polyps."""
    color = tinted(pen, CORAL, (225.0, 40.0, 60.0), PINK, (250.0, 160.0, 50.0), CREAM)
    tip = pen.pick((shaded(color, 0.5), CREAM, shaded(color, -0.3)))
    arms: list[tuple[NDArray[np.float64], float, float, int]] = []

    def grow(foot: NDArray[np.float64], angle: float, length: float, width: float, at: int) -> None:
        t = np.linspace(0, 1, 6)[:, None]
        bend = pen.between(-0.5, 0.5)
        way = np.array([[math.cos(angle + bend * s), math.sin(angle + bend * s)] for s in t[:, 0]])
        path = foot + length * t * way
        thin = width * 0.82
        arms.append((path, width, thin, at))
        if at == deep:
            return
        for side in (-1, 1) if pen.chance(0.85) else (-1, 0, 1):
            turned = angle + bend + side * pen.between(0.3, 0.62)
            # Arms grow rather up than down or out of the picture.
            turned += 0.25 * math.copysign(min(1.0, abs(path[-1][0])), -math.cos(turned))
            grow(path[-1], turned, length * pen.between(0.68, 0.85), thin, at + 1)

    fan = pen.count(2, 3)
    deep, thick = (4, pen.between(0.11, 0.15)) if fan == 2 else (3, pen.between(0.13, 0.17))
    for number in range(fan):
        angle = -math.pi / 2 + (number - (fan - 1) / 2) * 0.7
        grow(np.array([0.0, 0.0]), angle, pen.between(0.42, 0.55), thick, 1)
    # However it grew, it fills the picture.
    points = np.concatenate([path for path, *_ in arms])
    low, high = points.min(0), points.max(0)
    scale = 1.75 / (high - low)
    arms = [((path - (low + high) / 2) * scale, *rest) for path, *rest in arms]
    body = pen.another()
    for path, width, thin, at in arms:
        tone = mixed(color, tip, 0.3 * (at - 1))
        outline = band(path, np.linspace(width, thin, len(path)))
        x, y = path[-1]
        pen.line(outline, shaded(color, -0.8), 5, closed=True)
        pen.disc(x, y, thin + 0.028, shaded(color, -0.8))
        body.polygon(outline, tone)
        body.disc(x, y, thin, tone)
    swell(body.layer)
    pen.paste(body.layer)
    dots = pen.pick(("none", "polyps", "pits"))
    if dots == "none":
        return
    for path, width, _, _ in arms:
        for x, y in path[1::2]:
            dx, dy = pen.between(-0.5, 0.5) * width, pen.between(-0.5, 0.5) * width
            if dots == "polyps":
                star = rotated(blade(0.05, 0.02), pen.between(0, 6)) + (x + dx, y + dy)
                pen.polygon(star, shaded(tip, 0.6))
            pen.disc(x + dx, y + dy, 0.016, shaded(color, 0.6 if dots == "polyps" else -0.5))
