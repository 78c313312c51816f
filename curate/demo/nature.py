"""Drawings of plants, animals and natural things. Each paints one object of about unit radius into a picture."""

import math

import numpy as np

from curate.demo.canvas import (
    Field,
    Picture,
    Rng,
    View,
    disc,
    dome,
    layers,
    line,
    mix,
    oval,
    paint,
    petals,
    pick,
    plane,
    polar,
    spots,
    stretched,
    tint,
    vary,
)


def _rays(picture: Picture, view: View, rng: Rng, colour: tuple[float, float, float], count: int, core: float) -> None:
    """Two rings of petals, the lower one darker."""
    for ring, brightness in ((1.0, 0.78), (0.94, 1.0)):
        turn = rng.uniform(0, 6)
        wave = petals(view, count, turn)
        outline = core + (ring - core) * np.clip(0.55 + 0.6 * wave, 0, 1) ** 0.6
        shade = brightness * (0.82 + 0.2 * wave + 0.1 * view.r)
        paint(picture, polar(view, outline), tint(colour, shade), view.px)


def sunflower(picture: Picture, view: View, rng: Rng) -> None:
    """A broad dark disc in yellow rays."""
    view = stretched(view, 1, rng.uniform(0.7, 1))
    core = rng.uniform(0.38, 0.56)
    if rng.random() < 0.5:
        paint(picture, line(view, 0, 0.3, rng.uniform(-0.4, 0.4), 3, 0.09), vary(rng, (0.25, 0.45, 0.15)), view.px)
    _rays(picture, view, rng, pick(rng, (0.97, 0.78, 0.1), (0.95, 0.65, 0.08)), int(rng.integers(14, 22)), core)
    seeds = np.sin(view.r * 40 + 1.5 * view.angle) * np.sin(view.angle * 13 + view.r * 20)
    centre = pick(rng, (0.3, 0.18, 0.08), (0.2, 0.12, 0.06), (0.42, 0.3, 0.1))
    paint(picture, disc(view, radius=core), tint(centre, 1 + 0.35 * seeds), view.px)


def daisy(picture: Picture, view: View, rng: Rng) -> None:
    """A small yellow disc in white or coloured rays."""
    view = stretched(view, 1, rng.uniform(0.7, 1))
    core = rng.uniform(0.2, 0.36)
    colour = pick(rng, (0.95, 0.95, 0.93), (0.95, 0.95, 0.93), (0.92, 0.72, 0.82), (0.8, 0.7, 0.92), (0.96, 0.88, 0.4))
    _rays(picture, view, rng, colour, int(rng.integers(11, 22)), core)
    centre = pick(rng, (0.95, 0.75, 0.12), (0.9, 0.65, 0.1), (0.6, 0.4, 0.12))
    bumps = layers(rng, view, 24, 1)
    paint(picture, disc(view, radius=core), tint(centre, 1 + 0.2 * bumps - 0.3 * view.r), view.px)


def _cat_or_horse(view: View, rng: Rng, neck: float) -> Field:
    """Distance to a four-legged animal seen from the side, or to all of the picture for a close-up of its coat."""
    if rng.random() < 0.35:
        return np.full(view.u.shape, -1, np.float32)
    side = -1 if rng.random() < 0.5 else 1
    flipped = View(view.u * side, view.v, view.px)
    body = oval(flipped, 0, 0, 0.85, 0.4)
    head_u, head_v = 0.82 + 0.15 * neck, -0.28 - 0.5 * neck
    parts = [oval(flipped, head_u, head_v, 0.27, 0.21), line(flipped, 0.55, -0.1, head_u, head_v, 0.26, 0.17)]
    parts += [disc(flipped, head_u - 0.1, head_v - 0.2, 0.08)]
    for foot in (-0.62, -0.42, 0.42, 0.62):
        parts.append(line(flipped, foot * 0.95, 0.2, foot + rng.uniform(-0.12, 0.12), 0.95, 0.15, 0.09))
    parts.append(line(flipped, -0.75, -0.1, -1.15, rng.uniform(-0.5, 0.5), 0.07, 0.04))
    for part in parts:
        body = np.minimum(body, part)
    return body


