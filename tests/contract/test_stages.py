"""Every stage against its declaration, and every table against its definition."""

from dataclasses import fields

import pyarrow.parquet as pq
import pytest

from curate.plan import Step, inputs, needs, order, produces
from curate.schema import check_rows, digest_rows, table_schema, table_schemas
from curate.stage import Stage
from curate.stages.catalog import STAGES
from tests.contract.road import LAST, STORED, declared

PEOPLE = {"audits", "audit_frames", "audit_samples", "duplicate_reviews", "tombstones"}
"""Tables that no stage writes: commands append to them what people decide."""

RUN = [stage for stage in STAGES if stage.name not in ("load-wordnet", "train", "evaluate")]

REFERENCES = {
    "images": ["source IN (SELECT source FROM sources)"],
    "rejects": ["source IN (SELECT source FROM sources)"],
    "raw_labels": ["image_id IN (SELECT image_id FROM images)"],
    "mentions": [
        "(image_id, field, position) IN (SELECT (image_id, field, position) FROM raw_labels)",
        "class_key = '' OR class_key IN (SELECT class_key FROM classes)",
        "surface = '' OR surface IN (SELECT surface FROM label_map)",
    ],
    "hypernyms": ["wnid IN (SELECT wnid FROM synsets)", "hypernym_wnid IN (SELECT wnid FROM synsets)"],
    "lemmas": ["wnid IN (SELECT wnid FROM synsets)"],
    "class_members": ["class_key IN (SELECT class_key FROM classes)", "wnid IN (SELECT wnid FROM synsets)"],
    "class_parents": [
        "class_key IN (SELECT class_key FROM classes)",
        "(class_key, parent_key) IN (SELECT (class_key, ancestor_key) FROM ancestors WHERE distance = 1)",
    ],
    "ancestors": ["ancestor_key IN (SELECT class_key FROM classes)"],
    "eval_images": ["eval_set IN (SELECT eval_set FROM eval_sets)"],
    "embeddings": ["(image_id, sha256) IN (SELECT (image_id, sha256) FROM images WHERE status = 'ok')"],
    "eval_embeddings": [
        "(eval_set, eval_image_id, sha256) IN (SELECT (eval_set, eval_image_id, sha256) FROM eval_images)"
    ],
    "planted_embeddings": [
        "(eval_set, eval_image_id, sha256) IN (SELECT (eval_set, eval_image_id, sha256) FROM eval_images)"
    ],
    "planted_copies": [
        "(eval_set, eval_image_id, transform) IN (SELECT (eval_set, eval_image_id, transform) FROM planted_embeddings)"
    ],
    "eval_twins": [
        "eval_image_id <> other_id AND (eval_set, other_id) IN (SELECT (eval_set, eval_image_id) FROM eval_images)"
    ],
    "duplicate_thresholds": ["eval_set IN (SELECT eval_set FROM eval_sets)", "n_hits <= n_images"],
    "planted_recall": ["eval_set IN (SELECT eval_set FROM eval_sets)", "low <= recall AND recall <= high"],
    "duplicate_candidates": ["(eval_set, eval_image_id) IN (SELECT (eval_set, eval_image_id) FROM eval_images)"],
    "near_duplicates": [
        "(image_id, eval_set, eval_image_id) IN (SELECT (image_id, eval_set, eval_image_id) FROM duplicate_candidates)"
    ],
    "duplicate_clusters": ["cluster_id IN (SELECT image_id FROM images WHERE status = 'ok')"],
    "label_scores": [
        "(image_id, class_key) IN (SELECT (image_id, class_key) FROM image_labels WHERE origin = 'direct')",
        "image_id IN (SELECT image_id FROM images WHERE status = 'ok')",
    ],
    "label_stats": ["class_key IN (SELECT class_key FROM classes)"],
    "manifest": [
        "(image_id, source, uri, byte_offset, byte_length) IN "
        "(SELECT (image_id, source, uri, byte_offset, byte_length) FROM images WHERE status = 'ok')",
        "class_ids = list_sort(class_ids) AND (SELECT bool_and(class_id = class_ids[i]) FROM "
        "(SELECT unnest(class_keys) AS class_key, generate_subscripts(class_keys, 1) AS i) "
        "LEFT JOIN manifest_classes USING (class_key))",
    ],
    "manifests": ["manifest_id IN (SELECT manifest_id FROM manifest_classes)"],
    "manifest_losses": ["manifest_id IN (SELECT manifest_id FROM manifests)"],
    "exclusions": ["class_key = '' OR class_key IN (SELECT class_key FROM manifest_classes)"],
}
"""What must be true of each row, by table: that what it names is there."""


