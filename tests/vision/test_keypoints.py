import cv2
import numpy as np
import pytest

from curate.vision.alignment import compose, invert, scale_of
from curate.vision.keypoints import codes_of, propose
from tests.vision.scenes import scene


def random_codes(rng, n):
    return codes_of(rng.gamma(0.5, 30.0, (n, 128)).astype(np.float32))


def mirrored(codes):
    return np.concatenate([codes[:, 64:], codes[:, :64]], axis=1)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("scale", "turn"), [(1.0, 0.0), (0.4, 0.5), (2.0, -2.5)])
def test_a_planted_transform_is_proposed_among_chance_matches(scale, turn, flipped):
    rng = np.random.default_rng(1)
    there = np.column_stack([rng.uniform(0, 200, (60, 2)), rng.uniform(2, 9, 60), rng.uniform(-3, 3, 60)])
    codes = random_codes(rng, 60)
    seen = there.copy()
    if flipped:
        seen[:, 0], seen[:, 3] = 200 - seen[:, 0], np.pi - seen[:, 3]
    matrix = np.array([[np.cos(turn), -np.sin(turn), 30.0], [np.sin(turn), np.cos(turn), -7.0]])
    matrix[:, :2] *= scale
    here = np.column_stack([seen[:, :2] @ matrix[:, :2].T + matrix[:, 2], seen[:, 2] * scale, seen[:, 3] + turn])
    here[40:, :2] = rng.uniform(0, 200, (20, 2))  # a third match by their looks alone
    shown = mirrored(codes) if flipped else codes
    found = propose(there.astype(np.float32), codes, here.astype(np.float32), shown, 200.0)
    best = max(found, key=lambda p: p.n_inliers)
    whole = compose(matrix, np.array([[-1.0, 0, 200], [0, 1, 0]])) if flipped else matrix
    assert 40 <= best.n_inliers <= 42
    np.testing.assert_allclose(best.matrix[:, :2], whole[:, :2], atol=0.02)
    np.testing.assert_allclose(best.matrix @ [100, 100, 1], whole @ [100, 100, 1], atol=1.0)


def test_chance_matches_agree_on_nothing():
    rng = np.random.default_rng(2)
    one, other = (np.column_stack([rng.uniform(0, 250, (300, 2)), rng.uniform(2, 9, 300), rng.uniform(-3, 3, 300)])
                  for _ in range(2))  # fmt: skip
    found = propose(
        one.astype(np.float32), random_codes(rng, 300), other.astype(np.float32), random_codes(rng, 300), 250
    )
    assert all(p.n_inliers < 8 for p in found)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_keypoints_propose_nothing(n):
    points, codes = np.ones((n, 4), np.float32), np.ones((n, 128), np.uint8)
    assert propose(points, codes, points, codes, 100.0) == []


def test_descriptors_of_a_mirrored_picture_are_the_mirrored_descriptors():
    grey = cv2.cvtColor(scene(1), cv2.COLOR_RGB2GRAY)
    finder = cv2.SIFT.create(100, enable_precise_upscale=True)
    points, descriptors = finder.detectAndCompute(grey, None)
    width = grey.shape[1]
    flipped = [cv2.KeyPoint(width - 1 - p.pt[0], p.pt[1], p.size, (180 - p.angle) % 360, p.response, p.octave)
               for p in points]  # fmt: skip
    _, theirs = finder.compute(np.ascontiguousarray(grey[:, ::-1]), flipped)
    own, theirs = (codes_of(d).astype(np.float64) for d in (descriptors, theirs))
    cosines = (mirrored(own) * theirs).sum(axis=1) / np.linalg.norm(own, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.median(cosines) > 0.95


def test_alignments_compose_and_invert():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 2, 3))
    np.testing.assert_allclose(compose(invert(one), one), np.eye(2, 3), atol=1e-9)
    np.testing.assert_allclose(compose(one, other) @ [3, 4, 1], one @ np.append(other @ [3, 4, 1], 1), atol=1e-9)
    assert scale_of(compose(one, other)) == pytest.approx(scale_of(one) * scale_of(other))
