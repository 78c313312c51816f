"""Drawings of food. Each paints one object of about unit radius into a picture."""

import numpy as np

from curate.demo.canvas import (
    Field,
    Picture,
    Rng,
    View,
    any_light,
    box,
    disc,
    dome,
    layers,
    line,
    mix,
    oval,
    paint,
    petals,
    pick,
    polar,
    spots,
    stretched,
    tint,
    vary,
)


def _slice_of_citrus(picture: Picture, view: View, rng: Rng, peel: tuple[float, float, float]) -> None:
    """A cut face: peel, pith, and wedges of flesh."""
    pith, count = vary(rng, (0.95, 0.92, 0.78), 0.03), int(rng.integers(8, 12))
    paint(picture, disc(view), peel, view.px)
    paint(picture, disc(view, radius=0.9), pith, view.px)
    wedge = np.maximum(view.r - 0.82, 0.10 - view.r)
    wedge = np.maximum(wedge, -(petals(view, count) + 0.86) * 0.25 * view.r)
    flesh = mix(peel, (1.0, 0.97, 0.75), 0.25 + 0.35 * layers(rng, view, 24, 2))
    paint(picture, wedge, flesh, view.px)


def orange(picture: Picture, view: View, rng: Rng) -> None:
    """Whole with pores, or cut."""
    colour = pick(rng, (0.95, 0.55, 0.08), (0.92, 0.48, 0.05), (0.96, 0.65, 0.12))
    if rng.random() < 0.3:
        return _slice_of_citrus(picture, view, rng, colour)
    skin = dome(view, any_light(rng)) + 0.07 * layers(rng, view, 34, 1)
    paint(picture, disc(view), tint(colour, skin), view.px)
    u, v = rng.uniform(-0.6, 0.6, 2)
    paint(picture, disc(view, u, v, 0.09), vary(rng, (0.35, 0.4, 0.1)), view.px)
    return None


def lemon(picture: Picture, view: View, rng: Rng) -> None:
    """Pointed at both ends, or cut."""
    colour = pick(rng, (0.96, 0.86, 0.15), (0.93, 0.78, 0.1), (0.82, 0.84, 0.2))
    if rng.random() < 0.25:
        return _slice_of_citrus(picture, view, rng, colour)
    thick = rng.uniform(0.58, 0.72)
    body = np.abs(view.v) - thick * np.clip(1 - view.u**2, 0, 1) ** 0.6
    tip = box(view, 0.0, 0.0, 1.06, 0.13, 0.12)
    skin = dome(View(view.u, view.v / thick, view.px), any_light(rng)) + 0.05 * layers(rng, view, 30, 1)
    paint(picture, np.minimum(np.maximum(body, np.abs(view.u) - 1), tip), tint(colour, skin), view.px)
    return None


def tomato(picture: Picture, view: View, rng: Rng) -> None:
    """Glossy, with a green calyx star."""
    colour = pick(rng, (0.85, 0.13, 0.08), (0.8, 0.1, 0.1), (0.88, 0.24, 0.08), (0.88, 0.4, 0.08), by=0.04)
    ribs = 1 - 0.035 * (1 + petals(view, int(rng.integers(4, 7))))
    squat = stretched(view, 1.0, rng.uniform(0.82, 1.0))
    light = any_light(rng)
    paint(picture, polar(squat, ribs), tint(colour, dome(squat, light)), view.px)
    paint(picture, oval(view, light[0] * 0.8, light[1] * 0.8, 0.2, 0.13), (1, 1, 1), view.px * 4, 0.7)
    u, v = rng.uniform(-0.45, 0.45, 2)
    star = view.at(u, v, rng.uniform(0.42, 0.6), rng.uniform(0, 6))
    leaf = vary(rng, (0.2, 0.5, 0.14))
    paint(picture, polar(star, 0.35 + 0.6 * np.clip(petals(star, 5), 0, 1) ** 2), leaf, star.px)
    paint(picture, line(view, u, v, u + 0.1, v - 0.3, 0.06), tint(leaf, 0.75 + 0 * view.u), view.px)


