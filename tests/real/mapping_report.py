"""How well labels are mapped on posts whose truth is known, by disguise, by rule and by threshold.

    CURATE_TEST_DATA=DIR python -m tests.real.mapping_report [--half developed|reported] [--cases]

Classes are cut into two halves by their place among the sorted wnids: rules and constants were developed on the even
ones, the odd ones are for reporting. Once the label space is given, once all nouns are open; there a synset below the
class counts as right, since WordNet may know the word for a kind of it only.
"""

import argparse
import os
import tempfile
from pathlib import Path

import duckdb

import curate
from tests.real.webposts import joined

TAGS = """
CREATE TABLE half AS SELECT wnid, (row_number() OVER (ORDER BY wnid) - 1) % 2 AS odd
    FROM read_parquet('{data}/webposts/truth/classes.parquet');
CREATE TABLE told AS SELECT DISTINCT ON (uid, field, raw_tag) t.*, replace(field, 'hashtags', 'hashtag') AS f, h.odd
    FROM tags AS t LEFT JOIN half AS h ON h.wnid = coalesce(class_wnid, intended_wnid) WHERE field <> 'caption'
    ORDER BY ALL;
CREATE TABLE found AS
    SELECT t.uid, t.f, t.raw_tag, any_value(t.role) AS role, any_value(t.form) AS form, any_value(t.odd) AS odd,
           any_value(t.class_wnid) AS class_key, any_value(t.noise_type) AS noise,
           list(DISTINCT m.class_key) FILTER (m.class_key <> '') AS keys, list_sort(list(DISTINCT m.rule)) AS rules,
           max(m.confidence) AS confidence
    FROM told AS t JOIN posts AS p USING (uid)
    JOIN raw_labels AS r ON r.image_id = p.image_id AND r.field = t.f AND r.raw_label IN (t.raw_tag, '#' || t.raw_tag)
    JOIN mentions AS m ON m.image_id = r.image_id AND m.field = r.field AND m.position = r.position
    GROUP BY t.uid, t.f, t.raw_tag;
CREATE TABLE verdicts AS
    SELECT *, keys IS NOT NULL AND NOT is_right AS is_wrong
    FROM (SELECT *, keys IS NOT NULL AND EXISTS (FROM ancestors AS a WHERE list_contains(keys, a.class_key)
                 AND a.ancestor_key = found.class_key) AS is_right FROM found)
"""
SHARES = "count(*) AS n, round(avg(is_right::INT), 3) AS right, round(avg(is_wrong::INT), 3) AS wrong"
SYNONYMS = "verdicts WHERE role = 'synonym' AND noise IS DISTINCT FROM 'wrong_sense' AND odd = {odd}"
BINS = f"SELECT count(*) AS n, avg(confidence) AS said, avg(is_right::INT) AS was FROM {SYNONYMS} AND keys IS NOT NULL"
QUESTIONS = {
    "by disguise": f"SELECT coalesce(form, 'all') AS form, {SHARES} FROM {SYNONYMS} "
    "GROUP BY ROLLUP (form) ORDER BY n DESC",
    "compounds": f"SELECT {SHARES} FROM verdicts WHERE role = 'compound' AND odd = {{odd}}",
    "by rule": f"SELECT rules, {SHARES} FROM {SYNONYMS} GROUP BY rules ORDER BY n DESC",
    "what names no class": "SELECT role, count(*) AS n, count(keys) AS mapped FROM verdicts "
    "WHERE role IN ('nonvisual', 'garbage') GROUP BY role",
    "wrong sense (caught = not mapped to the class)": "SELECT count(*) AS n, "
    "round(avg((NOT is_right)::INT), 3) AS caught FROM verdicts WHERE noise = 'wrong_sense' AND odd = {odd}",
    "by confidence": f"FROM ({BINS} GROUP BY least(floor(confidence * 10), 9)) ORDER BY said",
    "expected calibration error": "SELECT round(sum(n * abs(said - was)) / sum(n), 4) AS ece "
    f"FROM ({BINS} GROUP BY least(floor(confidence * 10), 9))",
    "by threshold": "SELECT t AS threshold, round(avg((is_right AND confidence >= t)::INT), 3) AS right, "
    "round(avg((is_wrong AND confidence >= t)::INT), 3) AS wrong, round(sum((is_right AND confidence >= t)::INT) / "
    "sum((keys IS NOT NULL AND confidence >= t)::INT), 4) AS precision "
    f"FROM (VALUES (0.5), (0.6), (0.7), (0.75), (0.8), (0.9), (0.95)) AS v(t), {SYNONYMS} GROUP BY t ORDER BY t",
}
CASES = (
    "SELECT lower(raw_tag) AS tag, class_key, keys, rules, count(*) AS n "
    f"FROM {SYNONYMS} AND NOT is_right GROUP BY ALL ORDER BY n DESC LIMIT 60"
)
THRESHOLDED = ("by confidence", "expected calibration error", "by threshold")


def verdicts(folder: Path, data: Path, classes: str | None, min_confidence: float) -> duckdb.DuckDBPyConnection:
    """Map the posts in a workspace, and join the mentions with the truth."""
    session = curate.open(folder, create=True)
    session.run("ingest", sources=[str(data / "webposts/corpus")])
    session.run("map-labels", classes=classes, min_confidence=min_confidence)
    session.run("build-hierarchy")
    con = joined(session, data, scored=False)
    for statement in TAGS.format(data=data).split(";\n"):
        con.execute(statement)
    return con


def main() -> None:
    """Print every table, the label space given and open."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=("developed", "reported"), default="developed")
    parser.add_argument("--cases", action="store_true", help="list what was not mapped right")
    options = parser.parse_args()
    data, odd = Path(os.environ["CURATE_TEST_DATA"]), int(options.half == "reported")
    for title, classes in (("label space given", str(data / "webposts/vocab.csv")), ("all nouns", None)):
        for least in (0.75, 0.0):
            with tempfile.TemporaryDirectory() as folder, verdicts(Path(folder), data, classes, least) as con:
                for name, question in QUESTIONS.items():
                    if (name in THRESHOLDED) == (least == 0.0):
                        print(f"{title}, {options.half} half: {name}")
                        con.sql(question.format(odd=odd)).show(max_rows=60, max_width=160)
                if options.cases and least:
                    con.sql(CASES.format(odd=odd)).show(max_rows=60, max_width=160)


if __name__ == "__main__":
    main()
