from datetime import datetime

import numpy as np
import pytest

from curate.errors import MissingTableError
from curate.schema import check_rows, conform
from curate.stages.audits import SampleAudits, sample
from curate.stages.estimate_noise import STAGE, EstimateNoise
from tests.noise.corpus import arrow, corpus_tables, image_id, image_row, memory, scores, sha


def estimate(tables, folder):
    found = STAGE.run(memory(tables, folder), EstimateNoise())
    for name, rows in found.items():
        check_rows(conform(rows, name), name)
    return {name: conform(rows, name).to_pylist() for name, rows in found.items()}


def verdict(row, said, auditor="ann", number=0, **changes):
    return {
        "verdict_id": sha(row["sample_id"], row["image_id"], auditor, number),
        "sample_id": row["sample_id"], "image_id": row["image_id"], "class_key": row["class_key"],
        "image_sha256": sha(int(row["image_id"], 16)), "verdict": said, "auditor": auditor,
        "audited_at": datetime(2020, 1, 1, number), "supersedes": None,
    } | changes  # fmt: skip


@pytest.fixture
def corpus():
    """100 labels of class 0 (80 right), 30 of class 1 (all right)."""
    labels = [(i, 0) for i in range(100)] + [(i, 1) for i in range(100, 130)]
    tables = corpus_tables(labels)
    tables["label_scores"] = scores(labels, [0.9] * 70 + [0.6] * 30 + [0.97] * 30)
    return tables


def is_right(row):
    return int(row["image_id"], 16) >= 20


def drawn(tables, folder, **params):
    made = sample(memory(tables, folder), SampleAudits(**params))
    for name, rows in zip(("audit_frames", "audit_samples"), made, strict=True):
        tables[name] = conform(rows, name)
    return tables["audit_samples"].to_pylist()


def test_without_audits_the_model_speaks(corpus, tmp_path):
    stats = {row["class_key"]: row for row in estimate(corpus, tmp_path)["label_stats"]}
    assert set(stats) == {"c00", "c01"}
    first = stats["c00"]
    assert (first["evidence"], first["n_audited"], first["n_images"]) == ("model", 0, 100)
    assert first["precision"] == pytest.approx(0.81) and first["ci_low"] < 0.75 and first["ci_high"] > 0.85


def test_transition_shares_add_up_to_one(corpus, tmp_path):
    rows = corpus["label_scores"].to_pylist()
    for row in rows[70:90]:
        row["suggested_class_key"] = "c01"
    corpus["label_scores"] = arrow("label_scores", rows)
    transitions = estimate(corpus, tmp_path)["transition_matrix"]
    for given in ("c00", "c01"):
        assert sum(r["share"] for r in transitions if r["given_key"] == given) == pytest.approx(1)
    share = {(r["given_key"], r["true_key"]): r for r in transitions}
    assert share["c00", "c01"]["share"] == pytest.approx(20 * 0.4 / 100) and share["c00", "c01"]["n"] == 20
    assert share["c00", "c00"]["share"] == pytest.approx(0.81)


def test_the_kind_of_mistake_is_told(corpus, tmp_path):
    # c00 has a word in common with c02 and a parent with c01; c03 is neither.
    labels = [(i, 0) for i in range(100)] + [(i, k) for k in (1, 2, 3) for i in range(100 + 10 * k, 110 + 10 * k)]
    tables = corpus_tables(labels, parents=[(0, 4), (1, 4)])
    tables["label_map"] = arrow(
        "label_map",
        [*tables["label_map"].to_pylist(), {"surface": "c00", "candidate": "c02", "rule": "lemma", "prior": 0.2}],
    )
    rows = scores(labels, [0.5] * 130).to_pylist()
    for row, suggested in zip(rows, ["c01"] * 10 + ["c02"] * 20 + ["c03"] * 30, strict=False):
        row["suggested_class_key"] = suggested
    tables["label_scores"] = arrow("label_scores", rows)
    found = estimate(tables, tmp_path)
    kinds = {r["true_key"]: r["kind"] for r in found["transition_matrix"] if r["given_key"] == "c00"}
    assert kinds == {"c00": "right", "c01": "sibling", "c02": "wrong_sense", "c03": "other_class", "": "unknown"}
    stats = {r["class_key"]: r for r in found["label_stats"]}["c00"]
    shares = [stats[name] for name in ("sibling", "wrong_sense", "other_class", "unknown")]
    assert shares == pytest.approx([0.05, 0.1, 0.15, 0.2]) and sum(shares) == pytest.approx(1 - stats["precision"])


