from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import FormatError
from curate.train.sampler import FLIP, SHIFT_X, Position, batches, epoch_order, image_words, uniform
from tests.train.corpus import image_id


def words(n):
    return image_words(sorted(image_id(str(i)) for i in range(n)))


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6))
def test_an_epoch_is_an_exact_permutation_and_repeatable(n, seed, epoch):
    rows, copies = epoch_order(words(n), np.ones(n), seed, epoch)
    assert sorted(rows.tolist()) == list(range(n))
    assert not copies.any()
    assert epoch_order(words(n), np.ones(n), seed, epoch)[0].tolist() == rows.tolist()


def test_seeds_and_epochs_give_other_orders():
    orders = {tuple(epoch_order(words(50), np.ones(50), seed, epoch)[0]) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_an_image_keeps_its_place_relative_to_others_when_rows_are_left_out():
    everything, some = words(100), words(100)[::2]
    order = [row for row in epoch_order(everything, np.ones(100), 7, 3)[0].tolist() if row % 2 == 0]
    assert order == (2 * epoch_order(some, np.ones(50), 7, 3)[0]).tolist()


def test_repeats_are_rounded_stochastically():
    factors = np.array([1.0, 1.25, 2.0, 3.75])
    shown = np.zeros((400, 4))
    for epoch in range(400):
        rows, copies = epoch_order(words(4), factors, 0, epoch)
        shown[epoch] = np.bincount(rows, minlength=4)
        assert len(set(zip(rows.tolist(), copies.tolist(), strict=True))) == len(rows)
    assert np.all((shown == np.floor(factors)) | (shown == np.ceil(factors)))
    assert np.abs(shown.mean(axis=0) - factors).max() < 4 * 0.5 / np.sqrt(400)


def test_square_root_repeats_flatten_a_zipf_tail_as_computed():
    # 1,000 classes, 200,000 labels, t = 1e-3: the epoch grows 1.19-fold, head to tail falls from 281 to 105.
    counts = np.maximum(1, (200_000 / np.arange(1, 1001) / (1 / np.arange(1, 1001)).sum())).astype(int)
    frequency = counts / counts.sum()
    factor = np.maximum(1, np.sqrt(1e-3 / frequency))
    ids = [f"{i:032x}" for i in range(counts.sum())]
    rows, _ = epoch_order(image_words(ids), np.repeat(factor, counts), 0, 0)
    per_class = np.bincount(np.repeat(np.arange(1000), counts)[rows], minlength=1000)
    assert len(rows) / counts.sum() == pytest.approx(1.19, abs=0.03)
    assert (counts[:10].sum() / counts[-10:].sum()) / (per_class[:10].sum() / per_class[-10:].sum()) == pytest.approx(
        factor[-10:].mean(), rel=0.05
    )


def test_numbers_are_uniform_and_independent():
    u, v = uniform(words(4000), 1, 0, 0, FLIP), uniform(words(4000), 1, 0, 0, SHIFT_X)
    counts = np.histogram(u, bins=10, range=(0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 28  # chi-squared, 9 degrees of freedom, p < 0.001
    assert abs(np.corrcoef(u, v)[0, 1]) < 0.06
    assert abs(np.corrcoef(u, uniform(words(4000), 1, 1, 0, FLIP))[0, 1]) < 0.06


def test_batches_are_the_epochs_cut_and_can_start_anywhere():
    factors = np.array([1.0, 1.5, 2.2, 1.0, 1.0, 1.9, 1.0])
    stream = list(islice(batches(words(7), factors, 5, 4, Position()), 12))
    epochs = np.concatenate([epoch_order(words(7), factors, 5, epoch)[0] for epoch in range(8)])
    assert np.concatenate([batch.rows for batch in stream]).tolist() == epochs[:48].tolist()
    assert {len(batch.rows) for batch in stream} == {4}
    again = list(islice(batches(words(7), factors, 5, 4, stream[4].end), 7))
    for one, other in zip(stream[5:], again, strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.epochs.tolist() == other.epochs.tolist()
        assert one.end == other.end


def test_a_batch_may_be_larger_than_the_manifest():
    batch = next(batches(words(3), np.ones(3), 0, 8, Position()))
    assert batch.epochs.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert batch.end == Position(2, 2)


def test_image_ids_must_be_hex():
    with pytest.raises(FormatError):
        image_words(["x" * 32])
