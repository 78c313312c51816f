"""Caps, roll-ups, weights, inherited labels, repeats and splits of build-manifest, on planted labels."""

import itertools
import json
from collections import Counter

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.cli.query import _WHY
from curate.noise.looks import Look
from curate.noise.select import select_by_audits
from curate.stages.queries import sql_of
from curate.train.manifest import from_tables
from tests.noise.corpus import arrow, corpus_tables, image_id, image_row, key_of, memory, scores
from tests.stages.test_build_manifest import build
from tests.stages.test_estimate_noise import drawn, verdict


def planted(p, parents=(), depths=None, **tables):
    """Tables of a corpus with a score for each (image, class)."""
    labels = sorted(p)
    found = corpus_tables(labels, parents=parents, **{"label_stats": [], **tables})
    found["label_scores"] = scores(labels, [p[pair] for pair in labels])
    if depths:
        rows = [{**row, "depth": depths.get(row["class_key"], 0)} for row in found["classes"].to_pylist()]
        found["classes"] = arrow("classes", rows)
    return found


def labels_of(found):
    """(image, class) → weight of all labels of a manifest."""
    rows = found["manifest"].to_pylist()
    return {
        (int(row["image_id"], 16), key): weight
        for row in rows
        for key, weight in zip(row["class_keys"], row["label_weights"], strict=True)
    }


def rules_of(found):
    return {(int(row["image_id"], 16), row["class_key"]): row for row in found["exclusions"].to_pylist()}


def classes_of(found):
    return {row["class_key"]: row for row in found["manifest_classes"].to_pylist()}


def origins_of(found):
    rows = found["manifest_origins"].to_pylist()
    return {(int(row["image_id"], 16), row["class_key"]): (row["origin"], row["direct_key"]) for row in rows}


# caps


def test_a_cap_leaves_the_best_scores_to_choose_from(tmp_path):
    p = {(i, 0): 0.5 + i / 100 for i in range(40)} | {(i, 1): 0.95 for i in range(20)}
    found = build(planted(p), tmp_path, max_per_class=10, min_precision=0.8)
    kept = labels_of(found)
    assert {i for i, key in kept if key == "c00"} == set(range(30, 40))
    assert sum(key == "c01" for _, key in kept) == 10
    rules = rules_of(found)
    assert Counter(row["rule"] for row in rules.values()) == {"over_cap": 40}
    assert rules[3, "c00"]["detail"] == "p_correct 0.530 is not among the 10 highest"
    assert classes_of(found)["c00"]["n_pairs"] == classes_of(found)["c00"]["n_kept"] == 10


def test_equal_scores_are_cut_by_a_hash_that_the_seed_decides(tmp_path):
    tables = planted({(i, 0): 0.9 for i in range(60)})
    chosen = [set(labels_of(build(tables, tmp_path, max_per_class=20, seed=seed))) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2] and all(len(each) == 20 for each in chosen)
    assert len(chosen[0] & {(i, "c00") for i in range(20)}) < 20, "not the first ones"


def test_what_is_over_the_cap_is_not_asked_about(tmp_path):
    p = {(i, 0): 0.99 - i / 1000 for i in range(200)}
    tables = planted(p)
    rows = drawn(tables, tmp_path, per_class=100)
    wrong = {image_id(i) for i in range(100, 200)}
    tables["audits"] = arrow("audits", [verdict(r, "wrong" if r["image_id"] in wrong else "correct") for r in rows])
    found = classes_of(build(tables, tmp_path, evidence="audited", max_per_class=80))["c00"]
    assert (found["status"], found["n_kept"], found["kept_precision"]) == ("kept", 80, 1.0)
    assert 20 < found["n_audited"] < 60 and found["n_looks"] == 1
    unasked = {name: rows for name, rows in tables.items() if not name.startswith("audit")}
    capped = classes_of(build(unasked, tmp_path, evidence="audited", max_per_class=20))["c00"]
    assert capped["n_more_audits"] > 100, "samples are drawn from the whole class"


CAP = 150


def audited_class(rng, best, others):
    """Truth, scores and a sample of 40 from either half of a class, as precise as told within the cap and beyond it."""
    right = rng.random(400) < np.where(np.arange(400) < CAP, best, others)
    p = np.linspace(0.99, 0.8, 400)
    stratum = (np.arange(400) < 200).astype(np.int64)
    asked = np.zeros(400, bool)
    for each in (0, 1):
        asked[rng.permutation(np.flatnonzero(stratum == each))[:40]] = True
    return right, p, Look(1, "f", 1.0, stratum, asked, asked, asked & right)


