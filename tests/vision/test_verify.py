from concurrent.futures import ThreadPoolExecutor
from functools import cache

import cv2
import numpy as np
import pytest

from curate.vision.verify import compare, extract
from tests.vision.scenes import framed, jpeg, on_a_page, resized, scene, tiled, turned, watermarked, with_words

SURE = 40.0
"""Far above what different scenes reach, far below copies of these."""


@cache
def features_of(seed):
    return extract(scene(seed))


CHANGES = {
    "identity": lambda p: p,
    "recompressed": lambda p: jpeg(p, 15),
    "resize": lambda p: resized(p, 140, 105),
    "hflip": lambda p: jpeg(p[:, ::-1]),
    "rotate": lambda p: turned(p, 8),
    "crop": lambda p: jpeg(p[30:170, 60:250]),
    "border": lambda p: framed(p, 40, (200, 30, 30)),
    "overlay": lambda p: with_words(p),
    "screenshot": lambda p: jpeg(on_a_page(p)),
    "grayscale": lambda p: cv2.merge([cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)] * 3),
    "color": lambda p: np.clip(p * np.array([0.6, 0.8, 1.0]) + 30, 0, 255).astype(np.uint8),
    "blur": lambda p: cv2.GaussianBlur(p, (0, 0), 2.5),
    "collage": lambda p: jpeg(tiled(scene(91), scene(92), p, scene(93))),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_copy_is_found_and_named(kind):
    match = compare(features_of(1), extract(np.ascontiguousarray(CHANGES[kind](scene(1)))))
    assert match.score > SURE
    assert match.transform == kind
    assert match.correlation > 0.7


HARDER = {
    "crop+flip+grey": lambda p: cv2.merge([cv2.cvtColor(p[20:160, 40:220, ::-1].copy(), cv2.COLOR_RGB2GRAY)] * 3),
    "small part": lambda p: jpeg(p[50:183, 60:237]),
    "strong turn": lambda p: turned(p, -30),
    "wide border": lambda p: framed(p, 80, (0, 0, 0)),
    "blur and crop": lambda p: cv2.GaussianBlur(p[20:190, 30:260], (0, 0), 2.0),
    "squeezed": lambda p: resized(p, 150, 210),
    "faded": lambda p: (p * 0.4 + 120).astype(np.uint8),
    "cut tile": lambda p: tiled(scene(91), scene(92), scene(93), p[:, 35:245]),
    "watermark": lambda p: jpeg(watermarked(p)),
    "thumbnail": lambda p: resized(p, 64, 48),
}


@pytest.mark.parametrize("change", HARDER)
def test_stronger_and_joined_changes_are_found(change):
    assert compare(features_of(2), extract(np.ascontiguousarray(HARDER[change](scene(2))))).score > SURE


@pytest.mark.parametrize("seed", range(5))
def test_different_scenes_have_next_to_no_score(seed):
    match = compare(features_of(10 + seed), features_of(20 + seed))
    assert 0 <= match.score < 5


DRESSES = {
    "border": lambda p: framed(p, 30, (200, 30, 30)),
    "page": on_a_page,
    "words": with_words,
    "watermark": watermarked,
    "same corner": lambda p: np.vstack([scene(50)[:60], p[60:]]),
    "same tiles": lambda p: tiled(p, scene(91), scene(92), scene(93)),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_what_lies_around_or_over_two_pictures_makes_them_no_copies(dress):
    one, other = (extract(np.ascontiguousarray(DRESSES[dress](scene(seed)))) for seed in (30, 31))
    if dress == "same tiles":
        one = features_of(30)
    assert compare(one, other).score < SURE / 2


def test_plain_pictures_are_no_evidence():
    white, grey = (extract(np.full((100, 120, 3), level, np.uint8)) for level in (255, 128))
    assert compare(white, grey).score < 5
    assert compare(white, white).score < 5
    assert compare(white, features_of(1)).score < 5
    assert compare(features_of(1), white).score < 5


def sparse(at):
    """A bird far away."""
    sky = np.full((200, 280, 3), (120, 160, 210), np.uint8)
    return cv2.circle(sky, at, 9, (30, 30, 40), -1, cv2.LINE_AA)


def test_equal_pixels_are_sure_however_little_there_is_to_see():
    one, other = extract(sparse((90, 70))), extract(sparse((180, 120)))
    assert compare(one, extract(sparse((90, 70)))).score > SURE
    assert compare(one, other).score < SURE / 2


@pytest.mark.parametrize("seed", range(3))
def test_another_print_of_one_design_is_no_copy(seed):
    """A bank note, say: everything lies where it does, but drawn, worn and photographed anew."""
    rng = np.random.default_rng(seed)
    design, shading = scene(60 + seed), rng.normal(0, 1, (27, 36, 3)).astype(np.float32)
    shading = cv2.resize(shading, (280, 210), interpolation=cv2.INTER_CUBIC)
    other = cv2.GaussianBlur(design, (0, 0), 2.5) + 25 * shading + rng.normal(0, 6, design.shape)
    other = jpeg(np.clip(other, 0, 255).astype(np.uint8))
    assert (
        compare(extract(design), extract(other)).score < compare(extract(design), extract(jpeg(design, 60))).score / 3
    )


def test_tiny_pictures_are_told_apart():
    tiny = [resized(scene(seed, 192, 192), 32, 32) for seed in range(40, 44)]
    features = [extract(p) for p in tiny]
    changed = [extract(jpeg(np.ascontiguousarray(p[:, ::-1]), 80)) for p in tiny]
    scores = np.array([[compare(one, other).score for other in changed] for one in features])
    own = np.diag(scores).copy()
    np.fill_diagonal(scores, 0)
    assert own.min() > 2 * scores.max()


def test_where_the_copy_lies_is_measured():
    picture = scene(3)
    match = compare(features_of(3), extract(resized(np.ascontiguousarray(picture[42:189, 56:252]), 294, 220)))
    assert (match.box_left, match.box_top, match.box_right, match.box_bottom) == pytest.approx(
        (56 / 280, 42 / 210, 252 / 280, 189 / 210), abs=0.01
    )
    assert match.scale == pytest.approx(1.5, rel=0.01)
    assert match.rotation == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("degrees", [-20.0, 30.0])
def test_rotation_is_counter_clockwise_also_of_a_mirrored_copy(degrees):
    picture = scene(4)
    for copy in (turned(picture, degrees), turned(np.ascontiguousarray(picture[:, ::-1]), degrees)):
        assert compare(features_of(4), extract(copy)).rotation == pytest.approx(degrees, abs=0.5)


def test_the_result_depends_on_the_pair_alone():
    features = [features_of(seed) for seed in (1, 2)] + [extract(jpeg(with_words(scene(1)), 40))]
    pairs = [(one, other) for one in features for other in features]
    alone = [compare(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda pair: compare(*pair), reversed(pairs))) == alone[::-1]
    assert compare(extract(scene(1)), extract(scene(1))) == alone[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 2), (3, 3), (40, 900)])
def test_any_shape_is_compared(shape):
    odd = extract(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    for match in (compare(odd, odd), compare(odd, features_of(1)), compare(features_of(1), odd)):
        assert np.isfinite(match.score)
        assert 0 <= match.box_left <= match.box_right <= 1


def test_features_are_small_and_those_of_a_read_only_picture():
    picture = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    picture.flags.writeable = False
    features = extract(picture)
    arrays = [getattr(features, name) for name in features.__slots__]
    assert sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) <= 150_000
    assert (features.height, features.width) == (600, 600)
