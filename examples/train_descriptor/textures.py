"""Procedural textures: scalar fields in [0, 1] and what gives them colour. No picture of anything real is involved."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Field = NDArray[np.float32]
Image = NDArray[np.uint8]

SIDE = 160
"""Pixels of a side of every generated image."""


def smooth(rng: Rng, cells: int) -> Field:
    """Smooth noise: a cells × cells grid of random values, interpolated; about [0, 1]."""
    grid = rng.random((cells, cells), dtype=np.float32)
    return np.clip(cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0, 1)


def _stretch(field: NDArray[np.floating]) -> Field:
    low, high = np.quantile(field[::4, ::4], (0.01, 0.99))
    return np.clip((field - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def coloured_noise(rng: Rng) -> Field:
    """Gaussian noise with a power-law spectrum, stretched in a random direction."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    turn, stretch = rng.uniform(0, np.pi), np.exp(rng.normal(0, 0.7))
    along, across = fx * np.cos(turn) + fy * np.sin(turn), fy * np.cos(turn) - fx * np.sin(turn)
    amplitude = (along**2 * stretch + across**2 / stretch + 1e-5) ** (-rng.uniform(0.6, 2.4) / 2)
    phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
    return _stretch(np.fft.irfft2(amplitude * phase, s=(SIDE, SIDE)))


def grating(rng: Rng) -> Field:
    """Stripes, checks or rings, soft or hard."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE - rng.random(2).astype(np.float32)[:, None, None]
    turn, often = rng.uniform(0, np.pi), rng.uniform(2, 24)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kind = rng.integers(4)
    if kind == 0:
        wave = np.sin(2 * np.pi * often * u)
    elif kind == 1:
        wave = np.sin(2 * np.pi * often * u) * np.sin(2 * np.pi * often * v * rng.uniform(0.4, 1.6))
    elif kind == 2:
        wave = np.sin(2 * np.pi * often * np.hypot(u, v * rng.uniform(0.5, 1)))
    else:
        wave = np.sin(rng.integers(3, 20) * np.arctan2(u, v) + rng.uniform(0, 20) * np.hypot(u, v))
    return (0.5 + 0.5 * np.clip(wave * np.exp(rng.uniform(0, 2.5)), -1, 1)).astype(np.float32)


def bricks(rng: Rng) -> Field:
    """Rows of tiles with joints, every tile of its own grey."""
    wide, high, joint = rng.integers(8, 50), rng.integers(6, 40), rng.integers(1, 4)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    row = y // high
    x = x + (row % 2) * (wide // 2) * rng.integers(2)
    tile = rng.random((SIDE // high + 1, SIDE // wide + 3), dtype=np.float32)[row, x // wide]
    return np.where((y % high < joint) | (x % wide < joint), rng.random(), 0.25 + 0.5 * tile).astype(np.float32)


def cells(rng: Rng) -> Field:
    """Voronoi cells: grey per cell, or the distance to the nearest seed."""
    seeds = np.ones((SIDE, SIDE), np.uint8)
    count = int(np.exp(rng.uniform(2.5, 6)))
    seeds[rng.integers(0, SIDE, count), rng.integers(0, SIDE, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    flat = rng.random(int(labels.max()) + 1, dtype=np.float32)[labels]
    return _stretch(distance) if rng.random() < 0.4 else flat * (1 - 0.4 * _stretch(distance))


def julia(rng: Rng) -> Field:
    """Escape times of a quadratic Julia set, near the border of the Mandelbrot set where they are rich."""
    turn = rng.uniform(0, 2 * np.pi)
    c = np.complex64((0.5 * np.exp(1j * turn) - 0.25 * np.exp(2j * turn)) * rng.uniform(1.0, 1.12))
    zoom, at = rng.uniform(0.3, 1.4), rng.uniform(-0.6, 0.6, 2)
    y, x = np.mgrid[-zoom : zoom : SIDE * 1j, -zoom : zoom : SIDE * 1j]
    z = (x + at[0] + 1j * (y + at[1])).astype(np.complex64)
    steps = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(28):
        z = z * z + c
        far = z.real**2 + z.imag**2
        steps += far < 16
        z[far > 1e6] = 1e3
    soft = steps - np.log2(np.log2(np.maximum(far, 1.1) + 1) + 1e-3).astype(np.float32) * 0.5
    return _stretch(soft)


def ifs(rng: Rng) -> Field:
    """Density of a random iterated function system: ferns, dust, curls."""
    count = int(rng.integers(2, 6))
    turn, scale = rng.uniform(-np.pi, np.pi, (2, count)), rng.uniform(0.3, 0.85, (2, count))
    shift = rng.uniform(-1, 1, (count, 2))
    a = np.stack([scale[0] * np.cos(turn[0]), -scale[1] * np.sin(turn[1])], -1)
    b = np.stack([scale[0] * np.sin(turn[0]), scale[1] * np.cos(turn[1])], -1)
    points = rng.normal(size=(1500, 2))
    seen = []
    for step in range(28):
        which = rng.integers(0, count, len(points))
        points = np.stack([(a[which] * points).sum(1), (b[which] * points).sum(1)], -1) + shift[which]
        if step > 8:
            seen.append(points)
    cloud = np.concatenate(seen)
    low, high = np.quantile(cloud, (0.01, 0.99), axis=0)
    place = ((cloud - low) / np.maximum(high - low, 1e-6) * 0.9 + 0.05) * SIDE
    density, _, _ = np.histogram2d(place[:, 1], place[:, 0], bins=SIDE, range=[[0, SIDE], [0, SIDE]])
    return _stretch(cv2.GaussianBlur(np.log1p(density).astype(np.float32), (0, 0), rng.uniform(0.5, 1.2)))


def leaves(rng: Rng) -> Field:
    """Dead leaves: overlapping discs, boxes and slivers whose sizes follow a power law."""
    canvas = np.full((SIDE, SIDE), rng.random(), np.float32)
    largest, sliver = rng.uniform(12, 60), rng.random() < 0.3
    for _ in range(int(rng.integers(60, 260))):
        radius = max(1.5, largest * rng.random() ** 2.5)
        centre = rng.uniform(0, SIDE, 2)
        grey = float(rng.random())
        if sliver:
            box = (centre.tolist(), (radius * 2, radius * rng.uniform(0.1, 0.5)), rng.uniform(0, 180))
            cv2.ellipse(canvas, box, grey, -1)
        elif rng.random() < 0.6:
            cv2.circle(canvas, centre.astype(int).tolist(), int(radius), grey, -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints((centre.tolist(), (radius * 2, radius * 1.2), rng.uniform(0, 180)))
            cv2.fillPoly(canvas, [corners.astype(np.int32)], grey, cv2.LINE_AA)
    return canvas


def strokes(rng: Rng) -> Field:
    """Grass, hair or scribble: many short strokes around one direction."""
    canvas = np.full((SIDE, SIDE), rng.uniform(0.2, 0.8), np.float32)
    turn, spread, length = rng.uniform(0, np.pi), rng.uniform(0.05, 1.5), rng.uniform(4, 40)
    count = int(rng.integers(80, 500))
    start, angle = rng.uniform(0, SIDE, (count, 2)), turn + spread * rng.normal(size=count)
    end = start + (length * np.stack([np.cos(angle), np.sin(angle)])).T
    greys, thick = rng.random(count), int(rng.integers(1, 4))
    for first, last, grey in zip(start.astype(int).tolist(), end.astype(int).tolist(), greys.tolist(), strict=True):
        cv2.line(canvas, first, last, grey, thick, cv2.LINE_AA)
    return canvas


def ramp(rng: Rng) -> Field:
    """A straight or round gradient, a little uneven."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    turn = rng.uniform(0, 2 * np.pi)
    straight = x * np.cos(turn) + y * np.sin(turn)
    field = straight if rng.random() < 0.6 else np.hypot(x - rng.random(), y - rng.random())
    return _stretch(field + rng.uniform(0, 0.5) * smooth(rng, int(rng.integers(2, 6))))


