import pytest

from curate.noise.agreement import (
    Agreement,
    agreement,
    is_correct,
    is_disputed,
    wants_another,
    wants_second,
)

C, W, U = "correct", "wrong", "unsure"


def test_two_people_by_hand():
    # 10 pairs: 5 C C, 2 W W, 2 C W, 1 C U; so 13 C, 6 W, 1 U among 20 verdicts.
    units = [[C, C]] * 5 + [[W, W]] * 2 + [[C, W]] * 2 + [[C, U]]
    found = agreement(units)
    # Observed disagreement 3 / 10; expected 1 - (13 * 12 + 6 * 5) / (20 * 19) = 194 / 380.
    assert (found.n_pairs, found.share) == (10, pytest.approx(0.7))
    assert found.alpha == pytest.approx(1 - 0.3 / (194 / 380))


def test_the_published_example():
    """Krippendorff 2011, section D: four observers, twelve units, nominal alpha 0.743."""
    rows = ("1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .")
    observers = [row.split() for row in rows]
    units = [[said for said in column if said != "."] for column in zip(*observers, strict=True)]
    assert agreement(units).alpha == pytest.approx(0.743, abs=5e-4)


def test_extremes():
    assert agreement([]) == agreement([[C], [W]]) == Agreement(0, None, None)
    assert agreement([[C, C], [C, C]]) == Agreement(2, 1.0, None)  # no variation: alpha is not defined
    assert agreement([[C, C], [W, W]]) == Agreement(2, 1.0, 1.0)
    assert agreement([[C, W], [W, C]]).alpha < 0


def test_what_verdicts_add_up_to():
    assert is_correct([]) is None
    for verdicts, expected in (([C], True), ([W], False), ([U], False), ([C, W], False), ([C, C, W], True),
                               ([C, U, W], False), ([C, C], True)):  # fmt: skip
        assert is_correct(verdicts) is expected


def test_who_is_to_be_asked():
    assert wants_another([], False) and wants_another([], True)
    assert not wants_another([C], False) and wants_another([C], True)
    assert not wants_another([C, C], True)
    assert wants_another([C, W], False) and wants_another([C, U], True)  # to a third
    assert not wants_another([C, W, W], True)
    assert is_disputed([W, U]) and not is_disputed([W, U, C]) and not is_disputed([W])


def test_a_share_of_the_pairs_wants_two():
    chosen = [wants_second(f"{i:032x}", "n1", 0.1) for i in range(5000)]
    assert 0.085 < sum(chosen) / 5000 < 0.115
    more = [wants_second(f"{i:032x}", "n1", 0.2) for i in range(5000)]
    assert all(b for a, b in zip(chosen, more, strict=True) if a)
    assert not wants_second("a", "n1", 0.0) and wants_second("a", "n1", 1.0)
