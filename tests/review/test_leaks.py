"""The figures are those of the tables."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.review.leaks import LeakReport, collect_sets
from curate.review.scores import N_STEPS, round_up
from tests.review.conftest import connected
from tests.review.workspace import EVIL, N_EVAL, N_IMAGES, RECALLS, SCORES, THRESHOLD, eval_id, image_id, rows


@pytest.fixture
def val(con):
    return collect_sets(con)[0]


def test_counts_are_those_of_the_tables(val):
    assert (val.n_hits, val.n_leaked, val.n_eval_images, val.n_images) == (4, 3, N_EVAL, N_IMAGES)
    assert val.share == 3 / N_EVAL
    assert val.leaked_ids == sorted([eval_id(0), EVIL, eval_id(2)])
    assert val.methods == {"embedding": 3, "sha256": 1}
    assert val.transforms == {"crop": 2, "crop+rotate": 1, "identity": 1}
    assert val.kinds == {"crop": 3, "identity": 1, "rotate": 1}
    assert [(row.transform, row.n_planted, row.n_found) for row in val.recall] == [(k, *v) for k, v in RECALLS.items()]
    assert val.overall.n_found == 30


def test_a_set_without_anything(con):
    void = collect_sets(con)[1]
    assert (void.n_hits, void.share, void.share_low, void.scores, void.overall) == (0, None, None, None, None)


def test_an_image_that_resembles_several_counts_once(folder):
    given = rows(folder)["near_duplicates"]
    twice = {**given[1], "eval_image_id": eval_id(4), "score": 7.0, "transform": "blur"}
    with connected(folder, near_duplicates=[*given, twice]) as con:
        val = collect_sets(con)[0]
    assert (val.n_hits, val.n_leaked, "blur" in val.transforms) == (4, 4, False)


def test_the_curve_passes_through_what_was_found(val):
    scores = val.scores
    assert len(scores.edges) == N_STEPS + 1 and scores.edges[0] <= 1.0 and scores.edges[-1] >= 20.0
    curve = list(zip(scores.edges, scores.n_images_above, scores.n_eval_above, scores.expected_false, strict=False))
    assert len(curve) == N_STEPS
    for edge, n_images, n_eval, false in curve[1:]:
        above = [number for number, (_, score) in SCORES.items() if score is None or score >= edge * (1 + 1e-9)]
        assert n_images == len(above) and n_eval == len({SCORES[number][0] for number in above})
        assert (false is None) == (edge < THRESHOLD)
    compared = [score for _, score in SCORES.values() if score is not None]
    assert sum(scores.corpus) == len(compared) and scores.n_equal_bytes == 1
    assert scores.n_images_above[0] == len(SCORES)
    assert sum(scores.planted) + scores.n_not_reached == 24 and scores.n_not_reached == 4
    assert sum(scores.others) == 24
    assert next(n for n in scores.expected_false if n is not None) == pytest.approx(0.3)


def test_scores_of_nothing_in_common_are_in_the_first_step(folder):
    pair = rows(folder)["duplicate_candidates"][1]
    none, all_in_common = ([{**pair, "score": score}] for score in (0.0, 1e9))
    with connected(folder, duplicate_candidates=none, planted_copies=[]) as con:
        assert collect_sets(con)[0].scores is None
    with connected(folder, duplicate_candidates=all_in_common, planted_copies=[]) as con:
        scores = collect_sets(con)[0].scores
    assert scores.edges[0] < THRESHOLD < scores.edges[-1] == 1e9 and scores.corpus[-1] == 1


def test_what_became_of_the_copies(folder):
    common = {"manifest_id": "m1", "image_id": image_id(1), "stage": "dedup", "detail": ""}
    common["class_key"] = ""
    out = [{**common, "rule": "near_duplicate"}, {**common, "image_id": image_id(2), "rule": "no_label"},
           {**common, "manifest_id": "m0", "image_id": image_id(3), "rule": "near_duplicate"}]  # fmt: skip
    kept = {"manifest_id": "m1", "image_id": image_id(0), "source": "posts", "uri": "0.png", "byte_offset": 0,
            "byte_length": 1, "class_ids": [0], "class_keys": ["a"], "label_weights": [1.0], "p_correct": 1.0,
            "repeat_factor": 1.0, "split": "train"}  # fmt: skip
    scored = {"run_id": "r1", "eval_set": "val", "class_key": "", "n_images": 6}
    evaluations = [{**scored, "metric": metric, "value": value} for metric, value in
                   (("top1", 0.8), ("top1_lower", 0.4), ("top5", 0.9), ("top1_clean", 0.7))]  # fmt: skip
    with connected(folder, exclusions=out, manifest=[kept], evaluations=evaluations) as con:
        val = collect_sets(con, manifest_id="m1", run_id="r1")[0]
        assert (val.n_dropped, val.n_kept) == (1, 1)
        assert [(row.metric, row.value, row.clean, row.lower) for row in val.accuracy] == [("top1", 0.8, 0.7, 0.4)]
        assert collect_sets(con)[0].n_dropped is None


def test_twins_are_counted_once_and_from_the_threshold_on(folder):
    pair = {"eval_set": "val", "encoder": "", "same_bytes": False}
    twins = [{**pair, "eval_image_id": eval_id(a), "other_id": eval_id(b), "score": score}
             for a, b, score in ((2, 3, 9.0), (3, 2, 8.0), (2, 4, 1.0))]  # fmt: skip
    with connected(folder, eval_twins=twins) as con:
        assert collect_sets(con)[0].n_eval_twins == 1


def test_the_report_is_json(con):
    report = LeakReport(1, {}, {}, {}, None, None, collect_sets(con))
    again = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert again["sets"][0]["leaked_ids"] == report.sets[0].leaked_ids
    assert again["sets"][0]["scores"]["edges"] == report.sets[0].scores.edges


@given(st.floats(1e-6, 1e9))
def test_round_numbers_are_close_above(value):
    assert value * (1 - 1e-9) <= round_up(value) <= 1.34 * value


def test_a_threshold_that_nothing_reaches_is_no_trouble(folder):
    given = rows(folder)
    thresholds = [{**given["duplicate_thresholds"][0], "threshold": None, "n_hits": 1}]
    with connected(folder, duplicate_thresholds=thresholds, near_duplicates=given["near_duplicates"][:1]) as con:
        val = collect_sets(con)[0]
    assert val.n_hits == 1 and val.threshold is None and set(val.scores.expected_false) == {None}
    assert replace(val, recall=[]).overall is None