def _shaded(view: View, body: Field, rng: Rng) -> Field:
    rounded: Field = np.clip(-body / 0.35, 0, 1)
    fur: Field = 0.08 * layers(rng, view, 12, 2)
    return 0.75 + 0.3 * rounded - 0.12 * view.v + fur


def zebra(picture: Picture, view: View, rng: Rng) -> None:
    """Black and white stripes."""
    body = _cat_or_horse(view, rng, 1.0)
    bend = layers(rng, view, 2.5, 2)
    wave = np.sin(view.u * rng.uniform(11, 17) + view.v * rng.uniform(-3, 3) + 2.6 * bend)
    white = vary(rng, (0.92, 0.9, 0.86), 0.03)
    coat = mix(white, (0.09, 0.08, 0.08), 0.5 + 2.5 * (wave + rng.uniform(-0.25, 0.2)))
    paint(picture, body, coat * _shaded(view, body, rng), view.px)


def tiger(picture: Picture, view: View, rng: Rng) -> None:
    """Thin black stripes that break off, on a tawny coat."""
    body = _cat_or_horse(view, rng, 0.1)
    bend, gaps = layers(rng, view, 3, 2), layers(rng, view, 4, 1)
    wave = np.sin(view.u * rng.uniform(12, 18) + view.v * rng.uniform(-3, 3) + 3.0 * bend)
    tawny = pick(rng, (0.86, 0.5, 0.16), (0.82, 0.45, 0.14), (0.9, 0.6, 0.28), (0.88, 0.85, 0.78), by=0.04)
    coat = mix(tawny, (0.95, 0.9, 0.82), np.clip(view.v * 1.2 - 0.1, 0, 0.8))
    coat = mix(coat, (0.08, 0.06, 0.05), 3 * (wave - 0.35 - 0.6 * gaps))
    paint(picture, body, coat * _shaded(view, body, rng), view.px)


def leopard(picture: Picture, view: View, rng: Rng) -> None:
    """Rosettes on a tawny coat."""
    body = _cat_or_horse(view, rng, 0.1)
    near, which = spots(view, rng, rng.uniform(3.2, 4.8))
    tawny = pick(rng, (0.85, 0.66, 0.35), (0.8, 0.58, 0.3), (0.88, 0.74, 0.48), (0.75, 0.72, 0.66), by=0.04)
    coat = mix(tawny, (0.95, 0.9, 0.8), np.clip(view.v - 0.2, 0, 0.7))
    coat = mix(coat, plane(tawny) * 0.72, (0.42 - near) * 10)
    ring = np.where(which < 0.35, near - 0.24, np.abs(near - 0.34) - 0.1)
    coat = mix(coat, (0.1, 0.07, 0.05), -ring * 14)
    paint(picture, body, coat * _shaded(view, body, rng), view.px)


def ladybug(picture: Picture, view: View, rng: Rng) -> None:
    """A spotted dome with a dark head."""
    shell = pick(rng, (0.82, 0.1, 0.07), (0.85, 0.2, 0.08), (0.9, 0.5, 0.1), (0.75, 0.08, 0.1), by=0.04)
    dark = (0.07, 0.06, 0.06)
    for foot in (-0.5, 0.0, 0.5):
        for side in (-1, 1):
            paint(picture, line(view, 0.5 * side, foot, 1.12 * side, foot * 1.35, 0.05), dark, view.px)
    paint(picture, oval(view, 0, -0.82, 0.5, 0.32), dark, view.px)
    for side in (-1, 1):
        paint(picture, line(view, 0.15 * side, -1.0, 0.4 * side, -1.3, 0.03), dark, view.px)
        paint(picture, disc(view, 0.27 * side, -0.85, 0.1), (0.92, 0.9, 0.85), view.px)
    light = (rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.1))
    body = oval(view, 0, 0.05, 0.86, 0.9)
    paint(picture, body, tint(shell, dome(view, light)), view.px)
    places = [(0.35, -0.4), (0.5, 0.15), (0.3, 0.58), (0.2, -0.05), (0.62, -0.2)][: int(rng.integers(2, 6))]
    size = rng.uniform(0.11, 0.19)
    for u, v in places:
        for side in (-1, 1):
            paint(picture, np.maximum(disc(view, side * u, v, size), body), dark, view.px)
    paint(picture, np.maximum(np.abs(view.u) - 0.03, body), dark, view.px)
    paint(picture, oval(view, light[0] * 0.7, light[1] * 0.7, 0.16, 0.1), (1, 1, 1), view.px * 4, 0.6)