FIELDS: dict[Callable[[Rng], Field], float] = {
    coloured_noise: 0.24, grating: 0.1, bricks: 0.06, cells: 0.1, julia: 0.08, ifs: 0.08, leaves: 0.14, strokes: 0.1,
    ramp: 0.1,
}  # fmt: skip
"""Every field with the share of textures that it makes."""


def warp(image: NDArray[np.generic], rng: Rng, strength_px: float) -> NDArray[np.generic]:
    """Moves pixels along two smooth noises."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    n = int(rng.integers(3, 9))
    dx, dy = ((smooth(rng, n) - 0.5) * 2 * strength_px for _ in range(2))
    return cv2.remap(image, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def colour(rng: Rng) -> NDArray[np.float32]:
    """One RGB colour in [0, 1], mostly muted."""
    saturation, value = rng.beta(1.2, 2.0), rng.beta(1.6, 1.4)
    hsv = np.array([[[rng.uniform(0, 360), saturation, value]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]


def palette(rng: Rng) -> Image:
    """256 colours that run through two to five random ones, dark to light as often as not."""
    count = int(rng.integers(2, 6))
    colours = np.stack([colour(rng) for _ in range(count)])
    if rng.random() < 0.4:
        colours = colours.mean(0) + rng.uniform(0.2, 0.7) * (colours - colours.mean(0))
    if rng.random() < 0.5:
        colours = colours[np.argsort(colours.sum(1))]
    places = np.linspace(0, 1, count)
    run = np.stack([np.interp(np.linspace(0, 1, 256), places, colours[:, k]) for k in range(3)], -1)
    return (np.clip(run, 0, 1) * 255).astype(np.uint8)


def field(rng: Rng) -> Field:
    """A field of any kind, sometimes two mixed, sometimes warped."""
    makers, shares = list(FIELDS), list(FIELDS.values())
    found = makers[rng.choice(len(makers), p=shares)](rng)
    if rng.random() < 0.3:
        other = makers[rng.choice(len(makers), p=shares)](rng)
        mask = _stretch(np.clip((smooth(rng, 4) - 0.5) * rng.uniform(1, 20) + 0.5, 0, 1))
        found = found * (1 - mask) + other * mask if rng.random() < 0.5 else found * (0.3 + 0.7 * other)
    return warp(found, rng, rng.uniform(2, 25)) if rng.random() < 0.4 else found  # type: ignore[return-value]


def texture(rng: Rng) -> Image:
    """A coloured texture, uint8 SIDE × SIDE × 3."""
    coloured = palette(rng)[(field(rng) * 255).astype(np.uint8)]
    if rng.random() < 0.3:
        light = 0.5 + smooth(rng, int(rng.integers(2, 6)))
        coloured = np.clip(coloured * light[..., None], 0, 255).astype(np.uint8)
    return coloured
