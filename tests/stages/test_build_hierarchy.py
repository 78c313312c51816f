import math
import random

import duckdb
import pyarrow as pa
import pytest

from curate.errors import InputError, ParameterError, SchemaError
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


def run(wordnet, labels, vocabulary=(), **params):
    """A connection with the stage's tables; labels are (image, class_key) pairs, vocabulary (key, name, parent)."""
    rows = [
        {"image_id": image, "field": "hashtag", "position": i, "start": 0, "surface": "x", "class_key": key,
         "rule": "exact", "confidence": 1.0 if key else 0.0, "runners_up": []}
        for i, (image, key) in enumerate(labels)
    ]  # fmt: skip
    mentions = pa.Table.from_pylist(rows, schema=table_schema("mentions").arrow)
    listed = [dict(zip(("class_key", "name", "parent_key"), row, strict=True)) for row in vocabulary]
    own = {"vocabulary": pa.Table.from_pylist(listed, schema=table_schema("vocabulary").arrow)} if listed else {}
    tables = MemoryTables({**wordnet, **own, "mentions": mentions}, () if listed else ("vocabulary",))
    out = STAGE.run(tables, STAGE.params(**params))
    assert set(out) == set(STAGE.writes)
    con = duckdb.connect()
    raw = [{"image_id": image, "field": "hashtag", "position": i, "raw_label": key} for i, (image, key) in
           enumerate(labels)]  # fmt: skip
    con.register("mentions", mentions)
    con.register("raw_labels", pa.Table.from_pylist(raw, schema=table_schema("raw_labels").arrow))
    for name, table in out.items():
        table = conform(table, name)
        check_rows(table, name)
        con.register(name, table)
    con.execute("CREATE TEMP VIEW image_labels AS " + table_schema("image_labels").view_sql)
    check_invariants(con)
    return con


def check_invariants(con):
    """What holds whatever the parameters are."""
    mapped = "SELECT DISTINCT class_key FROM mentions WHERE class_key <> ''"
    assert con.sql(f"({mapped}) EXCEPT SELECT class_key FROM rollups").fetchall() == []
    assert con.sql("SELECT count(*) FROM rollups").fetchall() == con.sql(f"SELECT count(*) FROM ({mapped})").fetchall()
    strays = "SELECT kept_key FROM rollups WHERE kept_key <> '' EXCEPT SELECT class_key FROM classes"
    assert con.sql(strays).fetchall() == []
    counted = """
        SELECT class_key, count(DISTINCT image_id) FILTER (origin = 'direct'), count(DISTINCT image_id)
        FROM image_labels GROUP BY class_key ORDER BY class_key"""
    stored = "SELECT class_key, n_images_direct, n_images_total FROM classes ORDER BY class_key"
    assert con.sql(counted).fetchall() == con.sql(stored).fetchall()
    below = "SELECT ancestor_key, count(*) FROM ancestors WHERE distance > 0 GROUP BY ALL"
    stored = "SELECT class_key, n_classes_below FROM classes WHERE n_classes_below > 0"
    assert sorted(con.sql(below).fetchall()) == sorted(con.sql(stored).fetchall())
    finer = "FROM class_parents JOIN classes c USING (class_key) JOIN classes p ON p.class_key = parent_key"
    assert con.sql(f"SELECT count(*) {finer} WHERE c.information < p.information").fetchall() == [(0,)]


def rollups(con):
    return {
        key: (kept, rule) for key, kept, rule in con.sql("SELECT class_key, kept_key, rule FROM rollups").fetchall()
    }


def images(prefix, n):
    return [f"{prefix}{i}" for i in range(n)]


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


def test_the_granularity_of_a_class(wordnet):
    apple = group_key([APPLE_FRUIT, APPLE_TREE])
    con = run(wordnet, [("a", POODLE), ("a", apple)])
    found = {k: (n, i) for k, n, i in con.sql("SELECT class_key, n_classes_below, information FROM classes").fetchall()}
    n_classes = len(found)
    assert found["n00001740"] == (n_classes - 1, 0.0)
    assert found[POODLE] == (0, 1.0)
    # A set of senses covers what its members cover: here two leaves of the piece of WordNet.
    n_synsets = wordnet["synsets"].num_rows
    assert found[apple] == (0, round(1 - math.log(2) / math.log(n_synsets), 6))
    assert 0 < found[DOG][1] < 1


def test_parent_and_child_on_one_image_are_no_conflict(wordnet):
    con = run(wordnet, [("a", POODLE), ("a", DOG), ("b", POODLE)])
    origin = dict(con.execute("SELECT image_id, origin FROM image_labels WHERE class_key = ?", [DOG]).fetchall())
    assert origin == {"a": "direct", "b": "inherited"}
    assert con.execute("SELECT origin FROM image_labels WHERE class_key = ?", [POODLE]).fetchall() == [("direct",)] * 2


