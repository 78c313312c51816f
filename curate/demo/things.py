"""Drawings of made things. Each paints one object of about unit radius into a picture."""

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
    paint,
    petals,
    pick,
    tint,
    vary,
)


def _sphere(view: View, rng: Rng) -> tuple[Field, Field, Field]:
    """Points of a ball's visible half, turned at random: three fields."""
    q = rng.normal(size=4)
    w, x, y, z = q / np.linalg.norm(q)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ],
        np.float32,
    )
    depth = np.sqrt(np.clip(1 - view.u**2 - view.v**2, 0, 1))
    turned = np.einsum("ij,jhw->ihw", turn, np.stack([view.u, view.v, depth]))
    return turned[0], turned[1], turned[2]


def tennis_ball(picture: Picture, view: View, rng: Rng) -> None:
    """Felt with one curved seam."""
    colour = pick(rng, (0.8, 0.88, 0.22), (0.72, 0.85, 0.25), (0.88, 0.86, 0.3))
    x, y, z = _sphere(view, rng)
    shade = dome(view, any_light(rng))
    paint(picture, disc(view), tint(colour, shade + 0.12 * layers(rng, view, 26, 2)), view.px)
    seam = np.abs(z - 0.55 * (x * x - y * y) / (x * x + y * y + 1e-6) * np.sqrt(np.clip(1 - z * z, 0, 1)) * 1.3)
    paint(picture, np.maximum(seam - 0.075, view.r - 0.98), tint((0.95, 0.95, 0.9), shade), view.px * 1.5)


def basketball(picture: Picture, view: View, rng: Rng) -> None:
    """Black seams on pebbled leather."""
    colour = pick(rng, (0.8, 0.4, 0.14), (0.72, 0.33, 0.12), (0.85, 0.5, 0.2))
    x, y, z = _sphere(view, rng)
    shade = dome(view, any_light(rng))
    paint(picture, disc(view), tint(colour, shade + 0.08 * layers(rng, view, 40, 1)), view.px)
    curved = np.abs(np.hypot(y, z - np.sign(z) * 1.15) - 0.8)
    seam = np.minimum(np.minimum(np.abs(x), np.abs(y)), curved) - 0.035
    paint(picture, np.maximum(seam, view.r - 0.99), vary(rng, (0.1, 0.08, 0.07), 0.02), view.px * 1.5)


def _directions() -> tuple[np.ndarray, np.ndarray]:
    """Axes of an icosahedron's 12 corners and 20 faces, one of each opposite pair."""
    g = (1 + 5**0.5) / 2
    corners = np.array([(0, 1, g), (0, 1, -g), (1, g, 0), (1, -g, 0), (g, 0, 1), (-g, 0, 1)], np.float32)
    a, b = g, 1 / g
    faces = [(1.0, 1.0, 1.0), (1.0, 1.0, -1.0), (1.0, -1.0, 1.0), (-1.0, 1.0, 1.0)]
    faces += [(0, b, a), (0, b, -a), (b, a, 0), (b, -a, 0), (a, 0, b), (-a, 0, b)]
    flat = np.array(faces, np.float32)
    return corners / np.linalg.norm(corners, axis=1)[:, None], flat / np.linalg.norm(flat, axis=1)[:, None]


_CORNERS, _FACES = _directions()


def soccer_ball(picture: Picture, view: View, rng: Rng) -> None:
    """Dark pentagons among pale hexagons."""
    dark = pick(rng, (0.08, 0.08, 0.09), (0.08, 0.08, 0.09), (0.1, 0.15, 0.5), (0.6, 0.1, 0.12))
    pale = pick(rng, (0.93, 0.93, 0.92), (0.93, 0.93, 0.92), (0.95, 0.85, 0.4))
    points = np.stack(_sphere(view, rng))
    five = np.abs(np.tensordot(_CORNERS, points, 1)).max(0) * 0.985
    six = np.abs(np.tensordot(_FACES, points, 1))
    six.sort(axis=0)
    shade = dome(view, any_light(rng))
    paint(picture, disc(view), tint(pale, shade), view.px)
    seam = np.minimum(six[-1] - six[-2], np.abs(six[-1] - five)) - 0.02
    paint(picture, np.maximum(seam, view.r - 0.98), (0.35, 0.35, 0.36), view.px)
    paint(picture, np.maximum(six[-1] - five, view.r - 0.99), tint(dark, shade), view.px)