def test_verdicts_on_some_classes_calibrate_the_scores_of_all(tmp_path):
    # Scores that are too sure of themselves everywhere: 0.95 where 0.75 are right. Ten classes were judged, ten not.
    rng = np.random.default_rng(1)
    labels = [(100 * k + i, k) for k in range(20) for i in range(100)]
    truth = {image_id(i): rng.random() < 0.75 for i, _ in labels}
    tables = corpus_tables(labels)
    tables["label_scores"] = scores(labels, [0.95] * len(labels))
    rows = drawn(tables, tmp_path, per_class=30, classes=tuple(f"c{k:02d}" for k in range(10)))
    tables["audits"] = arrow("audits", [verdict(r, "correct" if truth[r["image_id"]] else "wrong") for r in rows])
    stats = estimate(tables, tmp_path)["label_stats"]
    real = [np.mean([truth[image_id(100 * k + i)] for i in range(100)]) for k in range(20)]
    assert [row["evidence"] for row in stats] == ["audited"] * 10 + ["model"] * 10
    errors = [abs(row["precision"] - true) for row, true in zip(stats, real, strict=True)]
    assert np.mean(errors[:10]) < 0.04 and np.mean(errors[10:]) < 0.06
    assert all(row["ci_low"] <= row["precision"] <= row["ci_high"] for row in stats)
    held = [row["ci_low"] <= true <= row["ci_high"] for row, true in zip(stats, real, strict=True)]
    assert np.mean(held) >= 0.9
    assert all("calibrated on 300 verdicts" in row["method"] for row in stats[10:])


@pytest.mark.parametrize("uniform", [False, True])
def test_audits_give_design_based_estimates(corpus, tmp_path, uniform):
    rows = drawn(corpus, tmp_path, per_class=40, uniform=uniform)
    corpus["audits"] = arrow("audits", [verdict(r, "correct" if is_right(r) else "wrong") for r in rows])
    stats = {row["class_key"]: row for row in estimate(corpus, tmp_path)["label_stats"]}
    assert stats["c00"]["evidence"] == "audited" and stats["c00"]["n_audited"] == 40
    assert stats["c00"]["ci_low"] <= 0.8 <= stats["c00"]["ci_high"]
    assert stats["c01"]["precision"] == stats["c01"]["ci_low"] == 1  # all 30 were judged


