"""Paint `lake.png`: a mountain lake that no camera saw, for a dream to start from.

`--sky sky.png` writes a mask beside it, white where the sky is.

A small renderer of landscapes: eroded fractal mountains, a forest of points, clouds marched
through as a volume, and water that mirrors it all. Lengths are metres, x to the right, z away
from the camera and heights above the lake; colours are linear light, RGB. A ray has two
slopes, x/z and height/z, so every column of the picture is one vertical plane of the world.

    python examples/lake.py [OUTPUT] [--width 900] [--height 600] [--seed 7] [--sky MASK]
"""

import argparse
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

EYE = 4.5  # height of the camera
FOCAL, HORIZON = 1.12, 0.585  # in heights of the picture
OVERSAMPLING = 2
FAINT, STEP = 9.5, 9  # of 255: the texture to drop, the steps of all but the sky
NEAR, FAR, DEPTHS = 9.0, 13000.0, 2200  # the planes that rays are followed through
CELL, LEFT, BOTTOM = 8.0, -7168.0, -400.0  # the grid of the map
MAP_SHAPE = (1520, 1792)
SUN = np.array([-0.78, 0.46, -0.42]) / np.linalg.norm([-0.78, 0.46, -0.42])
SUNLIGHT = np.array([3.3, 2.75, 2.1])
SKYLIGHT = np.array([0.36, 0.47, 0.66])
HAZE = np.array([0.66, 0.74, 0.84])
CLOUD_BASE, CLOUD_TOP = 1500.0, 2900.0
FOREST = (  # nearest, farthest, how many trees, points for each
    (1300, 4000, 60000, 14),
    (500, 1300, 18000, 90),
    (150, 500, 5000, 700),
)
# fmt: off
SPRUCES = np.array([  # x, z and height of each on the near bank
    (-24, 42, 15), (-27, 46, 17), (-20.5, 40, 11), (-31, 48, 14), (-22, 36, 16.5),
    (-18, 33.5, 12), (-15.2, 30, 9.5), (-19.5, 30, 15), (-14.4, 26.5, 5), (-12.6, 24, 2.6),
    (-17, 26, 13), (-29, 42, 18), (-16.5, 29.5, 3.5), (-13.3, 23, 1.6),
])
# fmt: on
SHALLOWS = 120.0  # how far the near bank may reach
CUTTING = 0.03  # how readily rivers cut, for summits of HIGHEST
HIGHEST = 1900.0
SUMMITS = (  # how hard the land rises, x, z, spread in x and z
    (1500, 1500, 6300, 1500, 1500),
    (1150, -900, 8200, 1500, 1300),
    (1050, -3300, 5200, 1500, 1700),
    (900, 4300, 5200, 1400, 1700),
    (500, -1900, 2700, 800, 1100),
    (520, 2500, 3000, 850, 900),
)