def chessboard(picture: Picture, view: View, rng: Rng) -> None:
    """Eight by eight squares in perspective, sometimes with pieces."""
    pale, dark, frame = [
        ((0.93, 0.86, 0.7), (0.45, 0.26, 0.13), (0.35, 0.2, 0.1)),
        ((0.95, 0.95, 0.93), (0.1, 0.1, 0.1), (0.2, 0.2, 0.2)),
        ((0.92, 0.92, 0.8), (0.25, 0.42, 0.25), (0.4, 0.3, 0.2)),
    ][int(rng.integers(3))]
    depth = 1 / np.clip(1 + rng.uniform(-0.28, 0.28) * view.v, 0.3, 3)
    board = View(view.u * depth, view.v * depth * rng.uniform(1.0, 1.5), view.px)
    paint(picture, box(board, 0, 0, 1.12, 1.12, 0.03), vary(rng, frame), view.px)
    waves = np.sin(board.u * 4 * np.pi) * np.sin(board.v * 4 * np.pi)
    squares = mix(vary(rng, pale), vary(rng, dark), 0.5 + waves * 3)
    paint(picture, box(board, 0, 0, 1, 1), squares, view.px)
    for _ in range(int(rng.integers(0, 12))):
        u, v = (rng.integers(0, 8, 2) + 0.5) / 4 - 1
        piece = vary(rng, (0.9, 0.88, 0.8) if rng.random() < 0.5 else (0.12, 0.1, 0.1), 0.03)
        paint(picture, disc(board, float(u), float(v), 0.1), (0.1, 0.08, 0.06), view.px * 2)
        paint(picture, line(board, float(u), float(v), float(u), float(v) - 0.14, 0.085, 0.05), piece, view.px)


def dartboard(picture: Picture, view: View, rng: Rng) -> None:
    """Sectors, doubles and trebles, a bull's-eye; sometimes darts. No two boards are alike, or they would be copies."""
    pale, dark = vary(rng, (0.93, 0.87, 0.7), 0.04), vary(rng, (0.1, 0.09, 0.09), 0.03)
    red, green = vary(rng, (0.75, 0.12, 0.12), 0.05), vary(rng, (0.1, 0.45, 0.2), 0.05)
    if rng.random() < 0.2:
        red, green = vary(rng, (0.15, 0.3, 0.65)), vary(rng, (0.75, 0.65, 0.2))
    sector = 0.5 + 3 * petals(view, int(rng.integers(6, 14)))
    r = view.r
    doubles, trebles = rng.uniform(0.7, 0.78), rng.uniform(0.35, 0.55)
    ring = np.minimum(np.abs(r - doubles) - 0.05, np.abs(r - trebles) - 0.045)
    paint(picture, r - 1, (0.07, 0.07, 0.08), view.px)
    paint(picture, r - 0.81, mix(pale, dark, sector), view.px)
    paint(picture, ring, mix(green, red, sector), view.px)
    paint(picture, r - 0.14, green, view.px)
    paint(picture, r - 0.07, red, view.px)
    for _ in range(int(rng.integers(0, 4))):
        u, v = rng.normal(0, 0.3, 2)
        du, dv = rng.uniform(0.2, 0.6), rng.uniform(-0.5, 0.5)
        paint(picture, line(view, u, v, u + du, v + dv, 0.025, 0.04), vary(rng, (0.7, 0.7, 0.7), 0.1), view.px)
        paint(picture, disc(view, u + du, v + dv, 0.09), vary(rng, (0.5, 0.4, 0.4), 0.3), view.px)