def among(look, n):
    """A look at the n best labels alone."""
    return Look(1, "f", 1.0, look.stratum[:n], look.drawn[:n], look.judged[:n], look.correct[:n])


@pytest.mark.parametrize(("best", "others"), [(0.76, 0.99), (0.79, 0.79), (0.78, 0.3), (0.97, 0.5)])
def test_the_promise_holds_under_a_cap(best, others):
    rng = np.random.default_rng(7)
    runs, broken, kept = 300, 0, 0
    for _ in range(runs):
        right, p, look = audited_class(rng, best, others)
        decision = select_by_audits(p[:CAP], [among(look, CAP)], 0.8, 0.05, 5)
        if decision.status == "kept":
            kept += 1
            broken += right[:CAP][p[:CAP] >= decision.threshold].mean() < 0.8
    assert broken / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert kept > 0.9 * runs or best < 0.8


def test_a_cap_after_the_test_would_break_it():
    rng = np.random.default_rng(8)
    broken = 0
    for _ in range(100):
        right, p, look = audited_class(rng, 0.76, 0.99)
        decision = select_by_audits(p, [look], 0.8, 0.05, 5)
        broken += decision.status == "kept" and right[: min(CAP, (p >= decision.threshold).sum())].mean() < 0.8
    assert broken / 100 > 0.3


# roll-ups

FAMILY = [(2, 1), (2, 0), (3, 1), (3, 0), (1, 0)]
DEPTHS = {"c01": 1, "c02": 2, "c03": 2}
"""c00 above c01 above c02 and c03 (distances are all 1 in the planted closure: the deeper class is nearer)."""


def family(**changes):
    p = {(i, 0): 0.9 for i in range(20)} | {(i, 1): 0.9 for i in range(20, 30)}
    p |= {(i, 2): 0.8 for i in range(30, 33)} | {(20, 2): 0.97, (33, 3): 0.2, (34, 4): 0.99}
    return planted(p | changes, FAMILY, DEPTHS)


def test_rare_classes_are_rolled_up_to_the_nearest_class_above(tmp_path):
    found = build(family(), tmp_path, roll_up=True, min_precision=0.8)
    kept, rules, classes = labels_of(found), rules_of(found), classes_of(found)
    assert {i for i, key in kept if key == "c01"} == {*range(20, 33), 33}
    assert origins_of(found) == {(i, "c01"): ("rolled_up", "c02") for i in (30, 31, 32)} | {
        (33, "c01"): ("rolled_up", "c03")
    }
    assert rules[20, "c02"]["rule"] == "merged"
    assert rules[20, "c02"]["detail"] == "as class 1, rolled up from class 2: the image has that label already"
    assert rules[34, "c04"]["rule"] == "class_excluded", "nothing lies above it"
    assert {key: row["rolled_up_to"] for key, row in classes.items()} == {
        "c00": None, "c01": None, "c02": "c01", "c03": "c01", "c04": None,
    }  # fmt: skip
    assert classes["c02"]["status"] == "excluded" and classes["c02"]["class_id"] is None
    assert (classes["c01"]["n_pairs"], classes["c01"]["n_kept"]) == (14, 14)
    strict = build(family(), tmp_path, roll_up=True, min_precision=0.88)
    row = rules_of(strict)[33, "c03"]
    assert row["rule"] == "below_threshold" and row["detail"].startswith("as class 1, rolled up from class 3: p_cor")
    assert "rolled_up" not in json.dumps(build(family(), tmp_path)["manifest_origins"].to_pylist())


def test_classes_between_that_are_too_small_pass_on_what_they_hold(tmp_path):
    p = {(i, 0): 0.9 for i in range(20)} | {(21, 1): 0.9, (22, 2): 0.9}
    found = build(planted(p, FAMILY[:5], DEPTHS), tmp_path, roll_up=True)
    assert origins_of(found) == {(21, "c00"): ("rolled_up", "c01"), (22, "c00"): ("rolled_up", "c02")}
    p |= {(23, 1): 0.9, (24, 3): 0.9, (25, 3): 0.9}
    enough = build(planted(p, FAMILY, DEPTHS), tmp_path, roll_up=True)
    assert {key for _, key in origins_of(enough)} == {"c01"}, "with what it takes over it has five"


