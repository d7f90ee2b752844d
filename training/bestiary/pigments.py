"""Pigments: named colours of plants and flowers, shells and stuffs, and of what is alive."""

from __future__ import annotations

from training.bestiary.palette import Color

__all__ = [
    "AUTUMN",
    "BLUE",
    "BRICK",
    "BROWN",
    "COPPER",
    "CORAL",
    "CREAM",
    "FLESH",
    "GLINT",
    "GLOW",
    "GOLD",
    "GREEN",
    "INK",
    "IVORY",
    "LIME",
    "MARBLE",
    "ORANGE",
    "PEARL",
    "PINE",
    "PINK",
    "PURPLE",
    "RED",
    "RUST",
    "SAND",
    "STEEL",
    "STONE",
    "TEAL",
    "WOOD",
    "YELLOW",
]

INK: Color = (20.0, 16.0, 18.0)
"""Outlines, pupils, holes: near black, warm."""
GLINT: Color = (252.0, 252.0, 250.0)
IVORY: Color = (246.0, 241.0, 228.0)
"""Teeth, bones, white petals and feathers."""
FLESH: Color = (222.0, 120.0, 128.0)
"""Tongues and the insides of ears."""

GREEN: Color = (75.0, 158.0, 60.0)
LIME: Color = (160.0, 200.0, 60.0)
PINE: Color = (40.0, 120.0, 70.0)
AUTUMN: tuple[Color, ...] = ((215.0, 70.0, 35.0), (235.0, 150.0, 40.0), (170.0, 40.0, 45.0))
WOOD: Color = (132.0, 85.0, 50.0)
BROWN: Color = (105.0, 65.0, 35.0)

YELLOW: Color = (250.0, 200.0, 40.0)
ORANGE: Color = (245.0, 130.0, 35.0)
RED: Color = (210.0, 38.0, 42.0)
PINK: Color = (240.0, 133.0, 170.0)
PURPLE: Color = (130.0, 60.0, 180.0)
BLUE: Color = (50.0, 110.0, 190.0)
TEAL: Color = (50.0, 150.0, 145.0)

CREAM: Color = (242.0, 229.0, 203.0)
SAND: Color = (225.0, 180.0, 125.0)
RUST: Color = (185.0, 90.0, 45.0)
PEARL: Color = (235.0, 215.0, 225.0)
CORAL: Color = (245.0, 105.0, 85.0)

GOLD: Color = (225.0, 175.0, 65.0)
STEEL: Color = (165.0, 175.0, 185.0)
COPPER: Color = (190.0, 105.0, 65.0)
STONE: Color = (205.0, 190.0, 160.0)
MARBLE: Color = (235.0, 230.0, 220.0)
BRICK: Color = (175.0, 90.0, 65.0)
GLOW: Color = (255.0, 225.0, 130.0)
"""Lit windows and lamps."""