def traffic_light(picture: Picture, view: View, rng: Rng) -> None:
    """Three lamps in a case, one or two of them lit."""
    case = pick(rng, (0.1, 0.11, 0.1), (0.12, 0.2, 0.15), (0.85, 0.68, 0.15), (0.3, 0.31, 0.32))
    if rng.random() < 0.6:
        paint(picture, line(view, 0, 0.9, rng.uniform(-0.2, 0.2), 4, 0.09), vary(rng, (0.35, 0.36, 0.37)), view.px)
    paint(picture, box(view, 0, 0, 0.42, 1.02, 0.12), case, view.px)
    lit = int(rng.integers(3))
    for place, lamp in enumerate([(0.95, 0.15, 0.1), (0.98, 0.75, 0.12), (0.15, 0.9, 0.45)]):
        v = 0.64 * (place - 1)
        on = place == lit
        glow = disc(view, 0, v, 0.26)
        paint(picture, glow - 0.05, (0.04, 0.04, 0.04), view.px)
        paint(picture, glow, tint(vary(rng, lamp, 0.03), (1.0 if on else 0.22) + 0 * view.u), view.px)
        if on:
            paint(picture, glow - 0.12, lamp, 0.8, 0.75)
        paint(picture, np.maximum(np.abs(view.r * 0 + disc(view, 0, v, 0.31)) - 0.035, view.v - v), case, view.px)


def crane_machine(picture: Picture, view: View, rng: Rng) -> None:
    """A tower with a lattice jib, counterweight, cable and load."""
    colour = pick(rng, (0.92, 0.72, 0.1), (0.85, 0.2, 0.12), (0.9, 0.9, 0.88), (0.25, 0.3, 0.4), by=0.05)
    side = 1 if rng.random() < 0.5 else -1
    mast, top, reach = -0.3 * side, rng.uniform(-0.75, -0.4), rng.uniform(1.0, 1.4)
    rise = rng.uniform(-0.7, 0.1) if rng.random() < 0.5 else 0.0
    tip_u, tip_v = mast + side * reach, top + rise
    thin = 0.028
    for du in (-0.075, 0.075):
        paint(picture, line(view, mast + du, 4.0, mast + du, top, thin), colour, view.px)
    zigzag = np.abs(np.mod((view.v - top) / 0.15, 2) - 1) * 0.15 - 0.075
    lattice = np.maximum(np.abs(view.u - mast - zigzag) - 0.022, top - view.v)
    paint(picture, lattice, colour, view.px)
    for lift in (0.0, 0.14):
        paint(
            picture, line(view, mast - 0.55 * side, top - lift * 0.3, tip_u, tip_v - lift * 0.2, thin), colour, view.px
        )
    along = (view.u - mast) * side
    tie = top + rise * along / reach
    waves = tie - 0.07 - 0.07 * (np.abs(np.mod(along / 0.14, 2) - 1) * 2 - 1)
    brace = np.maximum(np.maximum(np.abs(view.v - waves) - 0.025, along - reach), -along)
    paint(picture, brace, colour, view.px)
    paint(picture, line(view, mast, top, mast, top - 0.35, 0.04), colour, view.px)
    paint(
        picture,
        line(view, mast, top - 0.35, tip_u - 0.4 * side * reach, tip_v - 0.6 * rise * 0.4, 0.014),
        colour,
        view.px,
    )
    paint(picture, box(view, mast - 0.5 * side, top + 0.08, 0.13, 0.12), vary(rng, (0.4, 0.4, 0.42)), view.px)
    hook = mast + side * reach * rng.uniform(0.55, 0.95)
    start = top + rise * abs(hook - mast) / reach
    end = start + rng.uniform(0.4, 1.0)
    paint(picture, line(view, hook, start, hook, end, 0.016), (0.15, 0.15, 0.15), view.px)
    paint(picture, box(view, hook, end, rng.uniform(0.08, 0.22), 0.07), vary(rng, (0.4, 0.3, 0.25), 0.15), view.px)
