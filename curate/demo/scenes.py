"""What lies behind, beside and before the objects: backgrounds, clutter, light, and pictures of no class."""

import math

import numpy as np
import numpy.typing as npt

from curate.demo.canvas import (
    Colour,
    Field,
    Picture,
    Rng,
    View,
    box,
    disc,
    layers,
    line,
    mix,
    oval,
    paint,
    pick,
    plane,
    polar,
    rough,
    tint,
    vary,
    whole,
)


def any_colour(rng: Rng) -> tuple[float, float, float]:
    """A colour of any hue, mostly muted."""
    grey, strength = rng.uniform(0.15, 0.85), rng.uniform(0.05, 0.45)
    r, g, b = np.clip(grey + strength * rng.normal(0, 0.7, 3), 0.02, 0.98)
    return float(r), float(g), float(b)


def _plane(view: View, rng: Rng) -> Field:
    turn = rng.uniform(0, 2 * math.pi)
    return 0.5 + 0.5 * (view.u * math.cos(turn) + view.v * math.sin(turn))


def _plain(view: View, rng: Rng) -> Picture:
    return mix(any_colour(rng), any_colour(rng), _plane(view, rng) + 0.15 * layers(rng, view, 3))


def _cloudy(view: View, rng: Rng) -> Picture:
    return mix(any_colour(rng), any_colour(rng), 0.5 + 0.8 * layers(rng, view, rng.uniform(2, 5), 4))


def _meadow(view: View, rng: Rng) -> Picture:
    blades = rough(rng, view, 30) + rough(rng, view, 9) + rough(rng, view, 3)
    green = pick(rng, (0.3, 0.45, 0.15), (0.2, 0.35, 0.15), (0.5, 0.5, 0.2), (0.62, 0.52, 0.3))
    return mix(green, vary(rng, (0.12, 0.2, 0.06)), 0.4 + 0.4 * blades)


def _outdoors(view: View, rng: Rng) -> Picture:
    sky = mix(
        pick(rng, (0.35, 0.58, 0.88), (0.7, 0.75, 0.8), (0.9, 0.65, 0.45)), (0.92, 0.93, 0.94), 0.5 + 0.6 * view.v
    )
    sky = mix(sky, (0.96, 0.96, 0.97), 1.3 * layers(rng, view, 3, 4) - 0.2)
    horizon = rng.uniform(-0.2, 0.9) + 0.15 * rough(rng, view, 4)
    paint(sky, horizon - view.v, _meadow(view, rng) if rng.random() < 0.6 else any_colour(rng), view.px * 2)
    return sky


def _boards(view: View, rng: Rng) -> Picture:
    turned = view.at(0, 0, 1, rng.uniform(-1.6, 1.6))
    wide = rng.uniform(0.3, 0.7)
    grain = np.sin(turned.v * 60 + 6 * layers(rng, view, 3)) * 0.2 + rough(rng, view, 5) * 0.3
    wood = mix(pick(rng, (0.6, 0.4, 0.22), (0.42, 0.27, 0.15), (0.75, 0.6, 0.42)), (0.2, 0.12, 0.06), 0.25 + grain)
    gap = np.abs(np.mod(turned.v / wide, 1) - 0.5) * wide - 0.012
    paint(wood, gap, (0.1, 0.07, 0.05), view.px)
    return wood


def _tiles(view: View, rng: Rng) -> Picture:
    turned = view.at(0, 0, 1, rng.uniform(-0.4, 0.4))
    high, wide = rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.8)
    row = np.floor(turned.v / high)
    gap = np.minimum(
        np.abs(np.mod(turned.v / high, 1) - 0.5) * -high + high / 2,
        np.abs(np.mod(turned.u / wide + 0.5 * np.mod(row, 2), 1) - 0.5) * -wide + wide / 2,
    )
    brick = pick(rng, (0.6, 0.28, 0.2), (0.75, 0.72, 0.68), (0.45, 0.4, 0.38), (0.35, 0.5, 0.55))
    wall = mix(brick, any_colour(rng), 0.15 + 0.3 * layers(rng, view, 8))
    paint(wall, gap - 0.02, vary(rng, (0.75, 0.72, 0.68)), view.px)
    return wall


def _lights(view: View, rng: Rng) -> Picture:
    ground = _plain(view, rng) * 0.45
    for _ in range(int(rng.integers(6, 16))):
        u, v = rng.uniform(-1.4, 1.4, 2)
        paint(ground, disc(view, u, v, rng.uniform(0.08, 0.3)), any_colour(rng), view.px * 3, rng.uniform(0.3, 0.8))
    return ground


_BACKGROUNDS = (_plain, _cloudy, _meadow, _outdoors, _boards, _tiles, _lights)


def background(view: View, rng: Rng, liking: int | None) -> Picture:
    """A background; with a liking, one of the kinds more often than the others."""
    kind = liking if liking is not None and rng.random() < 0.65 else int(rng.integers(len(_BACKGROUNDS)))
    return _BACKGROUNDS[kind](view, rng)


def clutter(picture: Picture, view: View, rng: Rng, count: int) -> None:
    """Shapes of no meaning, anywhere."""
    for _ in range(count):
        u, v = rng.uniform(-1.2, 1.2, 2)
        part = view.at(u, v, rng.uniform(0.12, 0.4), rng.uniform(0, 6))
        shape = int(rng.integers(4))
        if shape == 0:
            distance = oval(part, 0, 0, 1, rng.uniform(0.4, 1))
        elif shape == 1:
            distance = box(part, 0, 0, 1, rng.uniform(0.3, 1), 0.1)
        elif shape == 2:
            distance = line(part, -1, 0, 1, 0, rng.uniform(0.08, 0.3))
        else:
            distance = polar(part, 0.7 + 0.3 * np.cos(part.angle * int(rng.integers(2, 6))))
        shade = tint(any_colour(rng), 0.85 + 0.25 * part.v)
        paint(picture, distance, shade, part.px)


