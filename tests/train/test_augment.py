import numpy as np

from curate.train.augment import crop_box, flip, shift

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_flipping_twice_changes_nothing_and_only_the_chosen_are_flipped():
    chosen = np.array([True, False, True, False, False])
    once = flip(PIXELS, chosen)
    assert np.array_equal(once[0], PIXELS[0, :, ::-1])
    assert np.array_equal(once[1], PIXELS[1])
    assert np.array_equal(flip(once, chosen), PIXELS)


def test_a_shift_moves_by_an_eighth_at_most():
    middle = np.full(5, 0.5)
    assert np.array_equal(shift(PIXELS, middle, middle), PIXELS)
    moved = shift(PIXELS, np.zeros(5), np.full(5, 0.999))
    assert np.array_equal(moved[:, :-2, 2:], PIXELS[:, 2:, :-2])
    assert (moved[:, -2:] == (124, 116, 104)).all()
    assert (moved[:, :, :2] == (124, 116, 104)).all()


def test_crops_lie_inside_and_cover_a_quarter_or_nearly():
    for draws in np.random.default_rng(0).random((300, 4)).tolist():
        left, top, right, bottom = crop_box(400, 300, *draws)
        assert 0 <= left < right <= 400
        assert 0 <= top < bottom <= 300
        assert (right - left) * (bottom - top) >= 0.2 * 400 * 300
