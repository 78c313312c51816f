"""Floors for what dedup finds of leaks that were made by code it has never seen; see leaks.md for the full tables."""

import argparse
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.real import leaks, leaks_report, leaks_scores

UNMISTAKABLE = ("identity", "resize", "jpeg", "grayscale", "flip", "colour")


@pytest.mark.parametrize("transform", leaks.EDITS)
def test_every_edit_makes_a_picture(transform: str) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    for seed, strength in enumerate((0.0, 0.5, 1.0)):
        edited = leaks.EDITS[transform](picture, strength, np.random.default_rng(seed))
        assert edited.dtype == np.uint8
        assert edited.ndim == 3
        assert edited.shape[2] == 3
        assert min(edited.shape[:2]) >= 15


def test_halves_go_by_the_name_of_the_file() -> None:
    names = [f"n01456756/eval_{number:05d}.jpg" for number in range(600)]
    assert 250 < sum(leaks.half_of(name) == "reported" for name in names) < 350
    assert leaks.half_of(names[0]) == leaks.half_of(names[0].split("/")[1])


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, data: Path) -> duckdb.DuckDBPyConnection:
    """One tar of posts, their leaks, and 20 copies of each kind."""
    work = tmp_path_factory.mktemp("leaks")
    folder = leaks.lay_out(work / "data", data / "webposts", 20, n_shards=1)
    options = argparse.Namespace(encoder="builtin", trust=False, set=[])
    session, _ = leaks_report.run("full", folder, options)
    return leaks_scores.judged(session, folder, data / "webposts")


@pytest.mark.slow
def test_unmistakable_copies_are_found(planted: duckdb.DuckDBPyConnection) -> None:
    found = {name: (n_found, n) for name, n, _, n_found in leaks_scores.recall_rows(planted, "planted", "%")}
    for transform in UNMISTAKABLE:
        n_found, n = found[transform]
        assert n_found >= 0.9 * n, (transform, n_found, n)
    n_found, n = found[None]
    assert n_found >= 0.7 * n


@pytest.mark.slow
def test_hits_are_copies(planted: duckdb.DuckDBPyConnection) -> None:
    _, _, _, n_images, n_wrong = leaks_scores.precision_row(planted, "%")
    assert n_images > 200
    assert n_wrong <= max(0.02 * n_images, 3), leaks_scores.wrong_pairs(planted)