class TestRareClasses:
    def test_go_up_to_the_nearest_class_that_is_kept(self, wordnet):
        labels = [(i, POODLE) for i in images("p", 2)] + [(i, DOG) for i in images("d", 5)]
        con = run(wordnet, labels, min_images=3)
        assert rollups(con) == {POODLE: (DOG, "few_images"), DOG: (DOG, "kept")}
        assert counts(con, DOG) == (7, 7)
        assert con.execute("FROM classes WHERE class_key = ?", [POODLE]).fetchall() == []
        assert con.sql("SELECT n_images FROM rollups ORDER BY n_images").fetchall() == [(2,), (5,)]

    def test_count_towards_the_class_above_and_an_image_once(self, wordnet):
        labels = [("a", POODLE), ("b", POODLE), ("a", DOG), ("c", CANINE)]
        assert rollups(run(wordnet, labels, min_images=2)) == {
            POODLE: (POODLE, "kept"), DOG: (CANINE, "few_images"), CANINE: (CANINE, "kept")
        }  # fmt: skip
        assert rollups(run(wordnet, [*labels, ("c", DOG)], min_images=3)) == {
            POODLE: (DOG, "few_images"), DOG: (DOG, "kept"), CANINE: ("", "few_images")
        }  # fmt: skip
        together = rollups(run(wordnet, labels, min_images=3))
        assert set(together.values()) == {(CANINE, "few_images"), (CANINE, "kept")}

    def test_make_no_class_that_nobody_named(self, wordnet):
        con = run(wordnet, [("a", POODLE), ("b", APPLE_FRUIT), ("c", DOG), ("d", DOG)], min_images=2)
        assert rollups(con)[APPLE_FRUIT] == ("", "few_images")
        assert counts(con, DOG) == (3, 3)

    def test_go_up_to_a_class_of_the_label_space(self, wordnet):
        labels, root = [("a", APPLE_FRUIT), ("b", APPLE_TREE)], "n00001740"
        assert set(rollups(run(wordnet, labels, min_images=2)).values()) == {("", "few_images")}
        con = run(wordnet, labels, [(root, "entity", "")], min_images=2)
        assert rollups(con) == {APPLE_FRUIT: (root, "few_images"), APPLE_TREE: (root, "few_images")}
        assert counts(con, root) == (2, 2)

    def test_are_left_out_where_asked_for(self, wordnet):
        labels = [("a", POODLE), ("b", DOG), ("c", DOG)]
        con = run(wordnet, labels, min_images=2, rest="discard")
        assert rollups(con) == {POODLE: ("", "few_images"), DOG: (DOG, "kept")}
        assert counts(con, DOG) == (2, 2)

    def test_of_a_set_of_senses_go_to_what_all_share(self, wordnet):
        apple = group_key([APPLE_FRUIT, APPLE_TREE])
        labels = [("a", apple), ("b", FRUIT), ("c", FRUIT)]
        assert rollups(run(wordnet, labels, min_images=2))[apple] == ("", "few_images")
        whole = [("b", "n00001740"), ("c", "n00001740")]
        assert rollups(run(wordnet, [*labels, *whole], min_images=2))[apple] == ("n00001740", "few_images")


class TestTheLargestClasses:
    LABELS = (*((i, POODLE) for i in images("p", 3)), ("d", DOG), ("e", DOG), ("c", CANINE))

    def test_are_kept(self, wordnet):
        assert rollups(run(wordnet, self.LABELS, max_classes=2)) == {
            POODLE: (POODLE, "kept"), DOG: (DOG, "kept"), CANINE: ("", "max_classes")
        }  # fmt: skip
        assert rollups(run(wordnet, [*self.LABELS, *self.LABELS], max_classes=9)).keys() == {POODLE, DOG, CANINE}

    def test_take_over_what_lies_below(self, wordnet):
        more = [(i, CANINE) for i in images("c", 9)]
        assert rollups(run(wordnet, [*self.LABELS, *more], max_classes=1)) == {
            POODLE: (CANINE, "max_classes"), DOG: (CANINE, "max_classes"), CANINE: (CANINE, "kept")
        }  # fmt: skip
        left = rollups(run(wordnet, [*self.LABELS, *more], max_classes=1, rest="discard"))
        assert left == {POODLE: ("", "max_classes"), DOG: ("", "max_classes"), CANINE: (CANINE, "kept")}

    def test_after_rare_ones_went_up(self, wordnet):
        labels = [("a", POODLE), ("b", DOG), ("c", DOG), ("x", APPLE_FRUIT), ("y", APPLE_FRUIT)]
        assert rollups(run(wordnet, labels, min_images=2, max_classes=1)) == {
            POODLE: (DOG, "few_images"), DOG: (DOG, "kept"), APPLE_FRUIT: ("", "max_classes")
        }  # fmt: skip


