"""Drawing with distances: shapes as signed distance fields, painted into pictures with soft edges.

A picture is a float32 array (3, height, width) in [0, 1], changed in place. A field is a float32 array
(height, width). A colour is three numbers, or a picture. Coordinates have their origin in the middle and run to ±1
along the shorter side; v points down.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.floating[Any]]
Field = npt.NDArray[np.floating[Any]]
Colour = tuple[float, float, float] | npt.NDArray[np.floating[Any]]
Rng = np.random.Generator


def _length(a: Field, b: Field) -> Field:
    length: Field = np.hypot(a, b)
    return length


@dataclass(frozen=True)
class View:
    """Where each pixel lies in the coordinates of an object of about unit radius.

    Attributes:
        u: Across the object, a field.
        v: Down the object, a field.
        px: Size of a pixel in object units; edges are blurred over one.
    """

    u: Field
    v: Field
    px: float

    @property
    def r(self) -> Field:
        """Distance from the object's middle."""
        return _length(self.u, self.v)

    @property
    def angle(self) -> Field:
        """Direction from the object's middle, in radians."""
        return np.arctan2(self.v, self.u)

    def at(self, u: float, v: float, size: float = 1.0, turn: float = 0.0) -> "View":
        """The view of a part: its middle at (u, v), of the given radius, turned by radians."""
        du, dv = (self.u - u) / size, (self.v - v) / size
        c, s = math.cos(turn), math.sin(turn)
        return View(c * du + s * dv, c * dv - s * du, self.px / size)


def whole(height: int, width: int) -> View:
    """The view of a whole picture."""
    short = min(height, width)
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) * (2 / short)
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) * (2 / short)
    u, v = np.meshgrid(x, y)
    return View(u, v, 2 / short)


def stretched(view: View, across: float, down: float, shear: float = 0.0) -> View:
    """The same object seen wider or narrower."""
    return View(view.u / across + shear * view.v, view.v / down, view.px)


def plane(colour: Colour) -> Picture:
    """A colour in the shape that pictures compute with."""
    array = np.asarray(colour, np.float32)
    return array[:, None, None] if array.ndim == 1 else array


def paint(picture: Picture, distance: Field, colour: Colour, px: float, strength: float = 1.0) -> None:
    """Paints where the distance is negative.

    Args:
        picture: Changed in place.
        distance: Signed distance to the edge in object units; negative inside.
        colour: One colour or one per pixel.
        px: Width of the soft edge in the same units.
        strength: 1 covers wholly.
    """
    alpha = distance * (-strength / px)
    alpha += 0.5 * strength
    np.clip(alpha, 0, strength, out=alpha)
    change = plane(colour) - picture
    change *= alpha
    picture += change


def disc(view: View, u: float = 0.0, v: float = 0.0, radius: float = 1.0) -> Field:
    """Distance to a disc."""
    return _length(view.u - u, view.v - v) - radius


def oval(view: View, u: float, v: float, across: float, down: float) -> Field:
    """Distance to an ellipse, exact enough at its edge."""
    a, b = (view.u - u) / across, (view.v - v) / down
    return (_length(a, b) - 1) * min(across, down)


def box(view: View, u: float, v: float, across: float, down: float, rounding: float = 0.0) -> Field:
    """Distance to a box of the given half sides."""
    a = np.abs(view.u - u) - (across - rounding)
    b = np.abs(view.v - v) - (down - rounding)
    outside: Field = _length(np.maximum(a, 0), np.maximum(b, 0))
    inside: Field = np.minimum(np.maximum(a, b), 0)
    return outside + inside - rounding


def line(view: View, u0: float, v0: float, u1: float, v1: float, radius: float, end: float | None = None) -> Field:
    """Distance to a thick line with round ends, its radius running from `radius` to `end`."""
    du, dv = u1 - u0, v1 - v0
    a, b = view.u - u0, view.v - v0
    along = np.clip((a * du + b * dv) / (du * du + dv * dv + 1e-9), 0, 1)
    width = radius if end is None else radius + (end - radius) * along
    return _length(a - along * du, b - along * dv) - width


def polar(view: View, radius: Field) -> Field:
    """Distance to a shape given by its radius in each direction, good near the edge."""
    return view.r - radius