def butterfly(picture: Picture, view: View, rng: Rng) -> None:
    """Four patterned wings, alike on both sides."""
    base = pick(
        rng, (0.92, 0.5, 0.1), (0.3, 0.5, 0.85), (0.95, 0.88, 0.4), (0.9, 0.9, 0.88), (0.6, 0.25, 0.5), (0.4, 0.75, 0.6)
    )
    edge = pick(rng, (0.08, 0.07, 0.07), (0.2, 0.12, 0.08), (0.15, 0.12, 0.3), by=0.03)
    half = View(np.abs(view.u), view.v, view.px)
    spread = rng.uniform(0.8, 1.1)
    upper = half.at(0.5 * spread, -0.38, 1.0, rng.uniform(-0.9, -0.5))
    lower = half.at(0.4 * spread, 0.42, 1.0, rng.uniform(0.5, 1.0))
    wings = np.minimum(
        oval(upper, 0, 0, 0.68, rng.uniform(0.34, 0.46)), oval(lower, 0, 0, 0.52, rng.uniform(0.3, 0.42))
    )
    veins = np.sin(np.arctan2(half.v, half.u + 0.05) * rng.uniform(9, 15)) > 0.9
    pattern = mix(base, edge, (wings + 0.12) * 12)
    pattern = np.where(veins, plane(edge), pattern)
    paint(picture, wings, pattern, view.px)
    near, which = spots(half, rng, rng.uniform(2.5, 4))
    spot = pick(rng, (0.95, 0.95, 0.9), (0.95, 0.8, 0.3), (0.1, 0.1, 0.1), (0.4, 0.6, 0.9))
    paint(picture, np.maximum(np.where(which < 0.5, near - 0.26, 1.0), wings + 0.03), spot, view.px * 3)
    paint(picture, oval(view, 0, 0, 0.08, 0.6), (0.1, 0.08, 0.07), view.px)
    for side in (-1, 1):
        paint(picture, line(view, 0, -0.5, 0.28 * side, -0.95, 0.02), (0.1, 0.08, 0.07), view.px)


def starfish(picture: Picture, view: View, rng: Rng) -> None:
    """Five rough arms."""
    colour = pick(rng, (0.85, 0.45, 0.2), (0.75, 0.25, 0.2), (0.85, 0.65, 0.4), (0.5, 0.35, 0.6), (0.9, 0.75, 0.55))
    bend = view.at(0, 0)
    curl = rng.uniform(-0.6, 0.6)
    wave = np.cos(5 * (bend.angle + curl * bend.r))
    thin = rng.uniform(0.28, 0.4)
    outline = thin + (1 - thin) * np.clip(0.5 + 0.5 * wave, 0, 1) ** rng.uniform(1.6, 3)
    ridge = 0.75 + 0.3 * np.clip(wave, 0, 1) - 0.15 * view.r
    near, _ = spots(view, rng, rng.uniform(5, 8), 0.5)
    dots = np.where(near < 0.3, 0.25, 0.0) * (1 if rng.random() < 0.7 else -1)
    paint(picture, polar(view, outline), tint(colour, (ridge + dots).astype(np.float32)), view.px)


def rainbow(picture: Picture, view: View, rng: Rng) -> None:
    """Coloured arcs across the whole picture."""
    radius, width = rng.uniform(1.0, 1.8), rng.uniform(0.22, 0.5)
    place = (disc(view, rng.uniform(-0.3, 0.3), radius - 0.7, radius) + width / 2) / width
    hue = np.clip(place, 0, 1) * 0.8
    colours = np.stack([np.clip(np.abs(np.mod(hue * 6 + k, 6) - 3) - 1, 0, 1) for k in (0, 4, 2)])
    inside = np.abs(place - 0.5) - 0.5
    strength = rng.uniform(0.45, 0.9)
    paint(picture, inside * width, colours, view.px * 4, strength)
    if rng.random() < 0.4:
        second = np.abs(place - 2.1) - 0.4
        paint(picture, second * width, (0.85, 0.85, 0.85), 0.2, 0.25)