def test_rolled_up_labels_count_as_not_audited(tmp_path):
    p = {(i, 0): 0.9 for i in range(60)} | {(i, 1): 0.95 for i in range(60, 64)}
    tables = planted(p, [(1, 0)], {"c01": 1})
    rows = drawn(tables, tmp_path, per_class=60)
    tables["audits"] = arrow("audits", [verdict(r, "correct") for r in rows])
    alone = classes_of(build(tables, tmp_path, evidence="audited"))["c00"]
    found = classes_of(build(tables, tmp_path, evidence="audited", roll_up=True, min_precision=0.9))["c00"]
    assert alone["kept_ci_low"] == 1.0
    assert (found["n_kept"], found["kept_ci_low"]) == (64, 60 / 64), "any of the four may be wrong"


def test_the_promise_holds_where_all_that_was_rolled_up_is_wrong():
    rng = np.random.default_rng(9)
    runs, broken, kept = 200, 0, 0
    for run in range(runs):
        own = rng.random(200) < (0.79, 0.84, 0.95)[run % 3]
        asked = np.append(rng.permutation(200) < 80, np.zeros(12, bool))
        right, stratum = np.append(own, np.zeros(12, bool)), np.append(np.zeros(200, np.int64), np.full(12, -1))
        p = np.append(rng.uniform(0.8, 0.95, 200), np.full(12, 0.99))
        decision = select_by_audits(p, [Look(1, "f", 1.0, stratum, asked, asked, asked & right)], 0.8, 0.05, 5)
        if decision.status == "kept":
            kept += 1
            broken += right[p >= decision.threshold].mean() < 0.8
    assert broken / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs) and kept > 20


def test_why_says_what_a_label_was_rolled_up_from(tmp_path):
    tables = family()
    found = build(tables, tmp_path, roll_up=True, min_precision=0.88)
    con = memory(tables | found, tmp_path).connect()
    asked = {title: query for title, query in _WHY if "manifests" in title or "stand for" in title}

    def told(i):
        return {title: con.execute(query, [image_id(i)]).fetchall() for title, query in asked.items()}

    assert told(20)["labels there that stand for another"] == []
    assert told(20)["left out of manifests"][0][-1] == (
        "as class 1, rolled up from class 2: the image has that label already"
    )
    loose = build(family(), tmp_path, roll_up=True, min_precision=0.8)
    con = memory(tables | loose, tmp_path).connect()
    assert told(30)["labels there that stand for another"][0][1:] == ("c01", "class 1", "rolled_up", "c02", "class 2")
    assert told(30)["in manifests"][0][1] == ["c01"]


# weights


def test_what_is_below_the_precision_may_stay_with_its_weight(tmp_path):
    p = {(i, 0): 0.95 for i in range(20)} | {(i, 0): 0.125 for i in range(20, 30)}
    p |= {(i, 1): 0.25 for i in range(10)} | {(40, 2): 0.99}
    found = build(planted(p), tmp_path, keep="all", min_precision=0.9)
    kept, classes = labels_of(found), classes_of(found)
    assert kept == {pair: p[pair[0], int(pair[1][1:])] if p[pair[0], int(pair[1][1:])] < 0.9 else 1.0 for pair in kept}
    assert len(kept) == 40 and rules_of(found)[40, "c02"]["rule"] == "class_excluded"
    assert [(classes[k]["status"], classes[k]["n_kept"], classes[k]["n_weighted"]) for k in sorted(classes)] == [
        ("kept", 20, 10), ("excluded", 0, 10), ("excluded", 0, 0),
    ]  # fmt: skip
    assert [classes[k]["class_id"] for k in sorted(classes)] == [0, 1, None]
    assert classes["c00"]["kept_precision"] == pytest.approx(0.95), "of the labels with full weight alone"
    name = found["manifests"]["manifest_id"][0].as_py()
    trained_on = from_tables(name, found["manifest"], found["manifest_classes"], {"web": tmp_path})
    assert trained_on.class_keys == ["c00", "c01"]


def test_training_gives_each_of_k_labels_a_kth_of_its_weight(tmp_path):
    from curate.train.loss import soft_targets

    p = {(i, k): 0.95 for i in range(10) for k in range(3)} | {(i, 3): 0.25 for i in range(10)}
    rows = build(planted(p), tmp_path, keep="all")["manifest"].to_pylist()
    targets = soft_targets([row["class_ids"] for row in rows], [row["label_weights"] for row in rows], 4)
    np.testing.assert_allclose(targets.numpy(), [[0.25, 0.25, 0.25, 0.0625]] * 10)
    rows = build(planted(p), tmp_path)["manifest"].to_pylist()
    np.testing.assert_allclose(soft_targets([r["class_ids"] for r in rows], [r["label_weights"] for r in rows], 3),
                               1 / 3)  # fmt: skip