def apple(picture: Picture, view: View, rng: Rng) -> None:
    """Dimpled at the stem, often two-coloured, with a leaf."""
    first = pick(rng, (0.78, 0.1, 0.12), (0.55, 0.75, 0.2), (0.45, 0.7, 0.2), (0.85, 0.78, 0.3))
    second = pick(rng, (0.85, 0.7, 0.25), (0.7, 0.12, 0.12), (0.6, 0.72, 0.2))
    up = view.angle + np.pi / 2
    up = np.abs(np.arctan2(np.sin(up), np.cos(up)))
    outline = 0.98 - 0.30 * np.exp(-((up / 0.28) ** 2)) + 0.05 * np.cos(2 * up) - 0.08 * (up / np.pi) ** 2
    streaks = 0.5 + 0.5 * np.sin(view.u * 9 + 3 * layers(rng, view, 4, 2)) * layers(rng, view, 6, 2)
    share = np.clip(streaks * rng.uniform(0.1, 0.9) + rng.uniform(-0.3, 0.4) * view.v, 0, 1)
    light = any_light(rng)
    paint(picture, polar(view, outline), mix(first, second, share) * dome(view, light), view.px)
    paint(picture, oval(view, light[0] * 0.8, light[1] * 0.8, 0.16, 0.22), (1, 1, 1), view.px * 6, 0.5)
    lean = rng.uniform(-0.25, 0.25)
    paint(picture, line(view, 0, -0.62, lean, -1.12, 0.05), vary(rng, (0.3, 0.18, 0.08)), view.px)
    if rng.random() < 0.6:
        side = 1 if lean > 0 else -1
        leaf = view.at(lean + 0.3 * side, -1.02, 0.34, -0.5 * side)
        paint(picture, oval(leaf, 0, 0, 1, 0.45), vary(rng, (0.25, 0.55, 0.15)), leaf.px)


def pizza(picture: Picture, view: View, rng: Rng) -> None:
    """Crust, sauce, cheese and toppings; sometimes a piece is gone."""
    outline = 1 + 0.03 * petals(view, 5, rng.uniform(0, 6))
    gap: Field | float = 1.0
    if rng.random() < 0.45:
        count, turn = int(rng.integers(3, 7)), rng.uniform(0, 6)
        beside = np.abs(np.arctan2(np.sin(view.angle - turn), np.cos(view.angle - turn)))
        gap = np.where(beside < np.pi / count, np.float32(-1), np.float32(1))
    body = np.maximum(polar(view, outline), -0.3 * gap)
    inner = np.maximum(view.r - 0.86, -0.3 * gap)
    bumps = layers(rng, view, 8, 3)
    paint(picture, body, tint(vary(rng, (0.8, 0.58, 0.3)), 1 + 0.25 * bumps), view.px)
    sauce, cheese = vary(rng, (0.75, 0.22, 0.1)), vary(rng, (0.95, 0.8, 0.42))
    paint(picture, inner, mix(sauce, cheese, 0.55 + 1.5 * bumps), view.px)
    topping = pick(rng, (0.65, 0.12, 0.1), (0.25, 0.2, 0.18), (0.3, 0.5, 0.15), (0.85, 0.7, 0.6))
    near, which = spots(view, rng, rng.uniform(1.6, 2.6), 0.6)
    paint(picture, np.maximum(np.where(which < 0.75, near - 0.36, 1.0), inner + 0.08), topping, view.px * 2)
    if rng.random() < 0.6:
        near, which = spots(view, rng, 3.2)
        green = vary(rng, (0.2, 0.4, 0.12))
        paint(picture, np.maximum(np.where(which < 0.4, near - 0.28, 1.0), inner + 0.05), green, view.px * 2)


def doughnut(picture: Picture, view: View, rng: Rng) -> None:
    """A ring of dough under icing, plain or with sprinkles."""
    hole = rng.uniform(0.2, 0.36)
    middle, half = (1 + hole) / 2, (1 - hole) / 2
    around = np.abs(view.r - middle)
    light = any_light(rng)
    slope = (
        0.75 + 0.35 * np.sqrt(np.clip(1 - (around / half) ** 2, 0, 1)) + 0.2 * (light[0] * view.u + light[1] * view.v)
    )
    paint(picture, around - half, tint(vary(rng, (0.72, 0.46, 0.2)), slope), view.px)
    icing = pick(rng, (0.3, 0.16, 0.1), (0.92, 0.5, 0.65), (0.95, 0.93, 0.88), (0.8, 0.58, 0.3), (0.5, 0.7, 0.85))
    edge = around - half * (0.78 + 0.08 * petals(view, 7, rng.uniform(0, 6)))
    paint(picture, edge, tint(icing, slope), view.px)
    if rng.random() < 0.6:
        near, which = spots(view, rng, rng.uniform(4, 6))
        hue = np.stack([0.5 + 0.5 * np.cos(2 * np.pi * (which + k / 3)) for k in range(3)])
        paint(picture, np.maximum(near - 0.25, edge + 0.06), hue, view.px * 4)
