"""The macros of schemas/macros, and the views over the hierarchy that they read."""

import time

import duckdb
import pyarrow as pa
import pytest

import curate.api as api
from curate.schema import empty_database, macros, table_schema, table_schemas
from curate.stages.build_hierarchy import STAGE
from curate.store import StageTables
from curate.wordnet.senses import group_key
from tests.tables import MemoryTables
from tests.wordnet.pieces import wordnet_piece

ENTITY, DOG, CAT, POODLE = "n00001740", "n02084071", "n02121620", "n02113335"
DOMESTIC, CARNIVORE = "n01317541", "n02075296"
APPLE_FRUIT, APPLE_TREE = "n07739125", "n12633994"
APPLE = group_key([APPLE_FRUIT, APPLE_TREE])
TREE = [("u:pet", "pet", ""), (DOG, "doggie", "u:pet"), (DOG, "doggie", "n02083346"), ("u:rex", "rex", DOG)]
LABELS = [("a", DOG), ("a", CAT), ("b", "u:rex"), ("c", APPLE), ("d", POODLE)]


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory):
    """A workspace with WordNet and nothing else."""
    session = api.open(tmp_path_factory.mktemp("workspace") / "w", create=True)
    session.run("load-wordnet")
    return session


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    """A few labels, a tree around them, and a piece of WordNet."""
    place = [{"image_id": image, "field": "hashtag", "position": i} for i, (image, _) in enumerate(LABELS)]
    own = [dict(zip(("class_key", "name", "parent_key"), row, strict=True)) for row in TREE]
    mentions = [
        {**where, "start": 0, "surface": "x", "class_key": key, "rule": "exact", "confidence": 1.0, "runners_up": []}
        for where, (_, key) in zip(place, LABELS, strict=True)
    ]
    rows = {"vocabulary": own, "mentions": mentions, "raw_labels": [{**where, "raw_label": "x"} for where in place]}
    given = {n: pa.Table.from_pylist(r, schema=table_schema(n).arrow) for n, r in rows.items()}
    given |= wordnet_piece("apple", "poodle", "dog", "cat", "domesticcat")
    given |= STAGE.run(MemoryTables(given), STAGE.params())
    stored = [name for name, schema in table_schemas().items() if not schema.view_sql]
    memory = MemoryTables(given, [name for name in stored if name not in given])
    tables = StageTables(memory.folder, {name: memory.parts(name) for name in stored})
    with tables.connect() as con:
        yield con


def keys(con, query):
    return [row[0] for row in con.sql(query).fetchall()]


def test_each_says_what_it_gives():
    assert list(macros()) == ["ancestors(k)", "descendants(k)", "lca(a, b)", "path(k)", "unknown_classes(i)"]
    assert all(macros().values())


def test_all_of_wordnet_without_any_label(wordnet):
    con = wordnet.connect()
    above = con.sql(f"FROM ancestors('{POODLE}')").fetchall()
    assert above[:2] == [(POODLE, "poodle", 0), (DOG, "dog", 1)] and above[-1][0] == ENTITY
    assert con.sql(f"SELECT count(*), max(distance) FROM descendants('{ENTITY}')").fetchall() == [(82115, 18)]
    assert con.sql(f"SELECT count(*) FROM descendants('{DOG}')").fetchall() == [(190,)]
    assert con.sql(f"FROM lca('{DOG}', '{CAT}')").fetchall() == [(CARNIVORE, "carnivore", 2, 2)]
    assert con.sql(f"SELECT path('{CARNIVORE}')[-3:]").fetchall() == [(["mammal", "placental", "carnivore"],)]
    assert con.sql(f"SELECT path('{ENTITY}')").fetchall() == [(["entity"],)]


def test_the_macro_and_the_table_of_one_name_live_side_by_side(con):
    assert con.sql("SELECT columns(*) FROM ancestors LIMIT 0").columns == ["class_key", "ancestor_key", "distance"]
    assert con.sql(f"FROM ancestors('{DOG}') LIMIT 0").columns == ["class_key", "name", "distance"]
    # For classes that images have, both say the same.
    for key in (DOG, "u:rex", APPLE, CARNIVORE):
        table = con.execute("SELECT ancestor_key, distance FROM ancestors WHERE class_key = ?", [key]).fetchall()
        macro = con.sql(f"SELECT class_key, distance FROM ancestors('{key}')").fetchall()
        assert sorted(table) == sorted(macro)