def test_what_does_not_count(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("curate.noise.calibrate.MIN_VERDICTS", 10**9)  # precision by the sample alone
    rows = [r for r in drawn(corpus, tmp_path, per_class=40, uniform=True) if r["class_key"] == "c00"]
    right = [verdict(r, "correct") for r in rows]

    def precision(*more, but=()):
        audits = [v for i, v in enumerate(right) if i not in but] + list(more)
        corpus["audits"] = arrow("audits", audits)
        return {r["class_key"]: r for r in estimate(corpus, tmp_path)["label_stats"]}["c00"]

    assert precision()["precision"] == 1
    assert precision(verdict(rows[0], "wrong", number=1, sample_id=""))["precision"] == 1  # volunteered
    assert precision(verdict(rows[0], "wrong", "bob", image_sha256=sha("other")))["precision"] == 1  # stale
    corrected = verdict(rows[0], "wrong", number=1, supersedes=right[0]["verdict_id"])
    assert precision(corrected)["precision"] == 39 / 40
    assert precision(verdict(rows[0], "unsure", "bob"))["precision"] == 39 / 40  # a tie is wrong
    assert precision(verdict(rows[0], "wrong", "bob"), verdict(rows[0], "correct", "eve"))["precision"] == 1
    skipped = precision(but=(3,))
    assert (skipped["n_audited"], skipped["precision"]) == (39, 1) and "1 not judged yet" in skipped["method"]
    assert skipped["ci_low"] == precision(verdict(rows[3], "wrong", number=1), but=(3,))["ci_low"]


def test_verdicts_outlive_new_scores_and_new_labels(corpus, tmp_path):
    rows = drawn(corpus, tmp_path, per_class=40)
    corpus["audits"] = arrow("audits", [verdict(r, "correct" if is_right(r) else "wrong") for r in rows])
    before = {r["class_key"]: r for r in estimate(corpus, tmp_path)["label_stats"]}["c00"]
    labels = [(i, 0) for i in range(100)] + [(i, 1) for i in range(100, 130)]
    corpus["label_scores"] = scores(labels, [i / 130 for i in range(130)])
    rescored = {r["class_key"]: r for r in estimate(corpus, tmp_path)["label_stats"]}["c00"]
    # The bounds are those of the sample; what is likeliest within them moves with the scores.
    assert [rescored[name] for name in ("n_audited", "ci_low", "ci_high")] == [
        before[name] for name in ("n_audited", "ci_low", "ci_high")
    ]
    more = sorted([*labels, (130, 0), (131, 0)])
    grown = corpus_tables(more)
    grown["label_scores"] = scores(more, [0.9] * 132)
    grown |= {name: corpus[name] for name in ("audit_frames", "audit_samples", "audits")}
    after = {r["class_key"]: r for r in estimate(grown, tmp_path)["label_stats"]}["c00"]
    assert after["evidence"] == "audited" and after["n_audited"] == before["n_audited"]
    # The two new ones may be anything.
    assert after["ci_low"] == pytest.approx(before["ci_low"] * 100 / 102)
    assert after["ci_high"] == pytest.approx((before["ci_high"] * 100 + 2) / 102)


def test_intervals_cover_in_many_classes(tmp_path):
    rng = np.random.default_rng(0)
    labels = [(40 * k + i, k) for k in range(80) for i in range(40)]
    truth = {image_id(i): rng.random() < 0.6 + 0.4 * k / 80 for i, k in labels}
    tables = corpus_tables(labels)
    tables["label_scores"] = scores(labels, [0.9] * len(labels))
    rows = drawn(tables, tmp_path, per_class=8)
    tables["audits"] = arrow("audits", [verdict(r, "correct" if truth[r["image_id"]] else "wrong") for r in rows])
    real = {f"c{k:02d}": np.mean([truth[image_id(40 * k + i)] for i in range(40)]) for k in range(80)}
    stats = estimate(tables, tmp_path)["label_stats"]
    covered = [r["ci_low"] <= real[r["class_key"]] <= r["ci_high"] for r in stats]
    assert len(covered) == 80 and np.mean(covered) >= 0.95
    assert np.mean([r["ci_high"] - r["ci_low"] for r in stats]) < 0.6


def test_a_class_that_only_damaged_images_bear(tmp_path):
    labels = [(0, 0), (1, 1)]
    tables = corpus_tables(labels, images=[image_row(0), image_row(1, status="damaged")])
    tables["label_scores"] = scores([(0, 0)], [0.9])
    stats = {row["class_key"]: row for row in estimate(tables, tmp_path)["label_stats"]}
    assert (stats["c01"]["n_images"], stats["c01"]["ci_low"], stats["c01"]["ci_high"]) == (0, 0, 1)


def test_labels_without_a_score_are_an_error(corpus, tmp_path):
    corpus["label_scores"] = corpus["label_scores"].slice(1)
    with pytest.raises(MissingTableError, match="1 of 130 direct labels have no score"):
        estimate(corpus, tmp_path)
