"""Procedural scenes of several layers: objects that never were, before textured ground, with light and shadow."""

import cv2
import numpy as np
from numpy.typing import NDArray
from textures import SIDE, Image, Rng, colour, field, ifs, palette, ramp, smooth, texture, warp

LETTERS = "aaabcdeeefghiiklmnooprrsstttuvwyzABCDEFGHIKLMNOPRSTW0123456789"
FONTS = (0, 1, 2, 3, 4, 5, 6, 7)
"""OpenCV's own line fonts."""


class Pool:
    """Textures that many images share, so that a colour or pattern alone never tells which image it is."""

    def __init__(self, rng: Rng, size: int = 200) -> None:
        self.textures = [texture(rng) for _ in range(size)]

    def draw(self, rng: Rng) -> Image:
        """A random cut of a pooled texture; now and then one is replaced by a new one."""
        which = int(rng.integers(len(self.textures)))
        if rng.random() < 0.12:
            self.textures[which] = texture(rng)
        side = int(SIDE * rng.uniform(0.3, 1))
        top, left = rng.integers(0, SIDE - side + 1, 2)
        cut = cv2.resize(self.textures[which][top : top + side, left : left + side], (SIDE, SIDE))
        cut = np.rot90(cut, int(rng.integers(4)))
        if rng.random() < 0.4:
            cut = cut[..., rng.permutation(3)]
        return np.ascontiguousarray(cut)


def word(rng: Rng) -> str:
    """A made-up word or number."""
    return "".join(LETTERS[i] for i in rng.integers(0, len(LETTERS), int(rng.integers(2, 9))))


def _fill(points: NDArray[np.floating], mask: Image) -> None:
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)


def _blob(rng: Rng) -> Image:
    """A smooth outline, mirror-symmetric as often as not."""
    t = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    orders = np.arange(1, 9)
    size, phase = rng.normal(size=8) * rng.uniform(0.1, 0.5) / orders**0.8, rng.uniform(0, 2 * np.pi, 8)
    if rng.random() < 0.5:
        phase[:] = 0
    radius = np.maximum(1 + (size[:, None] * np.cos(orders[:, None] * t + phase[:, None])).sum(0), 0.08)
    points = np.stack([np.sin(t) * radius * rng.uniform(0.5, 1), np.cos(t) * radius], -1)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    _fill(points / np.abs(points).max() * SIDE * 0.47 + SIDE / 2, mask)
    return mask