def test_own_classes_and_sets_of_senses(con):
    assert con.sql("FROM ancestors('u:rex') LIMIT 2").fetchall() == [("u:rex", "rex", 0), (DOG, "doggie", 1)]
    assert "u:pet" in keys(con, f"FROM ancestors('{POODLE}')")
    assert {DOG, "u:rex", POODLE} <= set(keys(con, "FROM descendants('u:pet')"))
    assert con.sql("SELECT path('u:rex')").fetchall() == [(["pet", "doggie", "rex"],)]
    assert APPLE in keys(con, f"FROM descendants('{ENTITY}')")
    assert keys(con, f"FROM lca('{APPLE}', '{APPLE_TREE}')") == keys(con, f"FROM lca('{APPLE_FRUIT}', '{APPLE_TREE}')")
    assert keys(con, f"FROM lca('{DOG}', '{POODLE}')") == [DOG]
    assert keys(con, f"FROM lca('u:pet', '{CAT}')") == []  # two trees


def test_several_lowest_common_ancestors(con):
    """A poodle and a cat share a carnivore; a domestic cat is a domestic animal too."""
    domestic_cat = "n02121808"
    assert keys(con, f"FROM lca('{POODLE}', '{domestic_cat}')") == [DOMESTIC, CARNIVORE]


@pytest.mark.parametrize("key", ["n99999999", "", "dog", "'' OR true"])
def test_what_nobody_knows_has_no_rows(con, key):
    for macro in ("ancestors", "descendants"):
        assert con.sql(f"FROM {macro}('{key.replace(chr(39), chr(39) * 2)}')").fetchall() == []
    assert con.execute("SELECT path($1)", [key]).fetchall() == [(None,)]
    assert con.execute(f"FROM lca($1, '{DOG}')", [key]).fetchall() == []


def test_a_column_may_be_asked_with(con):
    query = "SELECT k, path(k)[-1] FROM (SELECT DISTINCT class_key AS k FROM mentions) ORDER BY k"
    named = dict(con.sql(query).fetchall())
    assert named == {DOG: "doggie", CAT: "cat", "u:rex": "rex", APPLE: "apple", POODLE: "poodle"}


def test_classes_below_a_direct_label_are_unknown(con):
    # a is a dog and a cat: of which kind is not known, and classes that no image has are no classes.
    assert con.sql("FROM unknown_classes('a')").fetchall() == [(POODLE, "poodle"), ("u:rex", "rex")]
    # b is rex; that it is no poodle follows: it lies below no direct label.
    assert con.sql("FROM unknown_classes('b')").fetchall() == []
    assert con.sql("FROM unknown_classes('nobody')").fetchall() == []


def test_long_tail(con):
    names = con.sql("FROM long_tail").columns
    row = dict(zip(names, con.sql("FROM long_tail").fetchall()[0], strict=True))
    assert row == {
        "n_classes": 5, "n_classes_empty": 1, "n_classes_under_20": 5, "n_classes_under_100": 5, "n_images": 4,
        "n_labels": 5, "smallest": 1, "median": 1, "largest": 1, "largest_share": 0.2, "gini": 0,
    }  # fmt: skip


GINI = [
    ([5], 0, 1, 1),
    ([20, 100], 1 / 3, 0, 1),
    ([0, 1, 99], 0.49, 1, 2),
    ([10] * 9, 0, 9, 9),
    ([1, 2, 3, 4], 1 / 4, 4, 4),
]


@pytest.mark.parametrize(("sizes", "gini", "under_20", "under_100"), GINI)
def test_the_gini_coefficient(sizes, gini, under_20, under_100):
    """Half the mean absolute difference of two classes over the mean; classes without direct labels do not count."""
    con = empty_database()
    rows = [[str(i), n] for i, n in enumerate(sizes)]
    con.executemany("INSERT INTO classes SELECT $1, $1, 0, $2, $2, 0, 1", rows)
    found = con.sql("SELECT gini, n_classes_under_20, n_classes_under_100 FROM long_tail").fetchall()[0]
    assert found == (pytest.approx(gini), under_20, under_100)
    kept = [n for n in sizes if n]
    pairs = sum(abs(a - b) for a in kept for b in kept) / len(kept) ** 2
    assert found[0] == pytest.approx(pairs / 2 / (sum(kept) / len(kept)))


def test_any_duckdb_client_has_them(wordnet):
    with duckdb.connect(str(wordnet.folder / "curate.duckdb"), read_only=True) as con:
        assert con.sql(f"FROM ancestors('{DOG}')").fetchall()[0] == (DOG, "dog", 0)
        assert con.sql("FROM ancestors").fetchall() == []
        assert con.sql(f"SELECT path('{DOG}')[1]").fetchall() == [("entity",)]
        assert con.sql("SELECT n_classes FROM long_tail").fetchall() == [(0,)]


def test_a_session_has_them(wordnet):
    assert wordnet.sql(f"SELECT name FROM descendants('{DOG}') LIMIT 1").fetchall() == [("dog",)]


def test_they_are_quick(wordnet):
    """Ten times slower than measured would mean that the links are read anew at every step."""
    con = wordnet.connect()
    for query, most in ((f"FROM ancestors('{POODLE}')", 0.5), (f"FROM descendants('{ENTITY}')", 3.0)):
        began = time.perf_counter()
        con.sql(query).fetchall()
        assert time.perf_counter() - began < most