# inherited labels


def test_inherited_labels_follow_their_child(tmp_path):
    p = {(i, 0): 0.9 for i in range(10)} | {(i, 2): 0.9 for i in range(10, 20)}
    p |= {(i, 2): 0.1 for i in range(20, 25)} | {(i, 4): 0.1 for i in range(30, 40)} | {(10, 0): 0.01}
    tables = planted(p, [(2, 1), (2, 0), (4, 0), (1, 0)], DEPTHS)
    found = build(tables, tmp_path, inherit=True, min_precision=0.85)
    kept, rules = labels_of(found), rules_of(found)
    assert set(kept) == {(i, "c00") for i in range(20)} | {(i, "c02") for i in range(10, 20)}
    assert origins_of(found) == {(i, "c00"): ("inherited", "c02") for i in range(10, 20)}
    assert {i for i, _ in rules} == {10, *range(20, 25), *range(30, 40)}
    assert rules[10, "c00"]["rule"] == "below_threshold", "as given it is out; what the child implies is another label"
    row = classes_of(found)["c00"]
    assert (row["n_kept"], row["n_inherited"]) == (10, 10) and "c01" not in classes_of(found)
    direct = {pair for pair in kept if pair not in origins_of(found)}
    assert set(labels_of(build(tables, tmp_path, min_precision=0.85))) == direct


def test_an_inherited_label_has_the_weight_of_its_child(tmp_path):
    p = {(i, 0): 0.95 for i in range(10)} | {(i, 2): 0.95 for i in range(10, 20)} | {(30, 2): 0.25}
    found = build(planted(p, [(2, 0)], DEPTHS), tmp_path, inherit=True, keep="all", min_precision=0.93)
    assert labels_of(found)[30, "c00"] == labels_of(found)[30, "c02"] == 0.25
    assert labels_of(found)[11, "c00"] == 1.0


# repeats and splits


def repeats(counts, resampling, t=0.001):
    """Repeat factor of an image by class, from the SQL of the stage, for images with one label."""
    with duckdb.connect() as con:
        con.register("given", pa.table({"class_id": np.repeat(np.arange(len(counts)), counts)}))
        con.execute(
            "CREATE TABLE kept AS SELECT row_number() OVER ()::VARCHAR AS image_id, class_id, 'c' AS class_key, "
            "1.0 AS weight, 1.0 AS p_correct FROM given"
        )
        con.execute(
            "CREATE TABLE images AS SELECT image_id, image_id AS sha256, '' AS source, '' AS uri, 0 AS byte_offset, "
            "1 AS byte_length FROM kept"
        )
        con.execute("CREATE TABLE duplicate_clusters (image_id VARCHAR, cluster_id VARCHAR)")
        values = {"manifest_id": "m", "resampling": resampling, "resampling_t": t, "seed": "0", "val_share": 0.0}
        rows = con.sql(sql_of("manifest_images"), params=values)
        con.register("rows", rows.to_arrow_table())
        found = con.sql("SELECT class_ids[1], any_value(repeat_factor), min(repeat_factor) = max(repeat_factor) "
                        "FROM rows GROUP BY 1 ORDER BY 1").fetchall()  # fmt: skip
    assert all(same for _, _, same in found)
    return np.array([r for _, r, _ in found])


@pytest.mark.parametrize(
    ("resampling", "t", "epoch", "spread"),
    [("none", 0.001, 1.0, 281), ("sqrt", 0.001, 1.19, 105), ("sqrt", 0.01, 2.46, 33), ("uniform", 0.01, 10.3, 3.9)],
)
def test_resampling_of_a_long_tail(resampling, t, epoch, spread):
    """200,000 images of 1,000 classes after Zipf's law: length of an epoch; ten largest to hundred smallest classes."""
    share = 1 / np.arange(1, 1001)
    counts = np.rint(200_000 * share / share.sum()).astype(int)
    shown = counts * repeats(counts, resampling, t)
    assert shown.sum() / counts.sum() == pytest.approx(epoch, rel=0.01)
    assert shown[:10].mean() / shown[-100:].mean() == pytest.approx(spread, rel=0.02)


def test_inverse_resampling_draws_every_class_equally():
    counts = np.array([1000, 500, 40, 3])
    shown = counts * repeats(counts, "inverse")
    np.testing.assert_allclose(shown, 1000)