def test_each_table_has_one_producer():
    producers = {name: [stage.name for stage in STAGES if name in produces(stage)] for name in STORED}
    assert {name: found for name, found in producers.items() if len(found) != (name not in PEOPLE)} == {}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_declarations_name_stored_tables(stage: Stage):
    named = [*needs(stage), *stage.optional, *produces(stage)]
    assert set(named) <= set(STORED), "a view is read through the tables that it is made of"
    assert not set(needs(stage)) & set(produces(stage)), "earlier rows of an own table are optional"
    assert stage.doc and stage.version >= 1
    assert [f.name for f in fields(stage.params) if not f.metadata.get("help")] == []


def test_catalog_is_in_running_order():
    ordered = order([Step(stage, None) for stage in STAGES[::-1]])
    place = {step.stage.name: i for i, step in enumerate(ordered)}
    made_by = {table: stage.name for stage in STAGES for table in produces(stage)}
    for here, stage in enumerate(STAGES):
        earlier = {each.name for each in STAGES[:here]}
        makers = {made_by[table] for table in inputs(stage) if table in made_by}
        assert makers <= earlier
        assert all(place[maker] < place[stage.name] for maker in makers)


@pytest.mark.parametrize("stage", RUN, ids=lambda stage: stage.name)
def test_a_stage_can_read_what_it_declares_and_nothing_else(road, stage: Stage):
    seen = [(function, tables) for name, function, tables in road.seen if name == stage.name]
    assert seen
    for function, tables in seen:
        assert tables == declared(stage, function), function


EMPTY = {"manifest_origins"}
"""Tables that only options fill which the road does not use."""


@pytest.mark.parametrize("table", STORED)
def test_tables_are_as_they_are_defined(road, table: str):
    records = road.session.store.table_parts(table)
    if table in PEOPLE or any(table in produces(stage) for stage in STAGES if stage.name in ("train", "evaluate")):
        assert records is None
        return
    assert records or table in EMPTY
    for record in records:
        rows = pq.read_table(road.session.store.part_path(record.file))
        assert rows.schema.equals(table_schema(table).arrow), record.name
        assert rows.num_rows == record.n_rows
        assert digest_rows(rows, table) == (record.digest, record.location_digest)
        keys = rows.select(list(table_schema(table).key))
        assert keys.equals(keys.sort_by([(name, "ascending") for name in keys.column_names]))
    check_rows(road.session.store.all_tables().arrow(table), table)


def test_the_tiny_corpus_fills_every_table(road):
    n_rows = {table: n for outcome in road.outcomes for table, n in outcome.n_rows.items()}
    assert {outcome.stage for outcome in road.outcomes} == {"load-wordnet", *(stage.name for stage in RUN)}
    assert road.outcomes[-1].stage == LAST
    assert {table for table, n in n_rows.items() if not n} == EMPTY


@pytest.mark.parametrize("table", REFERENCES)
def test_what_a_row_names_is_there(road, table: str):
    con = road.session.connect()
    for condition in REFERENCES[table]:
        assert con.execute(f"SELECT * FROM {table} WHERE ({condition}) IS NOT true LIMIT 3").fetchall() == [], condition


def test_views_can_be_read_where_their_tables_can(road):
    for name, schema in table_schemas().items():
        if schema.view_sql:
            key = ", ".join(schema.key)
            con = road.session.connect()
            assert con.execute(f"SELECT count(*) = count(DISTINCT ({key})) FROM {name}").fetchall() == [(True,)]
            assert all(name not in needs(stage) for stage in STAGES)
