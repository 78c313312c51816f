"""Labels as columns, against the same thing said row by row."""

from collections import Counter
from itertools import groupby

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.noise.looks import Look
from curate.stages import labels as module
from curate.stages.estimate_noise import _transitions
from curate.stages.labels import ClassLabels, class_looks, read_labels, runs, want_classes
from curate.stages.queries import sql_of
from tests.noise.corpus import arrow, corpus_tables, image_id, image_row, key_of, memory, scores, sha

FRAMES = pa.list_(pa.struct([("frame", pa.string()), ("stratum", pa.int32())]))


def class_labels(p=(), suggested=None, frames=None):
    n = len(p)
    ids = pa.array([image_id(i) for i in range(n)], pa.string())
    nothing = pa.nulls(n, pa.string())
    return ClassLabels(
        "c00", ids, np.asarray(p), nothing if suggested is None else pa.array(suggested, pa.string()), nothing,
        pa.nulls(n, FRAMES) if frames is None else pa.array(frames, FRAMES),
    )  # fmt: skip


@pytest.mark.parametrize("batch_rows", [1, 3, 1000])
def test_labels_are_the_direct_ones_of_the_view(tmp_path, monkeypatch, batch_rows):
    monkeypatch.setattr(module, "_BATCH_ROWS", batch_rows)
    rng = np.random.default_rng(0)
    pairs = sorted({(int(i), int(k)) for i, k in zip(rng.integers(0, 60, 150), rng.integers(0, 7, 150), strict=True)})
    images = [image_row(i, status="damaged" if i % 11 == 0 else "ok") for i in range(60)]
    tables = corpus_tables(pairs, images=images, parents=[(k, 9) for k in range(7)])
    tables["rollups"] = arrow("rollups", [
        {**row, "kept_key": key_of(2), "rule": "few_images"} if row["class_key"] == key_of(3) else
        {**row, "kept_key": "", "rule": "max_classes"} if row["class_key"] == key_of(5) else row
        for row in tables["rollups"].to_pylist()
    ])  # fmt: skip
    scored = [(i, k) for i, k in pairs if i % 11 and k not in (3, 5)]
    tables["label_scores"] = scores(scored, rng.random(len(scored)))
    con = memory(tables, tmp_path).connect()
    expected = con.sql(
        "SELECT l.class_key, l.image_id, p_correct, i.sha256 FROM image_labels AS l JOIN images AS i USING (image_id) "
        "LEFT JOIN label_scores USING (image_id, class_key) WHERE origin = 'direct' AND status = 'ok' ORDER BY ALL"
    ).fetchall()
    found = []
    for each in read_labels(con, need_scores=False, with_bytes=True):
        p = [None if np.isnan(value) else value for value in each.p_correct]
        columns = [each.image_ids.to_pylist(), p, each.sha256.to_pylist()]
        found += [(each.class_key, *row) for row in zip(*columns, strict=True)]
    assert found == expected and len(found) > 80
    some = [each.class_key for each in read_labels(con, classes=[key_of(4), key_of(0)], need_scores=False)]
    assert some == [key_of(0), key_of(4)]


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 7))
def test_runs_are_those_of_groupby(values, batch_rows):
    table = pa.table({"key": pa.array(values, pa.string()), "row": range(len(values))})
    found = [(key, rows["row"].to_pylist()) for key, rows in runs(table.to_batches(batch_rows), "key")]
    assert found == [(key, [i for i, _ in rows]) for key, rows in groupby(enumerate(values), lambda pair: pair[1])]


