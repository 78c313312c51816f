"""What must not change the result, and what may run again for it.

Two workers instead of one: tests/test_faults.py.
"""

import random
import shutil

import pyarrow.parquet as pq

from curate.schema import table_schema
from tests.contract.road import N_TARS, copy_of, exported, read_records, travel, write_tars

SHARD_STAGES = ("ingest", "map-labels", "embed", "dedup")
EVAL_PARTS = {"embed": 2, "dedup": 2}
"""Parts that do not come from tars of posts."""


RETAINED = ("manifests", "manifest", "manifest_classes", "manifest_origins", "manifest_losses", "exclusions")
"""Tables that keep the rows of earlier manifests; what is exported has those of the newest."""


def digests(session):
    return {table: digest for table, digest in session.digests().items() if table not in RETAINED}


def logical_manifest(session):
    folder = session.folder / "manifests" / session.newest_manifest()
    rows = [pq.read_table(path).drop_columns(["uri", "byte_offset", "byte_length"])
            for path in sorted(folder.glob("manifest-*.parquet"))]  # fmt: skip
    return [row for table in rows for row in table.to_pylist()]


def test_order_of_posts_and_shards_do_not_matter(road, tmp_path):
    records = read_records(road.corpus.posts)
    random.Random(0).shuffle(records)
    write_tars(tmp_path / "posts", [records[:40], records[40:]])
    mixed = copy_of(road.wordnet, tmp_path / "w")
    travel(mixed, road.corpus, tmp_path / "posts")
    assert mixed.digests() == road.session.digests()
    assert logical_manifest(mixed) == logical_manifest(road.session)
    differing = [name for name, data in exported(mixed).items() if data != exported(road.session)[name]]
    assert {name.partition("-")[0] for name in differing} == {"manifest", "provenance.json"}, "which hold locations"


def parts_run(outcomes):
    return {stage: (outcomes[stage].n_parts_run, outcomes[stage].n_parts_reused) for stage in SHARD_STAGES}


def test_a_tar_more_and_a_tar_less_cost_that_tar_and_equal_a_rebuild(road, tmp_path):
    posts = shutil.copytree(road.posts, tmp_path / "posts")
    last = sorted(posts.glob("*.tar"))[-1]
    whole = copy_of(road.session.folder, tmp_path / "whole")
    travel(whole, road.corpus, posts)
    aside = last.rename(tmp_path / last.name)
    fewer = copy_of(road.wordnet, tmp_path / "fewer")
    assert all(outcome.action == "ran" for name, outcome in travel(fewer, road.corpus, posts).items()
               if name != "load-wordnet")  # fmt: skip
    shrunk = copy_of(whole.folder, tmp_path / "shrunk")
    less = travel(shrunk, road.corpus, posts)
    assert parts_run(less) == {s: (0, N_TARS - 1 + EVAL_PARTS.get(s, 0)) for s in SHARD_STAGES}
    assert digests(shrunk) == digests(fewer) != digests(whole)
    assert exported(shrunk) == exported(fewer)
    assert not {part.name for part in shrunk.store.table_parts("images")} & {f"posts/{last.name}"}
    aside.rename(last)
    more = travel(fewer, road.corpus, posts)
    assert parts_run(more) == {s: (1, N_TARS - 1 + EVAL_PARTS.get(s, 0)) for s in SHARD_STAGES}
    assert (more["add-evalset"].action, more["load-wordnet"].action) == ("reused", "reused")
    assert digests(fewer) == digests(whole) == digests(road.session)
    assert exported(fewer) == exported(whole)


def test_a_second_run_and_a_parameter_of_the_last_stage_run_nothing_upstream(road, tmp_path):
    session = copy_of(road.session.folder, tmp_path / "w")
    again = travel(session, road.corpus, road.posts)
    assert {(outcome.action, outcome.n_parts_run) for outcome in again.values()} == {("reused", 0)}
    first = session.newest_manifest()
    stricter = travel(session, road.corpus, road.posts, "build-manifest.min_precision=0.9")
    assert [name for name, outcome in stricter.items() if outcome.action == "ran"] == ["build-manifest"]
    assert stricter["build-manifest"].why == "parameter min_precision changed"
    second = session.newest_manifest()
    ids = {row for (row,) in session.sql("SELECT DISTINCT manifest_id FROM manifest_classes").fetchall()}
    assert ids == {first, second}
    before = exported(session)
    shutil.rmtree(session.folder / "manifests")
    travel(session, road.corpus, road.posts, "build-manifest.min_precision=0.9")
    assert exported(session) == before
    back = travel(session, road.corpus, road.posts)
    assert session.newest_manifest() == first
    assert back["build-manifest"].action == "ran"
    assert exported(session) == exported(road.session)


def test_touching_a_tar_runs_it_again_and_ends_in_the_same(road, tmp_path):
    posts = shutil.copytree(road.posts, tmp_path / "posts")
    session = copy_of(road.session.folder, tmp_path / "w")
    touched = sorted(posts.glob("*.tar"))[1]
    touched.write_bytes(touched.read_bytes())
    found = travel(session, road.corpus, posts)
    assert parts_run(found)["ingest"] == (1, N_TARS - 1)
    assert [parts_run(found)[stage][0] for stage in SHARD_STAGES[1:]] == [0, 0, 0]
    assert session.digests() == road.session.digests()
    locations = table_schema("sources").tagged("location")
    assert session.sql(f"SELECT {locations[0]} FROM sources").fetchall() == [(str(posts),)]
    assert session.newest_manifest() == road.session.newest_manifest()
