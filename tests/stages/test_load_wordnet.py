import duckdb

from curate.schema import check_rows, conform
from curate.stages.load_wordnet import STAGE
from tests.tables import MemoryTables


def test_tables_are_wordnet_3_0():
    out = STAGE.run(MemoryTables({}), STAGE.params())
    assert set(out) == set(STAGE.writes)
    for name, rows in out.items():
        check_rows(conform(rows, name), name)
    synsets, hypernyms = out["synsets"], out["hypernyms"]
    con = duckdb.connect()
    con.register("synsets", synsets)
    con.register("hypernyms", hypernyms)
    roots = con.sql("SELECT wnid, name, depth FROM synsets WHERE wnid NOT IN (SELECT wnid FROM hypernyms)").fetchall()
    assert roots == [("n00001740", "entity", 0)]
    assert con.sql("SELECT count(*), max(depth), count(gloss) FROM synsets").fetchall() == [(82115, 19, 0)]
    assert con.sql("SELECT lexname, name FROM synsets WHERE wnid = 'n02084071'").fetchall() == [("noun.animal", "dog")]