def slow_looks(labels, frames, asked):
    """class_looks over dicts; frames: frame → image_id → stratum of pairs whose bytes are the same."""
    place = {name: index for index, name in enumerate(labels.image_ids.to_pylist())}
    found = []
    for number, frame, share in sorted({(look, frame, share) for frame, look, share, _, _ in asked}):
        stratum = np.full(len(place), -1)
        for name, h in frames[frame].items():
            if name in place:
                stratum[place[name]] = h
        drawn, judged, correct = (np.zeros(len(place), bool) for _ in range(3))
        for of_frame, look, _, name, is_correct in asked:
            index = place.get(name)
            if of_frame == frame and look <= number and index is not None and stratum[index] >= 0:
                drawn[index], judged[index], correct[index] = True, is_correct is not None, bool(is_correct)
        if drawn.any():
            found.append(Look(number, frame, share, stratum, drawn, judged, correct))
    return found


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_looks_are_those_of_the_slow_way(seed):
    rng = np.random.default_rng(seed)
    n, names = int(rng.integers(1, 30)), ["f0", "f1", "f2"]
    inside = {name: {image_id(i): int(rng.integers(0, 3)) for i in range(n) if rng.random() < 0.6} for name in names}
    listed = [[{"frame": f, "stratum": inside[f][image_id(i)]} for f in names if image_id(i) in inside[f]] or None
              for i in range(n)]  # fmt: skip
    asked = [
        (name, 1 + number + later, 0.6 / (1 + number + later), image_id(i), [None, True, False][rng.integers(3)])
        for number, name in enumerate(names[: rng.integers(0, 4)])
        for i in range(n + 5) if rng.random() < 0.5
        for later in [int(rng.integers(0, 2))]
    ]  # fmt: skip
    labels = class_labels(rng.random(n), frames=listed)
    found, expected = class_looks(labels, asked), slow_looks(labels, inside, asked)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.number, a.frame, a.share) == (b.number, b.frame, b.share)
        for name in ("stratum", "drawn", "judged", "correct"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_labels_with_other_bytes_are_in_no_frame(tmp_path):
    tables = corpus_tables([(i, 0) for i in range(4)])
    frame = {"frame": "f", "class_key": key_of(0)}
    rows = [{**frame, "image_id": image_id(i), "image_sha256": sha(i if i else "old"), "stratum": i} for i in range(3)]
    sample = {**frame, "sample_id": "s", "image_id": image_id(1), "stratum": 1, "look": 1, "error_share": 0.6,
              "inclusion_probability": 0.5}  # fmt: skip
    tables |= {"audit_frames": arrow("audit_frames", rows), "audit_samples": arrow("audit_samples", [sample])}
    tables["label_scores"] = scores([(i, 0) for i in range(4)], [0.5] * 4)
    (labels,) = read_labels(memory(tables, tmp_path).connect())
    assert labels.frames.to_pylist() == [None, [{"frame": "f", "stratum": 1}], [{"frame": "f", "stratum": 2}], None]


def slow_transitions(p_correct, suggested):
    mass, count = {}, Counter()
    for p, key in zip(p_correct, suggested, strict=True):
        mass[key or ""] = mass.get(key or "", 0.0) + (1.0 - p)
        count[key or ""] += 1
    shares = {key: m / len(p_correct) for key, m in sorted(mass.items()) if m > 0 and key != "c00"}
    rows = [("c00", max(1.0 - sum(shares.values()), 0.0), len(p_correct))]
    return rows + [(key, share, count[key]) for key, share in shares.items()]


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([None, "c00", "c01", "c02"])), min_size=1, max_size=50))
def test_transitions_are_those_of_the_slow_way(rows):
    p, suggested = zip(*rows, strict=True)
    found = _transitions(class_labels(p, suggested)).to_pylist()
    assert [(r["true_key"], r["share"], r["n"]) for r in found] == [
        (key, min(share, 1.0), n) for key, share, n in slow_transitions(p, suggested)
    ]


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([None, 1, 3]))
def test_usable_labels_are_those_of_the_slow_way(seed, cap):
    rng = np.random.default_rng(seed)
    pairs = sorted({(f"i{i}", f"c{k}") for i, k in zip(rng.integers(0, 9, 40), rng.integers(0, 5, 40), strict=True)})
    p = {pair: round(float(value), 1) for pair, value in zip(pairs, rng.random(len(pairs)), strict=True)}
    places = {"c3": "c0", "c4": "c0"} if seed % 2 else {}
    con = duckdb.connect()
    con.register("pairs", pa.table([*zip(*[(*pair, p[pair]) for pair in pairs], strict=True)],
                                   names=["image_id", "class_key", "p_correct"]))  # fmt: skip
    con.register("places", pa.table({"class_key": pa.array([*places], pa.string()),
                                     "place": pa.array([*places.values()], pa.string())}))  # fmt: skip
    query = f"SELECT image_id, direct_key, class_key, p_correct, rule FROM ({sql_of('usable_labels')}) ORDER BY ALL"
    found = con.execute(query, {"max_per_class": cap, "seed": "0"}).fetchall()
    lower = {i: con.execute("SELECT md5_number_lower('0:' || ?)", [i]).fetchone()[0] for i, _ in pairs}
    rule, seen = {}, set()
    for image, key in sorted(pairs, key=lambda pair: (pair[0], pair[1] in places, -p[pair], pair[1])):
        place = (image, places.get(key, key))
        rule[image, key] = "merged" if place in seen else None
        seen.add(place)
    left: dict[str, int] = Counter()
    for image, key in sorted(pairs, key=lambda pair: (-p[pair], lower[pair[0]], pair[0])):
        if rule[image, key] is None:
            left[places.get(key, key)] += 1
            if cap is not None and left[places.get(key, key)] > cap:
                rule[image, key] = "over_cap"
    assert found == sorted((i, k, places.get(k, k), p[i, k], rule[i, k]) for i, k in pairs)


def test_wanted_classes(tmp_path):
    con = memory(corpus_tables([(0, 0), (1, 1)]), tmp_path).connect()
    for keys, expected in (([key_of(1)], [(key_of(1),)]), (None, [(key_of(0),), (key_of(1),)])):
        want_classes(con, keys)
        assert con.sql("FROM wanted ORDER BY ALL").fetchall() == expected
