import cv2
import numpy as np
import pytest

from curate.vision.agreement import MIN_PART, agreeing_part, agreement, windows, without_outliers
from curate.vision.alignment import Proposal, overlay, refine, shared_box
from tests.vision.scenes import scene, watermarked


def grey(seed):
    return cv2.cvtColor(scene(seed), cv2.COLOR_RGB2GRAY)


def judged(one, other, matrix=None):
    frame = overlay(one, other, Proposal(np.eye(2, 3) if matrix is None else matrix), 128)
    return agreement(frame, in_detail=True)


def test_brightness_and_contrast_do_not_matter():
    faded = (grey(1) * 0.5 + 70).astype(np.uint8)
    assert judged(grey(1), faded).correlation > 0.9
    assert judged(grey(1), faded).votes_GG.sum() > 50


def test_a_blurred_copy_is_compared_with_an_equally_blurred_original():
    blurred = cv2.GaussianBlur(grey(1), (0, 0), 3)
    assert judged(grey(1), blurred).correlation > 0.9


def test_another_picture_gets_votes_against():
    assert judged(grey(1), grey(2)).votes_GG.sum() < -20


def framed(one, other):
    return overlay(one, other, Proposal(np.eye(2, 3)), 128)


def test_what_was_written_over_a_copy_is_left_out():
    frame = framed(grey(1), cv2.cvtColor(watermarked(scene(1)), cv2.COLOR_RGB2GRAY))
    rest = without_outliers(frame, 8.0)
    assert agreement(frame, in_detail=True).votes_GG.sum() < 0.3 * agreement(rest, in_detail=True).votes_GG.sum()
    written = np.abs(frame.eval_HW - frame.corpus_HW) > 30
    assert rest.mask_HW[written].mean() < 0.05
    assert 0.5 < rest.mask_HW.mean() < 0.98


def test_nothing_is_left_out_where_nothing_was_added_or_all_differs():
    faded = (grey(1) * 0.5 + 70).astype(np.uint8)
    assert without_outliers(framed(grey(1), faded), 8.0) is None
    assert without_outliers(framed(grey(1), grey(2)), 8.0) is None


def test_one_straight_edge_is_worth_less_than_a_picture():
    edge = np.where(np.arange(256) < 128, 60, 190).astype(np.uint8)[None].repeat(200, axis=0)
    noisy = np.clip(edge + np.random.default_rng(0).normal(0, 1, edge.shape), 0, 255).astype(np.uint8)
    assert 0 <= judged(edge, noisy).votes_GG.sum() < 0.15 * judged(grey(1), grey(1)).votes_GG.sum()


def test_windows_outside_the_mask_have_no_weight():
    values = np.random.default_rng(0).normal(128, 30, (64, 64)).astype(np.float32)
    mask = np.zeros_like(values)
    mask[:, :32] = 1
    correlation, weight = windows(values, values, mask, 1.0)
    assert (weight[:, 10:] == 0).all()
    assert correlation[weight > 0].min() > 0.99


def test_the_part_that_agrees_is_cut_out():
    votes = np.full((24, 32), -0.5)
    votes[:, 10:] = 1.0
    (left, right), (top, bottom) = agreeing_part(votes)
    assert (left, right, top, bottom) == pytest.approx((10 / 32, 1, 0, 1), abs=0.05)
    assert agreeing_part(np.ones((24, 32))) is None
    assert agreeing_part(-np.ones((24, 32))) is None


def test_a_part_is_no_small_patch():
    votes = np.full((24, 24), -1.0)
    votes[:6, :6] = 20.0
    (left, right), (top, bottom) = agreeing_part(votes)
    assert (right - left) * (bottom - top) >= MIN_PART - 1e-9


def test_overlay_carries_the_corpus_image_back():
    matrix = np.array([[-0.8, 0.1, 260.0], [0.1, 0.8, 10.0]])  # mirrored, turned, smaller
    pixels = matrix.copy()
    pixels[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    copy = cv2.warpAffine(grey(3), pixels, (280, 240), flags=cv2.INTER_AREA)
    frame = overlay(grey(3), copy, Proposal(matrix), 128)
    assert agreement(frame, in_detail=True).correlation > 0.9
    assert 0.9 < frame.seen <= 1
    assert shared_box(matrix, (210, 280), (240, 280), (0, 0, 0.5, 1))[0][2] <= 140


def test_nothing_is_laid_over_what_is_elsewhere():
    assert overlay(grey(1), grey(1), Proposal(np.array([[1.0, 0, 900], [0, 1, 0]])), 128) is None


def test_refinement_corrects_a_small_error():
    off = np.array([[1.01, 0.01, 2.5], [-0.01, 0.99, -2.0]])
    frame = overlay(grey(1), grey(1), Proposal(off), 128)
    better = refine(frame, off, 15)
    assert np.abs(better @ [140, 105, 1] - [140, 105]).max() < 0.3 < np.abs(off @ [140, 105, 1] - [140, 105]).max()