def test_copies_by_bytes_or_cluster_lie_on_one_side(tmp_path):
    rng = np.random.default_rng(0)
    p = {(i, 0): 0.9 for i in range(400)}
    pair_of = {i: int(rng.integers(0, 100)) for i in range(400)}
    images = [image_row(i, sha256=f"{pair_of[i]:064x}") for i in range(400)]
    clusters = [{"image_id": image_id(i), "cluster_id": image_id(i % 2), "is_representative": i < 2} for i in range(40)]
    found = build(planted(p, images=images, duplicate_clusters=clusters), tmp_path, val_share=0.3)
    sides = {}
    for row in found["manifest"].to_pylist():
        i = int(row["image_id"], 16)
        sides.setdefault(("cluster", i % 2) if i < 40 else pair_of[i], set()).add(row["split"])
    assert all(len(found) == 1 for found in sides.values())
    n_val = sum(side == {"val"} for side in sides.values())
    assert 0.3 * len(sides) == pytest.approx(n_val, abs=4 * np.sqrt(0.21 * len(sides)))


# what adds up


def check_sums(found, labels):
    """Every direct label is behind one label of the manifest or has one rule; losses and classes add up to the rows."""
    origins, rules = origins_of(found), rules_of(found)
    whole = {image for image, key in rules if not key}
    kept = [(image, key) for image, key in labels_of(found) if (image, key) not in origins]
    kept += [(image, direct) for (image, _), (origin, direct) in origins.items() if origin == "rolled_up"]
    out = [pair for pair in rules if pair[1]]
    direct = {(i, key_of(k)) for i, k in labels}
    assert len(kept) == len(set(kept)) and not set(kept) & set(out)
    assert set(kept) | set(out) | {pair for pair in direct if pair[0] in whole} == direct
    losses = sorted(found["manifest_losses"].to_pylist(), key=lambda row: row["step"])
    assert losses[0]["n_labels_left"] == len(direct)
    for before, row in itertools.pairwise(losses):
        assert row["n_labels_left"] == before["n_labels_left"] - row["n_labels"]
        assert row["n_images_left"] == before["n_images_left"] - row["n_images"]
    assert losses[-1]["n_labels_left"] == len(kept)
    assert losses[-1]["n_images_left"] == found["manifest"].num_rows
    by_rule = Counter(row["rule"] for row in rules.values() if row["class_key"])
    by_rule.update(rules[image, ""]["rule"] for image, _ in direct if image in whole)
    assert by_rule == {row["rule"]: row["n_labels"] for row in losses if row["n_labels"]}
    for key, row in classes_of(found).items():
        n = dict.fromkeys(("direct", "rolled_up", "inherited"), 0)
        n.update(Counter(origins.get(pair, ("direct", ""))[0] for pair in labels_of(found) if pair[1] == key))
        assert (
            row["n_kept"] + row["n_weighted"] == n["direct"] + n["rolled_up"] and row["n_inherited"] == n["inherited"]
        )
        assert (row["class_id"] is not None) == (n["direct"] + n["rolled_up"] > 0)
        assert row["status"] != "kept" or row["class_id"] is not None


OPTIONS = {
    "keep": st.sampled_from(["precise", "all"]),
    "max_per_class": st.sampled_from([None, 5, 8]),
    "roll_up": st.booleans(),
    "inherit": st.booleans(),
    "min_precision": st.sampled_from([0.5, 0.8, 0.95]),
    "evidence": st.sampled_from(["model", "audited"]),
    "seed": st.integers(0, 3),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=st.fixed_dictionaries(OPTIONS), seed=st.integers(0, 10**6))
def test_counts_add_up_to_the_last_row(tmp_path, options, seed):
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(1, 9))
    sizes = rng.integers(1, 16, n_classes)
    pairs = {(int(i), k) for k in range(n_classes) for i in rng.integers(0, 60, sizes[k])}
    p = {pair: round(float(rng.choice([0.1, 0.6, 0.9, 0.97]) * rng.choice([1, 0.9])), 3) for pair in sorted(pairs)}
    parents = [(k, a) for k in range(n_classes) for a in range(k) if rng.random() < 0.4]
    images = [image_row(i, status="damaged" if rng.random() < 0.05 else "ok") for i in range(62)]
    leaks = [
        {"image_id": image_id(int(i)), "eval_set": "val", "eval_image_id": "e", "method": "sha256", "similarity": 1.0}
        for i in sorted(set(rng.integers(0, 60, 4).tolist()))
    ]
    depths = {key_of(k): k for k in range(n_classes)}
    tables = planted(p, parents, depths, images=images, near_duplicates=leaks)
    check_sums(build(tables, tmp_path, **options), p)
