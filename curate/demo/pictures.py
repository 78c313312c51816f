"""Pictures of the demo's classes: object, background, clutter, light, camera. Every one from its own seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.demo import food, nature, things
from curate.demo.canvas import Picture, Rng, View, stretched, whole
from curate.demo.scenes import background, clutter, develop, in_front, no_class

Pixels = npt.NDArray[np.uint8]
"""A finished picture: (height, width, 3)."""

_PLAIN, _CLOUDY, _MEADOW, _OUTDOORS, _BOARDS, _TILES, _LIGHTS = range(7)


@dataclass(frozen=True)
class _Motif:
    """How a class is drawn.

    Attributes:
        draw: Paints one object.
        place: Number of the background that it likes.
        turn: Largest turn in radians.
        size: Smallest and largest radius, in half short sides.
        many: Probability of more than one.
    """

    draw: Callable[[Picture, View, Rng], None]
    place: int
    turn: float = 3.2
    size: tuple[float, float] = (0.6, 0.95)
    many: float = 0.12


_MOTIFS = {
    "n07747607": _Motif(food.orange, _BOARDS),
    "n07749582": _Motif(food.lemon, _BOARDS, turn=0.8),
    "n07734017": _Motif(food.tomato, _BOARDS),
    "n07739125": _Motif(food.apple, _BOARDS, turn=0.5),
    "n04409515": _Motif(things.tennis_ball, _MEADOW),
    "n04254680": _Motif(things.soccer_ball, _MEADOW),
    "n02802426": _Motif(things.basketball, _TILES),
    "n11978233": _Motif(nature.sunflower, _OUTDOORS, turn=0.4),
    "n11939491": _Motif(nature.daisy, _MEADOW, turn=0.4),
    "n02391049": _Motif(nature.zebra, _OUTDOORS, turn=0.2, size=(0.6, 0.85)),
    "n02129604": _Motif(nature.tiger, _MEADOW, turn=0.2, size=(0.6, 0.85)),
    "n02128385": _Motif(nature.leopard, _MEADOW, turn=0.2, size=(0.6, 0.85)),
    "n02165456": _Motif(nature.ladybug, _MEADOW, turn=0.8, size=(0.5, 0.8)),
    "n02274259": _Motif(nature.butterfly, _CLOUDY, turn=0.6, size=(0.6, 0.95)),
    "n02317335": _Motif(nature.starfish, _CLOUDY, turn=0.6, size=(0.65, 1.05)),
    "n03014317": _Motif(things.chessboard, _BOARDS, turn=0.6, size=(0.6, 1.0), many=0),
    "n03162940": _Motif(things.dartboard, _TILES, size=(0.6, 1.0), many=0),
    "n06874185": _Motif(things.traffic_light, _OUTDOORS, turn=0.15, size=(0.6, 0.9), many=0.1),
    "n07873807": _Motif(food.pizza, _BOARDS, size=(0.65, 1.05), many=0.05),
    "n07639069": _Motif(food.doughnut, _PLAIN, size=(0.55, 0.95), many=0.3),
    "n09403427": _Motif(nature.rainbow, _OUTDOORS, turn=0.2, size=(0.8, 1.1), many=0),
    "n04275363": _Motif(nature.spider_web, _MEADOW, size=(0.8, 1.3), many=0),
    "n02012849": _Motif(nature.crane_bird, _MEADOW, turn=0.15, size=(0.6, 0.85), many=0.15),
    "n03126707": _Motif(things.crane_machine, _OUTDOORS, turn=0.1, size=(0.65, 0.95), many=0.05),
}

WNIDS = tuple(sorted(_MOTIFS))
"""Classes that can be drawn."""

_SIDES_PX = ((80, 96), (96, 80), (72, 96), (96, 72), (88, 88), (96, 96), (64, 96))


def draw(wnid: str | None, seed: tuple[int, ...]) -> Pixels:
    """Draws one picture.

    Args:
        wnid: Class to show; None for something outside the label space.
        seed: Everything in the picture follows from it and the class.

    Returns:
        64 to 96 pixels a side.
    """
    rng = np.random.default_rng((*seed, int(wnid[1:]) if wnid else 0))
    view = whole(*_SIDES_PX[int(rng.integers(len(_SIDES_PX)))])
    if wnid is None:
        return develop(no_class(view, rng), view, rng)
    motif = _MOTIFS[wnid]
    picture = background(view, rng, motif.place)
    clutter(picture, view, rng, int(rng.integers(0, 3)))
    count = int(rng.integers(2, 5)) if rng.random() < motif.many else 1
    for part in _places(view, rng, motif, count):
        motif.draw(picture, part, rng)
    if rng.random() < 0.15:
        in_front(picture, view, rng)
    return develop(picture, view, rng)


def _places(view: View, rng: Rng, motif: _Motif, count: int) -> list[View]:
    """Where the objects stand: apart from each other if there are several."""
    start, views = rng.uniform(0, 2 * math.pi), []
    for number in range(count):
        size = rng.uniform(*motif.size) * (1 if count == 1 else 0.6)
        away = rng.uniform(0, 0.22) if count == 1 else rng.uniform(0.45, 0.7)
        direction = start + 2 * math.pi * number / count
        u, v = away * math.cos(direction), away * math.sin(direction)
        placed = view.at(u, v, size, rng.uniform(-motif.turn, motif.turn))
        views.append(stretched(placed, rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1), rng.uniform(-0.12, 0.12)))
    return views