def in_front(picture: Picture, view: View, rng: Rng) -> None:
    """Something that hides a part: a bar or a blob from the side."""
    turn = rng.uniform(0, 2 * math.pi)
    part = view.at(1.15 * math.cos(turn), 1.15 * math.sin(turn), rng.uniform(0.4, 0.75), turn)
    bumpy = polar(part, 1 + 0.25 * rough(rng, view, 4))
    colour: Colour = mix(any_colour(rng), any_colour(rng), 0.5 + 0.7 * rough(rng, view, 6))
    paint(picture, bumpy, colour, part.px)


def develop(picture: Picture, view: View, rng: Rng) -> npt.NDArray[np.uint8]:
    """Light, camera and filter: what makes two pictures of one scene differ in every pixel."""
    picture = picture * (1 + rng.uniform(-0.4, 0.4) * (_plane(view, rng) - 0.5))
    picture = picture * plane(rng.normal(1, 0.06, 3) * rng.uniform(0.75, 1.2))
    grey = picture.mean(0)
    picture = grey + (picture - grey) * rng.uniform(0.55, 1.25)
    picture = 0.5 + (picture - 0.5) * rng.uniform(0.75, 1.15) + rng.uniform(-0.06, 0.06)
    if rng.random() < 0.15:
        picture = picture * (1 - 0.35 * np.clip(view.r - 0.5, 0, 1))
    if rng.random() < 0.35:
        for axis in (1, 2):
            picture = (np.roll(picture, 1, axis) + 2 * picture + np.roll(picture, -1, axis)) / 4
    noise = rng.normal(0, rng.uniform(0.005, 0.04), view.u.shape).astype(np.float32)
    pixels = (np.clip(picture + noise, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _skyline(view: View, rng: Rng) -> Picture:
    picture = _outdoors(view, rng)
    for _ in range(int(rng.integers(5, 10))):
        u, high = rng.uniform(-1.3, 1.3), rng.uniform(-0.6, 0.6)
        tower = box(view, u, high + 1.5, rng.uniform(0.1, 0.3), 1.5)
        windows = np.sin(view.u * rng.uniform(25, 50)) * np.sin(view.v * rng.uniform(25, 50)) > 0.2
        paint(picture, tower, mix(any_colour(rng), any_colour(rng), windows.astype(np.float32)), view.px)
    return picture


def _mountains(view: View, rng: Rng) -> Picture:
    picture = _outdoors(view, rng)
    for step in range(3):
        ridge = -0.3 + 0.4 * step + 0.6 * layers(rng, view, 3, 4)[:1]
        paint(picture, ridge - view.v, any_colour(rng), view.px)
    return picture


def _cloth(view: View, rng: Rng) -> Picture:
    turned = view.at(0, 0, 1, rng.uniform(0, 1.5))
    across, down = rng.uniform(4, 14, 2)
    picture = mix(any_colour(rng), any_colour(rng), 0.5 + 2 * np.sin(turned.u * across))
    return mix(picture, any_colour(rng), 0.5 * (np.sin(turned.v * down) > rng.uniform(-0.5, 0.5)).astype(np.float32))


def _writing(view: View, rng: Rng) -> Picture:
    picture = _plain(view, rng)
    ink, v = any_colour(rng), -0.8
    while v < 0.9:
        u = rng.uniform(-1, -0.6)
        while u < 0.9:
            half = rng.uniform(0.03, 0.16)
            paint(picture, box(view, u + half, v, half, 0.05, 0.02), ink, view.px)
            u += 2 * half + 0.07
        v += rng.uniform(0.18, 0.3)
    return picture


def _face(view: View, rng: Rng) -> Picture:
    picture = background(view, rng, None)
    head = view.at(rng.uniform(-0.2, 0.2), rng.uniform(-0.1, 0.2), rng.uniform(0.5, 0.8), rng.uniform(-0.3, 0.3))
    skin = pick(rng, (0.9, 0.72, 0.6), (0.62, 0.42, 0.3), (0.4, 0.26, 0.18), (0.8, 0.6, 0.45))
    hair = pick(rng, (0.12, 0.08, 0.06), (0.45, 0.3, 0.15), (0.8, 0.65, 0.35), (0.5, 0.5, 0.5))
    paint(picture, box(head, 0, 1.9, 1.1, 0.9, 0.4), any_colour(rng), head.px)
    paint(picture, oval(head, 0, -0.2, 0.85, rng.uniform(0.9, 1.3)), hair, head.px)
    paint(picture, oval(head, 0, 0, 0.68, 0.9), skin, head.px)
    for side in (-1, 1):
        paint(picture, oval(head, 0.27 * side, -0.1, 0.11, 0.07), (0.95, 0.95, 0.95), head.px)
        paint(picture, disc(head, 0.27 * side, -0.1, 0.055), (0.1, 0.08, 0.06), head.px)
    paint(picture, oval(head, 0, 0.45, 0.25, rng.uniform(0.04, 0.12)), (0.7, 0.25, 0.25), head.px)
    return picture


def _shapes(view: View, rng: Rng) -> Picture:
    picture = background(view, rng, None)
    clutter(picture, view, rng, 10)
    return picture


_NO_CLASS = (_skyline, _mountains, _cloth, _writing, _face, _shapes)


def no_class(view: View, rng: Rng) -> Picture:
    """A picture of something outside the label space."""
    return _NO_CLASS[int(rng.integers(len(_NO_CLASS)))](view, rng)


__all__ = ["any_colour", "background", "clutter", "develop", "in_front", "no_class", "whole"]
