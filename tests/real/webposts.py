"""Running the road over the corpus of real photographs, and joining what it found with its truth."""

from pathlib import Path

import duckdb

import curate
from curate.api import Session

_SEEN = Path(__file__).with_name("leaks_seen.csv")
_JOINS = """
CREATE TABLE truth AS SELECT *, row_number() OVER (PARTITION BY key ORDER BY uid) - 1 AS occurrence
    FROM read_parquet('{data}/truth/images.parquet');
CREATE TABLE tags AS SELECT * FROM read_parquet('{data}/truth/tags.parquet');
CREATE TABLE given_classes AS SELECT wnid FROM read_csv('{data}/vocab.csv');
CREATE TABLE extra AS SELECT key, regexp_extract(eval_file, '[^/.]+', 0) AS eval_stem, eval_file
    FROM read_csv('{data}/truth/extra_copies.csv', all_varchar = true);
CREATE TABLE seen AS SELECT image, eval_file FROM read_csv('{seen}', all_varchar = true);
CREATE TABLE leaks AS SELECT uid, eval_file, transform FROM read_parquet('{data}/truth/leaks.parquet');
CREATE TABLE posts AS SELECT i.image_id, t.uid, t.key, t.kind, t.true_wnid, t.damage, t.decodable
    FROM images AS i JOIN truth AS t USING (key, occurrence);
CREATE TABLE named AS SELECT uid, class_wnid AS class_key, bool_or(is_correct) AS is_right FROM tags
    WHERE field IN ('hashtags', 'query') AND class_wnid IN (FROM given_classes) GROUP BY ALL
"""
_PAIRS = """
CREATE TABLE pairs AS
    SELECT s.image_id, s.class_key, s.p_correct, coalesce(n.is_right, p.true_wnid = s.class_key, false) AS is_right
    FROM label_scores AS s JOIN posts AS p USING (image_id) LEFT JOIN named AS n USING (uid, class_key)
    WHERE p.kind <> 'damaged'
"""


def pipeline(folder: Path, data: Path) -> Path:
    """A pipeline file over the whole corpus."""
    return _pipeline(folder, data, "shard-*.tar", data / "webposts/evalset", "", "")


def pipeline_of_shard(folder: Path, data: Path, shard: int) -> Path:
    """One over a single tar, against the eval images that it holds copies of and an eighth of the others."""
    source, evalset = data / "webposts/evalset", folder / "evalset"
    truth = data / "webposts/truth"
    leaked = duckdb.sql(
        f"SELECT DISTINCT l.eval_file FROM read_parquet('{truth}/leaks.parquet') AS l "
        f"JOIN read_parquet('{truth}/images.parquet') AS i ON i.uid = l.uid WHERE i.shard = {shard}"
    ).fetchall()
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.jpg"))
    for name in {*names[::8], *(name for (name,) in leaked)}:
        (evalset / name).parent.mkdir(parents=True, exist_ok=True)
        (evalset / name).symlink_to(source / name)
    return _pipeline(folder, data, f"shard-{shard:05d}.tar", evalset, ", plants: 4", ", compare: 0.3")


def _pipeline(folder: Path, data: Path, shards: str, evalset: Path, of_embed: str, of_dedup: str) -> Path:
    """Tars that match are linked, not copied."""
    corpus = folder / "webposts"
    corpus.mkdir()
    for tar in sorted((data / "webposts/corpus").glob(shards)):
        (corpus / tar.name).symlink_to(tar)
    path = folder / "webposts.yaml"
    path.write_text(f"""
stages:
  ingest: {{sources: [{{path: {corpus}}}]}}
  add-evalset: {{sets: [{{name: heldout, path: {evalset}}}]}}
  map-labels: {{classes: {data}/webposts/vocab.csv}}
  build-hierarchy:
  embed: {{encoder: ["file:{data}/encoders/mobilenet_v2_imagenet.pt"], trust: true{of_embed}}}
  dedup: {{against: [heldout]{of_dedup}}}
  score-labels:
  estimate-noise:
  build-manifest: {{min_precision: 0.8}}
""")
    return path


def run(pipeline: Path) -> Session:
    """A workspace beside the file, with everything up to the manifest."""
    session = curate.open(pipeline.parent / "workspace", create=True)
    curate.run(pipeline, session)
    return session


def joined(session: Session, data: Path, *, scored: bool = True) -> duckdb.DuckDBPyConnection:
    """The workspace's views beside tables of truth: posts, tags, leaks, named, and pairs where labels are scored."""
    con = session.connect()
    for statement in _JOINS.format(data=data / "webposts", seen=_SEEN).split(";\n"):
        con.execute(statement)
    if scored:
        con.execute(_PAIRS)
    return con


def leaks_found(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    """By transform: leaks found, leaks planted."""
    rows = con.execute(
        "SELECT leaks.transform, count(n.image_id), count(*) FROM leaks JOIN posts USING (uid) "
        "LEFT JOIN near_duplicates AS n ON n.image_id = posts.image_id AND n.eval_image_id = eval_file "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return {transform: (found, planted) for transform, found, planted in rows}


def false_hits(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Reported copies that are neither planted, known from the collection, nor seen to be one: key and eval image."""
    return con.execute(
        "SELECT p.key, n.eval_image_id FROM near_duplicates AS n JOIN posts AS p USING (image_id) "
        "WHERE NOT EXISTS (FROM leaks AS l WHERE l.uid = p.uid AND l.eval_file = n.eval_image_id) "
        "AND NOT EXISTS (FROM extra AS e WHERE e.key = p.key AND e.eval_file = n.eval_image_id) "
        "AND NOT EXISTS (FROM seen AS s WHERE s.image = p.uid::VARCHAR AND s.eval_file = n.eval_image_id) ORDER BY ALL"
    ).fetchall()
