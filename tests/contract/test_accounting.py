"""Nothing is lost on the way: records, labels, and what each was left out for."""

from itertools import pairwise

import pytest

from tests.contract.road import read_records

DIRECT = "SELECT image_id, class_key FROM image_labels WHERE origin = 'direct'"
KEPT = "SELECT image_id, unnest(class_keys) AS class_key FROM manifest"


@pytest.fixture
def con(road):
    return road.session.connect()


def test_every_record_is_an_image_or_a_reject(road, con):
    records = read_records(road.corpus.posts)
    keys = {record[0][0].partition(".")[0] for record in records}
    images = {key for (key,) in con.execute("SELECT key FROM images").fetchall()}
    rejects = {locator.rpartition("/")[2] for (locator,) in con.execute("SELECT locator FROM rejects").fetchall()}
    without_image = keys - images
    assert images <= keys and without_image <= rejects
    # What is left are members that were unusable, of records that have their image all the same.
    members = {name for record in records for name, _ in record}
    assert rejects - without_image <= members


def test_every_label_of_a_record_is_a_raw_label_and_every_raw_label_is_mentioned(con):
    silent = "SELECT image_id, field, position FROM raw_labels ANTI JOIN mentions USING (image_id, field, position)"
    assert con.execute(silent).fetchall() == []


def test_every_direct_label_is_in_the_manifest_or_excluded_and_never_both(con):
    where = con.execute(f"""
        SELECT d.*, k.image_id IS NOT NULL AS kept, one.image_id IS NOT NULL AS out, whole.image_id IS NOT NULL AS gone
        FROM ({DIRECT}) AS d LEFT JOIN ({KEPT}) AS k USING (image_id, class_key)
        LEFT JOIN exclusions AS one USING (image_id, class_key)
        LEFT JOIN (FROM exclusions WHERE class_key = '') AS whole USING (image_id)""").fetchall()
    assert len(where) > 200
    assert [row for row in where if sum(row[2:]) != 1] == []


def test_the_manifest_and_the_exclusions_name_nothing_else(con):
    assert con.execute(f"({KEPT}) EXCEPT ({DIRECT})").fetchall() == []
    assert (
        con.execute(f"SELECT image_id, class_key FROM exclusions WHERE class_key <> '' EXCEPT ({DIRECT})").fetchall()
        == []
    )
    every = "SELECT image_id FROM manifest UNION SELECT image_id FROM exclusions"
    assert con.execute(f"SELECT image_id FROM images EXCEPT ({every})").fetchall() == []
    assert con.execute(f"({every}) EXCEPT SELECT image_id FROM images").fetchall() == []
    both = "SELECT image_id FROM manifest INTERSECT SELECT image_id FROM exclusions WHERE class_key = ''"
    assert con.execute(both).fetchall() == []


def test_counts_of_the_classes_are_those_of_the_rows(con):
    kept = dict(con.execute(f"SELECT class_key, count(*) FROM ({KEPT}) GROUP BY ALL").fetchall())
    for key, status, n_kept in con.execute("SELECT class_key, status, n_kept FROM manifest_classes").fetchall():
        assert n_kept == kept.get(key, 0)
        assert (status == "kept") == (key in kept)


def test_losses_add_up_to_the_rows_of_the_manifest(con):
    steps = con.execute(
        "SELECT n_labels, n_images, n_labels_left, n_images_left FROM manifest_losses ORDER BY step"
    ).fetchall()
    for before, (n_labels, n_images, *left) in pairwise(steps):
        assert left == [before[2] - n_labels, before[3] - n_images]
    assert steps[0][3] == con.execute("SELECT count(*) FROM images").fetchone()[0]
    kept = con.execute(f"SELECT count(*), count(DISTINCT image_id) FROM ({KEPT})").fetchone()
    assert steps[-1][2:] == kept and len(steps) > 3


def test_no_copy_of_an_eval_image_is_in_the_manifest(con):
    copies = con.execute("SELECT DISTINCT image_id FROM near_duplicates").fetchall()
    assert len(copies) >= 5
    assert con.execute("SELECT image_id FROM manifest SEMI JOIN near_duplicates USING (image_id)").fetchall() == []
    rules = "SELECT DISTINCT rule FROM exclusions SEMI JOIN near_duplicates USING (image_id)"
    assert set(con.execute(rules).fetchall()) <= {("near_duplicate",), ("damaged",), ("tombstone",)}


def test_each_image_says_why(road, con):
    kept, out = (
        con.execute(f"SELECT image_id FROM {t} ORDER BY 1 LIMIT 1").fetchone()[0] for t in ("manifest", "exclusions")
    )
    assert road.session.find_image(kept) == kept
    assert con.execute("SELECT count(*) FROM exclusions WHERE image_id = ? AND detail <> ''", [out]).fetchone()[0] >= 1