def _polygon(rng: Rng) -> Image:
    """A star, gear, box or other straight-edged outline."""
    n, inner = int(rng.integers(3, 13)), rng.choice([1.0, rng.uniform(0.3, 0.95)])
    t = np.linspace(0, 2 * np.pi, 2 * n, endpoint=False)
    radius = np.where(np.arange(2 * n) % 2, inner * (np.cos(np.pi / n) if inner == 1 else 1), 1)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    _fill(np.stack([np.sin(t), np.cos(t)], -1) * radius[:, None] * SIDE * 0.47 + SIDE / 2, mask)
    if rng.random() < 0.25:
        cv2.circle(mask, (SIDE // 2, SIDE // 2), int(SIDE * rng.uniform(0.05, 0.3)), 0, -1, cv2.LINE_AA)
    return mask


def _creature(rng: Rng) -> Image:
    """Body, head, limbs: ellipses and tapering lines that grow out of each other."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre, axes = rng.uniform(60, 100, 2), rng.uniform(15, 45, 2)
    cv2.ellipse(mask, (centre.tolist(), (axes * 2).tolist(), rng.uniform(0, 180)), 255, -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(2, 9))):
        turn = rng.uniform(0, 2 * np.pi)
        joint = centre + 0.8 * axes * (np.cos(turn), np.sin(turn))
        thick = int(rng.integers(3, 16))
        for _ in range(int(rng.integers(1, 4))):
            turn += rng.normal(0, 0.6)
            end = joint + rng.uniform(10, 35) * np.array([np.cos(turn), np.sin(turn)])
            cv2.line(mask, joint.astype(int).tolist(), end.astype(int).tolist(), 255, thick, cv2.LINE_AA)
            joint, thick = end, max(2, int(thick * 0.75))
        if rng.random() < 0.4:
            cv2.circle(mask, joint.astype(int).tolist(), int(rng.integers(4, 18)), 255, -1, cv2.LINE_AA)
    return mask


def _frame(rng: Rng) -> Image:
    """Things made of bars and hoops."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    knots = rng.integers(10, SIDE - 10, (int(rng.integers(3, 8)), 2))
    thick = int(rng.integers(2, 9))
    for _ in range(int(rng.integers(3, 12))):
        first, last = rng.choice(len(knots), 2, replace=False)
        cv2.line(mask, knots[first].tolist(), knots[last].tolist(), 255, thick, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        at = knots[rng.integers(len(knots))].tolist()
        cv2.circle(mask, at, int(rng.integers(6, 36)), 255, int(rng.choice([-1, 2, 5])), cv2.LINE_AA)
    return np.maximum(mask, mask[:, ::-1]) if rng.random() < 0.3 else mask


def _plant(rng: Rng) -> Image:
    return (np.clip(ifs(rng) * 3, 0, 1) * 255).astype(np.uint8)


def outline(rng: Rng) -> Image:
    """The mask of one object, uint8 SIDE × SIDE, 255 inside."""
    makers = (_blob, _polygon, _creature, _frame, _plant)
    mask = makers[rng.choice(5, p=(0.35, 0.17, 0.25, 0.13, 0.1))](rng)
    return warp(mask, rng, rng.uniform(3, 16)) if rng.random() < 0.35 else mask  # type: ignore[return-value]


def skin(rng: Rng, pool: Pool, mask: Image) -> Image:
    """What an object looks like: a texture or plain colours, parts, light from one side, perhaps a dark rim."""
    if rng.random() < 0.6:
        body = pool.draw(rng).astype(np.float32)
    else:
        body = palette(rng)[(ramp(rng) * 255).astype(np.uint8)].astype(np.float32)
    for _ in range(int(rng.integers(0, 4))):
        at, tone = rng.integers(20, SIDE - 20, 2).tolist(), (colour(rng) * 255).tolist()
        cv2.ellipse(body, (at, rng.uniform(4, 50, 2).tolist(), rng.uniform(0, 180)), tone, -1, cv2.LINE_AA)
    if rng.random() < 0.7:
        height = cv2.GaussianBlur(mask, (0, 0), rng.uniform(3, 14)).astype(np.float32) / 255
        turn = rng.uniform(0, 2 * np.pi)
        slope = cv2.Sobel(height, -1, 1, 0) * np.cos(turn) + cv2.Sobel(height, -1, 0, 1) * np.sin(turn)
        body *= np.clip(1 + rng.uniform(1, 4) * slope, 0.25, 1.8)[..., None]
    if rng.random() < 0.25:
        inside = cv2.erode(mask, np.ones((5, 5), np.uint8)).astype(np.float32) / 255
        body *= (0.15 + 0.85 * inside)[..., None]
    return np.clip(body, 0, 255).astype(np.uint8)


def _place(rng: Rng, layer: NDArray[np.generic], matrix: NDArray[np.float64]) -> NDArray[np.generic]:
    return cv2.warpAffine(layer, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def put(rng: Rng, canvas: Image, thing: tuple[Image, Image], size: float, at: NDArray[np.float64]) -> Image:
    """Lays an object onto a picture, `size` of its side wide, around `at`, with a shadow as often as not."""
    mask, body = thing
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 25), size)
    matrix[0] *= rng.uniform(0.7, 1.4)
    matrix[:, 2] += at - matrix @ (SIDE / 2, SIDE / 2, 1)
    alpha = (_place(rng, mask, matrix).astype(np.float32) / 255)[..., None]
    found = canvas.astype(np.float32)
    if rng.random() < 0.5:
        shift = np.float32([[1, 0, rng.uniform(-9, 9)], [0, 1, rng.uniform(0, 9)]])
        shadow = cv2.GaussianBlur(cv2.warpAffine(alpha, shift, (SIDE, SIDE)), (0, 0), rng.uniform(1, 6))
        found *= 1 - rng.uniform(0.2, 0.6) * shadow[..., None]
    return (found * (1 - alpha) + _place(rng, body, matrix) * alpha).astype(np.uint8)


def ground(rng: Rng, pool: Pool) -> Image:
    """What lies behind: white, a gradient, a texture (perhaps out of focus), or a floor in perspective below a sky."""
    kind = rng.choice(4, p=(0.12, 0.22, 0.38, 0.28))
    if kind == 0:
        return np.full((SIDE, SIDE, 3), rng.choice([255, rng.integers(200, 256), rng.integers(0, 40)]), np.uint8)
    if kind == 1:
        return palette(rng)[(ramp(rng) * 255).astype(np.uint8)]
    if kind == 2:
        found = pool.draw(rng)
        return cv2.GaussianBlur(found, (0, 0), rng.uniform(1, 8)) if rng.random() < 0.5 else found
    found = palette(rng)[(ramp(rng) * 255).astype(np.uint8)] if rng.random() < 0.6 else pool.draw(rng)
    horizon, depth = rng.uniform(0.25, 0.8) * SIDE, rng.uniform(0.5, 4) * SIDE
    corners = np.float32([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]])
    floor = np.float32([[0, horizon], [SIDE, horizon], [SIDE + depth, SIDE], [-depth, SIDE]])
    matrix = cv2.getPerspectiveTransform(corners, floor)
    below = cv2.warpPerspective(pool.draw(rng), matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    edge = horizon + rng.choice([0, 12]) * (smooth(rng, 5)[0] - 0.5) * 4
    return np.where((np.arange(SIDE)[:, None] > edge[None, :])[..., None], below, found)


def still_life(rng: Rng, pool: Pool) -> Image:
    """A few objects on a ground, one of them large."""
    canvas = ground(rng, pool)
    for rank in range(int(rng.integers(1, 7)))[::-1]:
        mask = outline(rng)
        size = rng.uniform(0.5, 1.1) if rank == 0 else rng.uniform(0.12, 0.6)
        at = rng.normal(SIDE / 2, 14 if rank == 0 else 48, 2)
        canvas = put(rng, canvas, (mask, skin(rng, pool, mask)), size, at)
    return canvas


def crowd(rng: Rng, pool: Pool) -> Image:
    """The same one or two objects many times."""
    canvas = ground(rng, pool)
    masks = [outline(rng) for _ in range(int(rng.integers(1, 3)))]
    things = [(mask, skin(rng, pool, mask)) for mask in masks]
    size = rng.uniform(0.1, 0.4)
    for _ in range(int(rng.integers(4, 16))):
        thing = things[rng.integers(len(things))]
        canvas = put(rng, canvas, thing, size * rng.uniform(0.7, 1.3), rng.uniform(0, SIDE, 2))
    return canvas


def mosaic(rng: Rng, pool: Pool) -> Image:
    """Regions, each of its own texture."""
    cuts = np.digitize(field(rng), np.sort(rng.random(int(rng.integers(1, 4)))))
    layers = np.stack([pool.draw(rng) for _ in range(int(cuts.max()) + 1)])
    return np.take_along_axis(layers, cuts[None, ..., None], 0)[0]


def drawing(rng: Rng, pool: Pool) -> Image:
    """Lines on paper: outlines of objects, filled with flat colours or not at all."""
    del pool
    paper = 255 - (np.abs(colour(rng)) * rng.choice([0, 40, 120])).astype(np.uint8)
    canvas, ink = np.tile(paper, (SIDE, SIDE, 1)), (colour(rng) * rng.choice([0, 120])).tolist()
    for _ in range(int(rng.integers(1, 5))):
        matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 30), rng.uniform(0.3, 1.1))
        matrix[:, 2] += rng.normal(0, 25, 2)
        mask = _place(rng, outline(rng), matrix)
        found, _ = cv2.findContours((mask > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        if rng.random() < 0.4:
            canvas[mask > 127] = (colour(rng) * 255).astype(np.uint8)
        cv2.drawContours(canvas, found, -1, ink, int(rng.integers(1, 4)), cv2.LINE_AA)
    return canvas


def page(rng: Rng, pool: Pool) -> Image:
    """Text in lines, perhaps around a picture."""
    canvas = np.full((SIDE, SIDE, 3), 255, np.uint8) if rng.random() < 0.5 else ground(rng, pool)
    ink, font, scale = (colour(rng) * rng.choice([60, 255])).tolist(), int(rng.choice(FONTS)), rng.uniform(0.25, 1.2)
    y = rng.uniform(8, 40)
    while y < SIDE:
        line = " ".join(word(rng) for _ in range(int(rng.integers(1, 6))))
        left, thick = int(rng.integers(2, 20)), int(rng.integers(1, 3))
        cv2.putText(canvas, line, (left, int(y)), font, scale, ink, thick, cv2.LINE_AA)
        y += 30 * scale + rng.uniform(2, 8)
    if rng.random() < 0.6:
        mask = outline(rng)
        canvas = put(rng, canvas, (mask, skin(rng, pool, mask)), rng.uniform(0.3, 0.8), rng.uniform(30, 130, 2))
    return canvas


def _finish(rng: Rng, canvas: Image) -> Image:
    """Light, colour cast, focus and grain of a camera that never was."""
    found = canvas.astype(np.float32)
    if rng.random() < 0.4:
        found *= (0.6 + 0.8 * smooth(rng, int(rng.integers(2, 5))))[..., None]
    if rng.random() < 0.3:
        found = found * rng.uniform(0.7, 1.2, 3).astype(np.float32) + rng.uniform(-15, 15, 3).astype(np.float32)
    if rng.random() < 0.2:
        found = found * 0.25 + found.mean(-1, keepdims=True) * 0.75
    if rng.random() < 0.3:
        found = cv2.GaussianBlur(found, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:
        found += rng.normal(0, rng.uniform(2, 10), found.shape).astype(np.float32)
    return np.clip(found, 0, 255).astype(np.uint8)


def picture(rng: Rng, pool: Pool) -> Image:
    """One procedural picture, uint8 SIDE × SIDE × 3."""
    kind = rng.choice(6, p=(0.54, 0.1, 0.12, 0.08, 0.07, 0.09))
    if kind == 5:
        return _finish(rng, texture(rng))
    return _finish(rng, (still_life, crowd, mosaic, drawing, page)[kind](rng, pool))