def spider_web(picture: Picture, view: View, rng: Rng) -> None:
    """Threads outward and around, hanging a little between them."""
    thread = pick(rng, (0.95, 0.95, 0.95), (0.85, 0.88, 0.9), (0.2, 0.2, 0.22), by=0.03)
    count, turn = int(rng.integers(9, 17)), rng.uniform(0, 6)
    step = 2 * math.pi / count
    off = np.mod(view.angle - turn + 0.15 * np.sin(view.angle * 3), step) - step / 2
    spokes = np.abs(np.abs(off) - step / 2) * view.r
    hang = 1 + rng.uniform(0.1, 0.22) * (1 - (2 * off / step) ** 2)
    rings = rng.uniform(0.11, 0.18)
    around = np.abs(np.mod(view.r * hang / rings + view.angle / (2 * math.pi), 1) - 0.5) * rings
    width = rng.uniform(0.012, 0.022)
    web = np.minimum(spokes, np.where(view.r < 1.15, around, 1.0)) - width
    paint(picture, web, thread, view.px * 1.2, 0.9)
    if rng.random() < 0.4:
        u, v = rng.uniform(-0.4, 0.4, 2)
        paint(picture, oval(view, u, v, 0.12, 0.17), (0.1, 0.08, 0.07), view.px)
        for leg in range(8):
            side, spread = (-1 if leg % 2 else 1), 0.5 * (leg // 2) - 0.75
            paint(picture, line(view, u, v, u + 0.3 * side, v + 0.3 * spread, 0.02), (0.1, 0.08, 0.07), view.px)


def crane_bird(picture: Picture, view: View, rng: Rng) -> None:
    """Long legs, long neck, a pale body."""
    plumage = pick(rng, (0.72, 0.73, 0.75), (0.93, 0.93, 0.92), (0.6, 0.6, 0.62), by=0.04)
    dark = vary(rng, (0.15, 0.14, 0.14), 0.03)
    side = -1 if rng.random() < 0.5 else 1
    bird = View(view.u * side, view.v, view.px)
    for foot in (-0.08, 0.12):
        knee = foot + rng.uniform(-0.12, 0.12)
        paint(picture, line(bird, foot, 0.2, knee, 0.7, 0.035), dark, view.px)
        paint(picture, line(bird, knee, 0.7, foot + 0.02, 1.2, 0.03), dark, view.px)
    paint(picture, line(bird, -0.4, 0.05, -0.85, 0.4, 0.2, 0.06), dark, view.px)
    shade = 1 - 0.25 * (view.v + 0.2) + 0.1 * layers(rng, view, 14, 2)
    paint(picture, oval(bird.at(0, 0, 1, 0.25), 0, 0, 0.55, 0.3), tint(plumage, shade), view.px)
    low = rng.random() < 0.25
    head_u, head_v = (1.0, 0.35) if low else (0.62, -0.95)
    mid_u, mid_v = (0.85, -0.2) if low else (0.42, -0.5)
    neck = tint(plumage, shade) if rng.random() < 0.5 else dark
    paint(picture, line(bird, 0.35, -0.05, mid_u, mid_v, 0.12, 0.075), neck, view.px)
    paint(picture, line(bird, mid_u, mid_v, head_u, head_v, 0.075, 0.06), neck, view.px)
    paint(
        picture,
        line(bird, head_u, head_v, head_u + 0.38, head_v + 0.1, 0.045, 0.015),
        vary(rng, (0.6, 0.55, 0.35)),
        view.px,
    )
    paint(picture, oval(bird, head_u, head_v, 0.1, 0.075), dark, view.px)
    if rng.random() < 0.7:
        paint(picture, oval(bird, head_u - 0.01, head_v - 0.06, 0.08, 0.04), (0.8, 0.12, 0.1), view.px)