def petals(view: View, count: int, turn: float = 0.0) -> Field:
    """1 along `count` directions, -1 half way between."""
    wave: Field = np.cos(count * (view.angle - turn))
    return wave


def dome(view: View, light: tuple[float, float]) -> Field:
    """Brightness of a unit ball lit from a direction in the plane; about 0.55 to 1.15."""
    z = np.sqrt(np.clip(1 - view.u**2 - view.v**2, 0, 1))
    return 0.6 + 0.42 * np.clip(light[0] * view.u + light[1] * view.v + 0.75 * z, -0.1, 1.3)


def tint(colour: Colour, brightness: Field) -> Picture:
    """A colour per pixel: one colour under varying brightness."""
    return plane(colour) * brightness


def mix(first: Colour, second: Colour, share: Field) -> Picture:
    """A colour per pixel between two; share 1 = second."""
    a = plane(first)
    return np.clip(share, 0, 1) * (plane(second) - a) + a


def vary(rng: Rng, colour: tuple[float, float, float], by: float = 0.08) -> tuple[float, float, float]:
    """The colour, a little different each time."""
    r, g, b = np.clip(np.asarray(colour) + rng.normal(0, by, 3), 0.02, 0.98)
    return float(r), float(g), float(b)


def pick(rng: Rng, *colours: tuple[float, float, float], by: float = 0.06) -> tuple[float, float, float]:
    """One of the colours, a little different each time."""
    return vary(rng, colours[int(rng.integers(len(colours)))], by)


def rough(rng: Rng, view: View, cells: float) -> Field:
    """Smooth noise with so many bumps along the shorter side of the picture, about -1 to 1."""
    height, width = view.u.shape
    short = min(height, width)
    rows, columns = max(2, round(cells * height / short)) + 1, max(2, round(cells * width / short)) + 1
    knots = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return _blend(height, rows) @ knots @ _blend(width, columns).T * 1.3


def layers(rng: Rng, view: View, cells: float, depth: int = 3) -> Field:
    """Noise of several scales, each half as strong and twice as fine."""
    total: Field = np.zeros(view.u.shape, np.float32)
    for octave in range(depth):
        total += rough(rng, view, cells * 2**octave) * 0.5**octave
    return total / 1.5


@lru_cache(maxsize=512)
def _blend(size: int, knots: int) -> npt.NDArray[np.float32]:
    """Weights (size, knots) of smooth interpolation between neighbouring knots."""
    place = np.linspace(0, knots - 1, size, dtype=np.float32)
    left = np.minimum(place.astype(np.int64), knots - 2)
    t = place - left
    t = t * t * (3 - 2 * t)
    weights = np.zeros((size, knots), np.float32)
    weights[np.arange(size), left] = 1 - t
    weights[np.arange(size), left + 1] = t
    return weights


def spots(view: View, rng: Rng, per_unit: float, jitter: float = 0.8) -> tuple[Field, Field]:
    """Cells around scattered points: distance to the nearest point, in cells, and a random number per cell.

    Args:
        view: Object coordinates within ±4.
        rng: Where the points lie.
        per_unit: Points per unit of length.
        jitter: 0 = a square grid, 1 = fully scattered.
    """
    side = int(8 * per_unit) + 3
    shift = rng.uniform(0.5 - jitter / 2, 0.5 + jitter / 2, (2, side * side)).astype(np.float32)
    label = rng.random(side * side).astype(np.float32)
    a, b = (view.u + 4) * per_unit + 1, (view.v + 4) * per_unit + 1
    column, row = np.clip(a.astype(np.int32), 1, side - 2), np.clip(b.astype(np.int32), 1, side - 2)
    a, b, place = a - column, b - row, row * side + column
    nearest = np.full(a.shape, 9, np.float32)
    chosen = place
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            cell = place + (dr * side + dc)
            d = (a - (dc + shift[0].take(cell))) ** 2 + (b - (dr + shift[1].take(cell))) ** 2
            chosen = np.where(d < nearest, cell, chosen)
            np.minimum(nearest, d, out=nearest)
    return np.sqrt(nearest), label.take(chosen)


def any_light(rng: Rng) -> tuple[float, float]:
    """A direction for `dome` to be lit from."""
    angle = rng.uniform(0, 2 * math.pi)
    return 0.55 * math.cos(angle), 0.55 * math.sin(angle)