class TestAntichain:
    def test_larger_classes_come_first(self, wordnet):
        labels = [("a", POODLE), ("b", DOG), ("c", DOG), ("d", CANINE)]
        con = run(wordnet, labels, antichain=True)
        assert rollups(con) == {
            POODLE: (DOG, "below_kept"), DOG: (DOG, "kept"), CANINE: ("", "above_kept")
        }  # fmt: skip
        # What lies above a kept class is a class all the same, by inheritance.
        assert counts(con, CANINE) == (0, 3)

    def test_some_classes_may_come_before_all_others(self, wordnet, tmp_path):
        (tmp_path / "first.txt").write_text(POODLE)
        labels = [("a", POODLE), ("b", DOG), ("c", DOG), ("x", APPLE_FRUIT)]
        con = run(wordnet, labels, antichain=True, first=str(tmp_path / "first.txt"))
        assert rollups(con) == {
            POODLE: (POODLE, "kept"), DOG: ("", "above_kept"), APPLE_FRUIT: (APPLE_FRUIT, "kept")
        }  # fmt: skip

    def test_no_class_lies_above_another(self, wordnet):
        wnids = wordnet["synsets"]["wnid"].to_pylist()
        rng = random.Random(0)
        labels = [(f"i{i}", rng.choice(wnids)) for i in range(300)]
        for params in ({}, {"max_classes": 20}, {"min_images": 3}, {"rest": "discard", "min_images": 2}):
            con = run(wordnet, labels, antichain=True, **params)
            kept = "(SELECT kept_key FROM rollups WHERE kept_key <> '')"
            pairs = f"FROM ancestors WHERE distance > 0 AND class_key IN {kept} AND ancestor_key IN {kept}"
            assert con.sql(pairs).fetchall() == []
            assert con.sql("SELECT count(*) FROM rollups WHERE rule = 'kept'").fetchall()[0][0] > 5
            least = params.get("min_images", 0)
            assert con.sql(
                f"SELECT count(*) FROM classes WHERE n_images_direct BETWEEN 1 AND {least - 1}"
            ).fetchall() == [(0,)]


class TestAVocabulary:
    TREE = (("u:pet", "pet", ""), (DOG, "doggie", "u:pet"), ("u:rex", "rex", DOG), ("u:bolt", "bolt", ""))

    def test_lies_below_above_and_beside_wordnet(self, wordnet):
        con = run(wordnet, [("a", "u:rex"), ("b", POODLE), ("c", "u:bolt")], self.TREE)
        assert counts(con, "u:pet") == (0, 2)
        assert counts(con, "u:rex") == (1, 1) and counts(con, CANINE) == (0, 2) and counts(con, "u:bolt") == (1, 1)
        assert con.execute("SELECT name FROM classes WHERE class_key = ?", [DOG]).fetchall() == [("doggie",)]
        assert con.sql("FROM class_members WHERE class_key LIKE 'u:%'").fetchall() == []
        assert con.sql("SELECT depth, information FROM classes WHERE class_key = 'u:bolt'").fetchall() == [(0, 1.0)]

    def test_may_stand_alone(self, wordnet):
        tree = [("u:car", "car", "u:vehicle"), ("u:vehicle", "vehicle", "")]
        con = run(wordnet, [("a", "u:car")], tree)
        assert con.sql("SELECT class_key FROM classes ORDER BY ALL").fetchall() == [("u:car",), ("u:vehicle",)]
        assert rollups(run(wordnet, [("a", "u:car"), ("b", "u:vehicle")], tree, min_images=2)) == {
            "u:car": ("u:vehicle", "few_images"), "u:vehicle": ("u:vehicle", "kept")
        }  # fmt: skip

    def test_must_not_run_in_a_circle(self, wordnet):
        with pytest.raises(InputError, match="circle through .*u:pet"):
            run(wordnet, [("a", POODLE)], [("u:pet", "pet", POODLE), (DOG, "dog", "u:pet")])

    def test_must_name_parents_that_are_there(self, wordnet):
        with pytest.raises(InputError, match="u:nowhere"):
            run(wordnet, [("a", POODLE)], [("u:pet", "pet", "u:nowhere")])


@pytest.mark.parametrize("params", [{"min_images": -1}, {"max_classes": 0}, {"rest": "x"}, {"first": "imagenet-1k"}])
def test_parameters_that_mean_nothing_are_refused(params):
    with pytest.raises(ParameterError, match="build-hierarchy"):
        STAGE.params(**params)