def smoothstep(low, high, x):
    """Rise from 0 at `low` to 1 at `high`, level at both ends."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class Noise:
    """Gradient noise over the plane, about -1 to 1, with features of size one."""

    def __init__(self, rng):
        angle = rng.uniform(0, 2 * np.pi, (256, 256))
        self.along = np.float32(np.cos(angle)).ravel()
        self.across = np.float32(np.sin(angle)).ravel()

    def __call__(self, x, y):
        """Noise at each point, single precision."""
        x, y = np.broadcast_arrays(np.float32(x), np.float32(y))
        i, j = np.floor(x), np.floor(y)
        x, y = x - i, y - j
        i, j = i.astype(np.int32), j.astype(np.int32)
        u, v = (t * t * t * (t * (t * 6 - 15) + 10) for t in (x, y))

        def corner(di, dj):
            at = ((i + di) & 255) * 256 + ((j + dj) & 255)
            return self.along[at] * (x - di) + self.across[at] * (y - dj)

        near = corner(0, 0) * (1 - u) + corner(1, 0) * u
        far = corner(0, 1) * (1 - u) + corner(1, 1) * u
        return 1.5 * (near * (1 - v) + far * v)

    def fractal(self, x, y, octaves, gain=0.5):
        """Sum `octaves`, each turned, so that no axis of the lattice shows."""
        total, weight = 0, 1.0
        for _ in range(octaves):
            total = total + weight * self(x, y)
            x, y, weight = 1.6 * x - 1.2 * y + 17.3, 1.2 * x + 1.6 * y + 5.1, weight * gain
        return total

    def ridged(self, x, y, octaves):
        """Ridged multifractal, 0 to about 1.5: crests are rough and valleys smooth."""
        total, weight, keep = 0, 1.0, 1.0
        for _ in range(octaves):
            crest = (1 - np.abs(self(x, y))) ** 2 * keep
            total, keep = total + weight * crest, np.clip(1.6 * crest, 0, 1)
            x, y, weight = 1.6 * x - 1.2 * y + 17.3, 1.2 * x + 1.6 * y + 5.1, weight * 0.5
        return total


def downhill(heights, cell, rng):
    """Where the rain on each point flows: the flat index of a lower neighbour, and how far.

    Chance has a say, or all valleys would run along the eight directions of the grid.
    """
    rows, columns = heights.shape
    padded = np.pad(heights, 1, constant_values=np.inf)
    index = np.arange(heights.size).reshape(heights.shape)
    target, steepest, length = index.copy(), np.zeros_like(heights), np.full_like(heights, cell)
    for dz, dx in ((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b):
        step = cell * np.hypot(dz, dx)
        slope = (heights - padded[1 + dz : 1 + dz + rows, 1 + dx : 1 + dx + columns]) / step
        slope = slope * rng.uniform(0.4, 1, heights.shape).astype(np.float32)
        better = slope > steepest
        steepest[better], length[better] = slope[better], step
        target[better] = (index + dz * columns + dx)[better]
    return target.ravel(), length.ravel()


def erode(heights, uplift, cell, steps, rng):
    """Raise the land by `uplift` a step and let its rivers cut it down (the stream power law).

    Both sums along the rivers, of water downstream and of height upstream, are taken by
    doubling: after k rounds each point knows of those 2**k points away.
    """
    sea = uplift <= 0
    for _ in range(steps):
        target, length = downhill(heights, cell, rng)
        target[sea.ravel()] = np.flatnonzero(sea)
        mouth = target == np.arange(heights.size)
        water, flow, done = np.full(heights.size, cell * cell), target, mouth
        for _ in range(9):
            water = water + np.bincount(flow[~done], water[~done], heights.size)
            flow, done = flow[flow], done | done[flow]
        cut = np.where(mouth, 0, CUTTING * np.sqrt(water) / length)
        keep, add = cut / (1 + cut), (heights + uplift).ravel() / (1 + cut)
        for _ in range(9):
            keep, add, target = keep * keep[target], add + keep * add[target], target[target]
        heights = add.reshape(heights.shape)
    return heights


def mountains(rng, noise):
    """Return the map's heights, shape MAP_SHAPE."""
    heights = 0
    for scale, steps in ((16, 150), (8, 50), (4, 16), (2, 5)):
        cell = CELL * scale
        z = (BOTTOM + cell * (0.5 + np.arange(MAP_SHAPE[0] // scale)))[:, None]
        x = (LEFT + cell * (0.5 + np.arange(MAP_SHAPE[1] // scale)))[None]
        wx = x + 300 * noise.fractal(x / 1900, z / 1900, 5)
        wz = z + 300 * noise.fractal(x / 1900 + 40, z / 1900, 5)
        # the lake: a winding trough that ends in the valley below the highest summit
        centre = 0.03 * z + 110 * np.sin(z / 520 + 0.6)
        width = 300 + 0.2 * z - 1500 * smoothstep(1500, 3400, z)
        shore = np.abs(x - centre) - width + 130 * noise.fractal(x / 420, z / 420, 5)
        summits = sum(
            high * np.exp(-(np.hypot((wx - px) / sx, (wz - pz) / sz) ** 1.5))
            for high, px, pz, sx, sz in SUMMITS
        )
        inland = smoothstep(0, 1400, shore)
        uplift = np.where(shore > 0, 2 + inland * (4.5 + 0.013 * summits), 0)
        uplift[[0, -1]] = uplift[:, [0, -1]] = 0
        if scale == 16:
            heights = np.where(shore > 0, 1 + noise.fractal(x / 500, z / 500, 6), 0)
        else:
            heights = ndimage.zoom(heights, 2, order=1, grid_mode=True, mode="nearest")
            heights = heights + cell * 0.12 * noise.fractal(x / cell / 4, z / cell / 4, 2)
            heights = np.where(shore > 0, np.maximum(heights, 0.2), 0)
        heights = erode(heights, uplift, cell, steps, rng)
    heights = heights * (HIGHEST / heights.max())
    crag = noise.ridged(x / 380, z / 380, 5) - 0.7
    heights = heights + smoothstep(450, 1200, heights) * 85 * crag + np.clip(0.1 * shore, -30, 0)
    heights = ndimage.zoom(heights, 2, order=3, grid_mode=True, mode="nearest")
    return heights.astype(np.float32)


@dataclass
class View:
    """The rays of a picture's columns and rows, and the land sampled along them.

    `heights`, `slope_x`, `slope_z`: the land at `depths` (D) on each column (W), shape (D, W).
    """

    columns: np.ndarray  # x/z of each column, shape (W,)
    rows: np.ndarray  # height/z of each row from the top, shape (H,)
    depths: np.ndarray
    heights: np.ndarray
    slope_x: np.ndarray
    slope_z: np.ndarray

    @classmethod
    def over(cls, land, noise, rng, width, height):
        """Sample the map `land`, and the bank that is too fine for it, for a picture's rays."""
        columns = ((np.arange(width) + 0.5 - width / 2) / (FOCAL * height)).astype(np.float32)
        rows = ((HORIZON * height - np.arange(height) - 0.5) / (FOCAL * height)).astype(np.float32)
        depths = np.geomspace(NEAR, FAR, DEPTHS).astype(np.float32)
        z, x = depths[:, None], depths[:, None] * columns
        heights = lookup(land, *on_map(x, z))
        dry = heights > 0
        rough = (2.2 * smoothstep(0, 60, heights) * np.minimum(z / 900, 5))[dry]
        heights[dry] += rough * noise.fractal(x[dry] / 45, (z + 0 * x)[dry] / 45, 3)
        near = np.searchsorted(depths, SHALLOWS)
        heights[:near] = np.maximum(heights[:near], bank(x[:near], z[:near], noise, rng))
        along, across = np.gradient(heights, depths, columns)
        slope_x = across / z
        return cls(columns, rows, depths, heights, slope_x, along - columns * slope_x)

    def cast(self, mirrored=False):
        """How far along the depths each ray meets land, as an index, shape (H, W); D for none.

        `mirrored` asks it of the rays that the still water throws back, which come as if from
        an eye below the water.
        """
        heights, rows, eye = self.heights, self.rows, -EYE
        if mirrored:
            near = np.searchsorted(self.depths, SHALLOWS)
            heights, rows, eye = np.where(heights < 0, -1e4, heights), -rows, EYE
            heights[:near] = -1e4
        crest = np.maximum.accumulate((heights + eye) / self.depths[:, None], axis=0)
        hits = np.empty((len(rows), len(self.columns)), np.float32)
        for i in range(len(self.columns)):
            after = np.searchsorted(crest[:, i], rows)
            low = crest[np.clip(after - 1, 0, DEPTHS - 1), i]
            high = crest[np.clip(after, 0, DEPTHS - 1), i]
            hits[:, i] = after - 1 + np.clip((rows - low) / np.maximum(high - low, 1e-9), 0, 1)
            hits[after == DEPTHS, i] = DEPTHS
        if mirrored:  # the near bank stands before the water as well as behind it
            for k in range(near, 1, -3):
                first = np.searchsorted(rows, EYE / self.depths[k])
                ray = rows[first:, None] * self.depths[k] - EYE
                hits[first:][self.heights[k] >= ray] = k
        return hits


def lookup(values, *at):
    """Values between the points of a grid, the edge's beyond it."""
    at = np.broadcast_arrays(*at)
    return ndimage.map_coordinates(values, at, np.float32, order=1, mode="nearest")


def shoreline(x):
    """Depth at which the near bank meets the water."""
    return 12.5 + np.where(x < 2, 42 * np.tanh(0.0018 * (x - 2) ** 2), -0.12 * (x - 2))


def bank(x, z, noise, rng):
    """Heights of the near bank and its boulders, the lake bed further out; shape of `x`."""
    edge = shoreline(x) + 3 * noise.fractal(x / 9, z / 20, 4)
    heights = np.clip(0.10 * (edge - z), -3, 2.5) + 0.06 * noise.fractal(x / 0.9, z / 0.9, 5)
    columns = x[0] / z[0, 0]
    for _ in range(420):
        cx = rng.normal(-3, 14)
        cz = shoreline(cx) + rng.normal(-0.5, 3)
        size = min(0.16 * (1 + rng.pareto(1.9)), 1.5)
        # a boulder is what some planes leave standing
        turn = (np.arange(9) + rng.uniform(-0.4, 0.4, 9)) * 2 * np.pi / 9
        steep, base = rng.uniform(0.7, 2.6, 9), rng.uniform(0.6, 1.6, 9)
        k0, k1 = np.searchsorted(z[:, 0], (cz - 3 * size, cz + 3 * size))
        if k0 == k1:
            continue
        i0, i1 = np.searchsorted(columns, (cx - np.array([3, -3]) * size) / cz)
        part = np.s_[k0:k1, i0:i1]
        dx, dz = (x[part] - cx) / size, (z[k0:k1] - cz) / size
        rough = 0.22 * noise.fractal(0.8 * dx + cx, 0.8 * dz + cz, 5)
        top = rng.uniform(0.3, 0.7) + rng.uniform(-0.3, 0.3) * dx + 0.6 * rough
        for angle, fall, start in zip(turn, steep, base, strict=True):
            top = np.minimum(top, start + rough - fall * (np.cos(angle) * dx + np.sin(angle) * dz))
        ground = np.clip(0.10 * (shoreline(cx) - cz), -0.5, 2.5)
        heights[part] = np.maximum(heights[part], ground + size * (top - 0.25))
    return heights


def shadows(land):
    """How much of the sun each point of the map sees, 0 to 1."""
    coarse, cell = land[::2, ::2], 2 * CELL
    light = np.ones_like(coarse)
    side = np.hypot(SUN[0], SUN[2])
    for k in range(2, 160, 2):
        dz, dx = round(-k * SUN[2] / side), round(-k * SUN[0] / side)
        moved = np.roll(coarse, (dz, dx), (0, 1))
        over = moved - coarse - k * cell * SUN[1] / side
        light = np.minimum(light, smoothstep(8 + 0.8 * k, -8 - 0.3 * k, over))
    light = ndimage.gaussian_filter(light, 1)
    return ndimage.zoom(light, 2, order=1, grid_mode=True, mode="nearest")


def clouds(rng, columns, rows):
    """Light of cumulus along rays, shape (H, W, 3), and the share of the sky left, (H, W)."""
    texture = billows(rng)

    def density(x, y, z, fine=True):
        def tile(size, at):
            at = [np.float32(p * len(texture) / size) for p in at]
            return ndimage.map_coordinates(texture, at, np.float32, order=1, mode="grid-wrap")

        lift = (y - CLOUD_BASE) / (CLOUD_TOP - CLOUD_BASE)
        body = smoothstep(0, 0.12, lift) * (1 - np.clip(lift, 0, 1) ** 1.5)
        shape = tile(9000, (x, y, z)) * 0.6 + tile(3900, (x + 500, y, z)) * 0.4
        shape = shape * body**0.5 - 0.50
        shape = shape - (0.20 * (1 - tile(830, (x, y, z))) if fine else 0.07)
        return np.clip(shape * 9, 0, 1)

    slope, side = np.meshgrid(rows, columns, indexing="ij")
    left, light = np.ones(slope.shape, np.float32), np.zeros((*slope.shape, 3), np.float32)
    start, stop = CLOUD_BASE / slope, CLOUD_TOP / slope
    steps = 44
    jitter = rng.uniform(0, 1, slope.shape)
    for k in range(steps):
        z = start + (stop - start) * (k + jitter) / steps
        x, y = side * z, slope * z
        thick = density(x, y, z)
        on = (thick > 0) & (left > 0.02)
        if not on.any():
            continue
        x, y, z, thick = x[on], y[on], z[on], thick[on]
        above = sum(
            w * density(x + SUN[0] * d, y + SUN[1] * d, z + SUN[2] * d, fine=d < 100)
            for d, w in ((60, 90), (180, 150), (420, 300))
        )
        lift = np.clip((y - CLOUD_BASE) / (CLOUD_TOP - CLOUD_BASE), 0, 1)
        glow = 0.75 * np.exp(-above / 110) + 0.25 * np.exp(-above / 450)
        lit = tint(SUNLIGHT * 0.42, glow) + tint((0.40, 0.48, 0.60), 0.6 + 0.5 * lift)
        clear = np.exp(-thick * (stop - start)[on] / steps / 90)
        lit = veil(lit, z * 0.8, y)
        light[on] += (left[on] * (1 - clear))[:, None] * lit
        left[on] *= clear
    return ndimage.gaussian_filter(light, (1, 1, 0)), ndimage.gaussian_filter(left, 1)


def billows(rng, size=64):
    """A cube of round lumps on lumps, 0 to 1, that tiles in all directions."""
    points = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), -1) / size
    total = 0
    for weight, count in ((0.55, 4), (0.3, 8), (0.15, 16)):
        corners = np.stack(np.meshgrid(*[np.arange(count)] * 3), -1).reshape(-1, 3)
        seeds = (corners + rng.uniform(0, 1, corners.shape)) / count
        distance, _ = cKDTree(seeds % 1, boxsize=1).query(points)
        total = total + weight * np.clip(1 - distance * count, 0, 1)
    low, high = np.percentile(total, (1, 99))
    return np.float32(np.clip((total - low) / (high - low), 0, 1))


def heaven(rng, columns, rows):
    """The sky along rays above the horizon, shape (H, W, 3)."""
    across, up = np.linspace(-0.95, 0.95, 760), np.linspace(0.012, 0.66, 300)
    light, left = clouds(rng, across, up)
    row = (rows[:, None] - up[0]) / (up[1] - up[0])
    column = (columns - across[0]) / (across[1] - across[0])
    light = np.stack([lookup(light[..., c], row, column) for c in range(3)], -1)
    left = lookup(left, row, column)
    height = np.clip(rows, 0, None)[:, None, None]
    zenith = np.array([0.13, 0.28, 0.58])
    blue = zenith + (HAZE - zenith) * np.exp(-height / np.array([0.16, 0.2, 0.27]))
    sunward = np.exp(-height / 0.1) * np.exp(-(columns[:, None] + 0.7) / 0.6)
    warm = np.array([0.25, 0.14, 0.02]) * sunward
    shown = smoothstep(0.02, 0.12, rows)[:, None]
    left = 1 + (left - 1) * shown
    return (blue + warm) * left[..., None] + light * shown[..., None]


def paint(view, hits, light_map, open_map, noise):
    """Colour of the land at `hits`, shape (H, W, 3), and its depth, infinite for none."""
    on = hits < DEPTHS
    columns = np.nonzero(on)[1]
    k = hits[on]
    z = np.interp(k, np.arange(DEPTHS), view.depths).astype(np.float32)
    x = z * view.columns[columns]
    y, gx, gz = (lookup(v, k, columns) for v in (view.heights, view.slope_x, view.slope_z))
    colour = ground(x, y, z, gx, gz, light_map, open_map, noise)
    picture = np.zeros((*hits.shape, 3), np.float32)
    picture[on] = veil(colour, z, y)
    depth = np.full(hits.shape, np.inf, np.float32)
    depth[on] = z
    low = np.zeros(hits.shape, np.float32)
    low[on] = y
    return picture, depth, low


def ground(x, y, z, gx, gz, light_map, open_map, noise):
    """Sunlit colour of land with the slopes `gx` and `gz`."""
    up = 1 / np.sqrt(1 + gx**2 + gz**2)
    where = on_map(x, z)
    sun = np.clip((SUN[1] - gx * SUN[0] - gz * SUN[2]) * up, 0, None) * lookup(light_map, *where)
    ambient = (0.35 + 0.65 * up) * lookup(open_map, *where)
    mottle = noise.fractal(x / 160, z / 160, 4)
    fine = noise.fractal(x / 18, z / 18, 3)
    strata = noise.fractal(x / 900, (y + 0.15 * x) / 22, 3)
    rock = tint((0.155, 0.146, 0.141), (1 + 0.25 * mottle + 0.2 * fine) * (1 + 0.18 * strata))
    grass = tint((0.12, 0.125, 0.045), 1 + 0.3 * mottle + 0.15 * fine)
    forest = tint((0.029, 0.045, 0.021), 1 + 0.25 * mottle + 0.2 * fine)
    snow = tint((0.86, 0.88, 0.92), 1 + 0.03 * fine)
    gentle = up + 0.08 * mottle + 0.05 * fine
    colour = mix(rock, grass, smoothstep(0.62, 0.8, gentle) * smoothstep(1250, 850, y))
    wooded = smoothstep(640, 470, y + 130 * mottle - 60 * fine)
    colour = mix(colour, forest, smoothstep(0.45, 0.62, up + 0.1 * fine) * wooded)
    white = smoothstep(800, 1050, y + 160 * mottle + 50 * fine)
    colour = mix(colour, snow, smoothstep(0.44, 0.58, gentle + (y - 1000) / 3000) * white)
    near = z < SHALLOWS
    x, y, z = x[near], y[near], z[near]
    stone = tint((0.19, 0.175, 0.155), 1 + 0.4 * noise.fractal(x, z + y, 4))
    turf = tint((0.062, 0.070, 0.026), 1 + 0.5 * noise.fractal(x * 2 + 9, z * 2, 3))
    soil = y + 0.9 * noise.fractal(x / 3, z / 3, 3)
    green = smoothstep(0.5, 1.3, soil) * smoothstep(0.8, 0.95, up[near])
    # stones are darker where they are wet
    colour[near] = mix(stone, turf, green) * (0.4 + 0.6 * smoothstep(0.02, 0.16, y))[:, None]
    return colour * (tint(SUNLIGHT, sun) + tint(SKYLIGHT, ambient))


def on_map(x, z):
    """Row and column of the map."""
    return (z - BOTTOM) / CELL - 0.5, (x - LEFT) / CELL - 0.5


def tint(colour, strength):
    """A colour times each strength."""
    return strength[..., None] * np.float32(colour)


def mix(below, above, share):
    """Cover `share` of what is below."""
    return below + (above - below) * share[..., None]


def veil(colour, z, y):
    """Add the air between the eye and what stands at depth `z` and height `y`."""
    thick = z / 17000 * (0.45 + 0.9 * np.exp(-np.clip(y, 0, None) / 500))
    clear = np.exp(-thick[..., None] * np.float32([0.75, 1.0, 1.35]))
    return colour * clear + np.float32(HAZE) * (1 - clear)


def spruce(rng, points, boughs=230):
    """A spruce of height 1 as `points` (N, 3) and how much light each one gets."""
    start = rng.uniform(0.05, 1, boughs) ** 0.85
    angle = rng.uniform(0, 2 * np.pi, boughs)
    reach = (0.19 * (1 - start) ** 0.75 + 0.008) * rng.uniform(0.45, 1.25, boughs)
    which, out = rng.integers(0, boughs, points), rng.uniform(0, 1, points) ** 0.6
    radius = reach[which] * out
    turn = angle[which] + rng.normal(0, 0.13, points) * (1.2 - out)
    drop = reach[which] * (0.75 * out - 0.3 * out**3)
    y = start[which] - drop - np.abs(rng.normal(0, 0.007, points))
    shade = (0.2 + 0.8 * out**2) * rng.uniform(0.5, 1.3, points)
    trunk = points // 40
    radius[:trunk], shade[:trunk] = 0.006, 0.5
    y[:trunk] = rng.uniform(-0.03, 0.98, trunk)
    return np.stack([radius * np.cos(turn), y, radius * np.sin(turn)], -1), shade


def plant(land, rng):
    """Yield trees, the far ones first: x, y, z and height (T, 4), and how many points each."""
    for first, last, count, points in FOREST:
        z = np.sqrt(rng.uniform(first**2, last**2, count))
        x = rng.uniform(-0.8, 0.8, count) * z
        y = lookup(land, *on_map(x, z))
        tall = rng.uniform(9, 20, count)
        keep = (y > 1.0) & (y < rng.uniform(300, 600, count))
        yield np.stack([x, y, z, tall], -1)[keep], points
    x, z, tall = SPRUCES.T
    yield np.stack([x, np.clip(0.1 * (shoreline(x) - z), 0, 2.5) - 0.1, z, tall], -1), 60000


def grow(picture, depth, columns, rows, trees, light_map, rng, eye):
    """Draw trees into `picture` where they stand before `depth`, seen from the height `eye`."""
    scale = 1 / (rows[0] - rows[1])
    for places, points in trees:
        shape, shade = spruce(rng, points * 3)
        pick = rng.integers(0, points * 3, (len(places), points))
        turn = rng.uniform(0, 2 * np.pi, len(places))[:, None]
        c, s = np.cos(turn), np.sin(turn)
        px, py, pz = np.moveaxis(shape[pick], -1, 0)
        out = np.hypot(px, pz) + 1e-6
        px, pz = c * px - s * pz, s * px + c * pz
        facing = (px * SUN[0] + pz * SUN[2]) / out * 0.75 + 0.35
        lit = lookup(light_map, *on_map(places[:, :1], places[:, 2:3]))
        sun = np.clip(facing, 0, None) * lit
        x, y, z = (places[:, i, None] + places[:, 3, None] * p for i, p in enumerate((px, py, pz)))
        light = tint(SUNLIGHT, sun * shade[pick]) + tint(SKYLIGHT, 0.7 * shade[pick])
        vary = rng.uniform(0.8, 1.2, (len(places), 1, 1)) * np.float32([0.046, 0.062, 0.026])
        colour = veil(light * vary, z, y).reshape(-1, 3)
        x, y, z = x.ravel(), y.ravel(), z.ravel()
        order = np.argsort(-z, kind="stable")
        column = (x / z - columns[0]) * scale
        row = (rows[0] - (y - eye) / z) * scale
        size = int(np.clip(np.ceil(0.055 * scale / np.median(z)), 1, 4))
        for i in range(size * size):
            r, q = np.int32(row + i // size)[order], np.int32(column + i % size)[order]
            ok = (r >= 0) & (r < depth.shape[0]) & (q >= 0) & (q < depth.shape[1])
            ok[ok] = z[order][ok] < depth[r[ok], q[ok]] * 1.02
            picture[r[ok], q[ok]] = colour[order][ok]


def flood(picture, depth, low, mirror, view, noise):
    """Lay the lake over the land below its level, with the `mirror` image in its ripples."""
    horizon = np.searchsorted(-view.rows, 0)
    slope = -view.rows[horizon:, None]
    z = EYE / slope
    x = z * view.columns
    scale = 1 / (view.rows[0] - view.rows[1])
    blur = z * z / EYE / scale  # metres of water in one row
    breeze = smoothstep(-0.1, 0.7, noise.fractal(x / 260, z / 90, 3))
    tilt = 0
    for size, high in ((3.1, 0.010), (1.1, 0.010), (0.37, 0.008)):
        fade = 1 / (1 + (1.6 * blur / size) ** 2)
        tilt = tilt + high * fade * noise(x / size / 1.7, z / size)
    tilt = tilt * (0.5 + 0.9 * breeze)
    lift = np.abs(tilt) + 1.5 * tilt + 0.012 * breeze * smoothstep(60, 600, z)
    rows, columns = np.indices(depth[horizon:].shape, np.float32)
    rows, columns = np.clip(rows + lift * scale, 0, None), columns + 0.5 * tilt * scale * slope
    mirror = ndimage.gaussian_filter(mirror, (1.4, 0.8, 0))  # by waves too small to draw
    mirror = np.stack([lookup(mirror[horizon:, :, c], rows, columns) for c in range(3)], -1)
    facing = slope / np.sqrt(1 + slope**2)
    shine = 0.02 + 0.98 * (1 - np.clip(facing + tilt, 0, 1)) ** 5
    below = np.clip(-low[horizon:], 0, None) * (1 + 0.4 / slope)
    through = np.exp(-below[..., None] * np.float32([0.42, 0.17, 0.16]))
    water = picture[horizon:] * through * 0.8 + np.float32([0.016, 0.062, 0.070]) * (1 - through)
    wet = depth[horizon:] > z
    picture[horizon:][wet] = mix(water, mirror, shine)[wet]
    depth[horizon:] = np.minimum(depth[horizon:], z)


def landscape(width, height, seed):
    """Linear light of the whole picture, shape (height, width, 3), and which of it is sky.

    Of the sky first what the land leaves, then what the trees leave of that.
    """
    noise = Noise(np.random.default_rng(seed))
    land = mountains(np.random.default_rng(seed), noise)
    view = View.over(land, noise, np.random.default_rng(seed + 1), width, height)
    light_map = shadows(land)
    open_map = np.clip(1 + (land - ndimage.gaussian_filter(land, 12)) / 150, 0.35, 1.2)
    sky = heaven(np.random.default_rng(seed + 2), view.columns, np.abs(view.rows))
    trees = list(plant(land, np.random.default_rng(seed + 3)))

    def look(mirrored):
        picture, depth, low = paint(view, view.cast(mirrored), light_map, open_map, noise)
        return np.where(np.isinf(depth)[..., None], sky, picture).astype(np.float32), depth, low

    def draw_trees(picture, depth, rows, eye):
        rng = np.random.default_rng(seed + 4)
        grow(picture, depth, view.columns, rows, trees, light_map, rng, eye)

    mirror, depth, _ = look(mirrored=True)
    draw_trees(mirror[::-1], depth[::-1], -view.rows[::-1], -EYE)
    picture, depth, low = look(mirrored=False)
    sky = np.isinf(depth)
    flood(picture, depth, low, mirror, view, noise)
    bare = picture.copy()
    draw_trees(picture, depth, view.rows, EYE)
    return picture, sky, sky & (picture == bare).all(-1)


def develop(light):
    """Tone and grade linear light, shape (H, W, 3), into sRGB from 0 to 255."""
    height, width, _ = light.shape
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - 0.11 * (x * x + y * y)
    x = np.clip(light, 0, None) * vignette[..., None] * np.array([0.87, 0.83, 0.78])
    x = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    x = np.clip(x, 0, 1) ** (1 / 2.2)
    return 255 * (x + 0.12 * (smoothstep(0, 1, x) - x))


def halve(picture):
    """Average blocks of OVERSAMPLING x OVERSAMPLING."""
    n = OVERSAMPLING
    height, width = picture.shape[0] // n, picture.shape[1] // n
    return picture.reshape(height, n, width, n, -1).mean((1, 3))


def economise(picture, sky):
    """Round to 8 bits, (H, W, 3), with less of the detail that no eye misses but a file feels.

    Faint texture is smoothed, strong edges stay, and only the sky keeps its fine steps.
    """
    soft = ndimage.gaussian_filter(picture, (1, 1, 0))
    contrast = np.abs(picture - soft).max(-1, keepdims=True)
    contrast = ndimage.gaussian_filter(contrast, (0.6, 0.6, 0))
    crisp = soft + (picture - soft) * np.clip(contrast / FAINT - 1, 0, 1)
    step = np.where(sky, 2, STEP)
    return np.uint8(np.clip(np.rint(np.where(sky, soft, crisp) / step) * step, 0, 255))


def save_png(pixels, path):
    """Write RGB `pixels`, each less its left neighbour, which suits coarse steps best."""
    height, width, _ = pixels.shape
    rows = np.diff(pixels, axis=1, prepend=np.uint8(0)).reshape(height, -1)
    rows = np.insert(rows, 0, 1, axis=1).tobytes()

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compressobj(9, memLevel=9)
    data = packed.compress(rows) + packed.flush()
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def main():
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    beside = Path(__file__).with_suffix(".png")
    parser.add_argument("output", nargs="?", type=Path, default=beside)
    parser.add_argument("--width", type=int, default=900)
    parser.add_argument("--height", type=int, default=600)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sky", type=Path, help="where to write a mask of the sky")
    args = parser.parse_args()
    size = OVERSAMPLING * args.width, OVERSAMPLING * args.height
    light, sky, seen = landscape(*size, args.seed)
    picture, sky = halve(develop(light)), halve(sky) > 0.5
    save_png(economise(picture, sky), args.output)
    if args.sky:
        save_png(np.repeat(np.uint8(255 * halve(seen)), 3, axis=-1), args.sky)


if __name__ == "__main__":
    main()
