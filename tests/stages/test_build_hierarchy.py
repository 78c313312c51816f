import duckdb
import pyarrow as pa
import pytest

from curate.errors import SchemaError
from curate.schema import check_rows, conform, table_schema
from curate.stages.build_hierarchy import STAGE
from curate.wordnet.senses import group_key
from tests.tables import MemoryTables
from tests.wordnet.pieces import wordnet_piece

APPLE_FRUIT, APPLE_TREE, FRUIT = "n07739125", "n12633994", "n13134947"
DOG, POODLE, CANINE = "n02084071", "n02113335", "n02083346"


@pytest.fixture(scope="module")
def wordnet():
    return wordnet_piece("apple", "poodle", "dog", "axe")


def run(wordnet, labels):
    """A connection with the stage's tables; labels are (image, class_key) pairs."""
    rows = [
        {"image_id": image, "field": "hashtag", "position": i, "start": 0, "surface": "x", "class_key": key,
         "rule": "exact", "confidence": 1.0 if key else 0.0, "runners_up": []}
        for i, (image, key) in enumerate(labels)
    ]  # fmt: skip
    mentions = pa.Table.from_pylist(rows, schema=table_schema("mentions").arrow)
    out = STAGE.run(MemoryTables({**wordnet, "mentions": mentions}), STAGE.params())
    assert set(out) == set(STAGE.writes)
    con = duckdb.connect()
    for name, table in out.items():
        table = conform(table, name)
        check_rows(table, name)
        con.register(name, table)
    return con


def counts(con, key):
    return con.execute("SELECT n_images_direct, n_images_total FROM classes WHERE class_key = ?", [key]).fetchall()[0]


def test_images_are_counted_once_per_class(wordnet):
    labels = [("a", POODLE), ("a", POODLE), ("a", DOG), ("b", POODLE), ("c", CANINE), ("d", ""), ("e", APPLE_FRUIT)]
    con = run(wordnet, labels)
    assert counts(con, POODLE) == (2, 2)
    assert counts(con, DOG) == (1, 2)
    assert counts(con, CANINE) == (1, 3)
    assert counts(con, "n00001740") == (0, 4)
    assert con.sql("SELECT name, depth FROM classes WHERE n_images_total = 4 ORDER BY depth").fetchall()[0] == (
        "entity",
        0,
    )


def test_classes_are_those_named_and_all_above_them(wordnet):
    con = run(wordnet, [("a", APPLE_FRUIT), ("b", APPLE_TREE)])
    above = dict(
        con.execute("SELECT ancestor_key, distance FROM ancestors WHERE class_key = ?", [APPLE_FRUIT]).fetchall()
    )
    assert (above[APPLE_FRUIT], FRUIT in above) == (0, True)
    tree = con.execute("SELECT ancestor_key FROM ancestors WHERE class_key = ?", [APPLE_TREE]).fetchall()
    assert (FRUIT,) not in tree
    loops = "FROM ancestors a JOIN ancestors b ON a.class_key = b.ancestor_key AND a.ancestor_key = b.class_key"
    assert con.sql(f"SELECT count(*) {loops} WHERE a.distance > 0").fetchall() == [(0,)]
    missing = "SELECT count(*) FROM (SELECT ancestor_key FROM ancestors UNION SELECT parent_key FROM class_parents)"
    assert con.sql(missing + " WHERE ancestor_key NOT IN (SELECT class_key FROM classes)").fetchall() == [(0,)]
    transitive = "SELECT a.class_key, b.ancestor_key FROM ancestors a JOIN ancestors b ON a.ancestor_key = b.class_key"
    assert con.sql(f"({transitive}) EXCEPT SELECT class_key, ancestor_key FROM ancestors").fetchall() == []
    links = "FROM class_parents p JOIN classes c USING (class_key) JOIN classes d ON d.class_key = parent_key"
    assert con.sql(f"SELECT count(*) {links} WHERE c.depth <= d.depth").fetchall() == [(0,)]


def test_a_set_of_senses_inherits_what_all_share(wordnet):
    apple = group_key([APPLE_FRUIT, APPLE_TREE])
    con = run(wordnet, [("a", apple), ("b", apple), ("b", APPLE_FRUIT)])
    assert counts(con, apple) == (2, 2)
    members = con.execute("SELECT wnid FROM class_members WHERE class_key = ? ORDER BY wnid", [apple]).fetchall()
    assert members == [(APPLE_FRUIT,), (APPLE_TREE,)]
    parents = con.execute("SELECT parent_key FROM class_parents WHERE class_key = ?", [apple]).fetchall()
    above = con.execute("SELECT ancestor_key FROM ancestors WHERE class_key = ?", [apple]).fetchall()
    assert (FRUIT,) not in above
    assert ("n00001740",) in above
    # The nearest shared ones: nothing between them and the members is shared.
    assert len(parents) == 1
    assert con.execute("SELECT name FROM classes WHERE class_key = ?", [apple]).fetchall() == [("apple",)]


def test_nothing_was_mapped(wordnet):
    con = run(wordnet, [("a", "")])
    assert con.sql("SELECT count(*) FROM classes").fetchall() == [(0,)]


def test_a_class_that_wordnet_does_not_have_is_said(wordnet):
    with pytest.raises(SchemaError, match="n00000000"):
        run(wordnet, [("a", "n00000000")])
    with pytest.raises(SchemaError, match="g:0000000000000000"):
        run(wordnet, [("a", "g:0000000000000000")])
