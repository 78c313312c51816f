import pyarrow as pa
import pytest

from curate.errors import SchemaError
from curate.schema import check_rows, combine_digests, conform, data_folder, digest_rows, table_schema, table_schemas


def test_every_file_defines_the_table_it_is_named_after() -> None:
    names = {path.stem for path in data_folder("schemas").glob("*.sql")}
    assert set(table_schemas()) == names
    for schema in table_schemas().values():
        assert schema.comment, schema.name
        assert schema.key, schema.name
        assert schema.arrow.names == [column.name for column in schema.columns]


def test_stored_keys_cannot_be_null() -> None:
    for schema in table_schemas().values():
        if not schema.view_sql:
            assert all(not c.nullable for c in schema.columns if c.name in schema.key), schema.name


def test_unknown_table_names_the_nearest() -> None:
    with pytest.raises(SchemaError, match="Did you mean 'label_stats'"):
        table_schema("label_stat")


def links(pairs: list[tuple[str, str]]) -> pa.Table:
    return pa.table({"class_key": [a for a, _ in pairs], "parent_key": [b for _, b in pairs]})


def test_conform_names_what_is_wrong() -> None:
    with pytest.raises(SchemaError, match=r"missing: \['parent_key'\], unknown: \['parent'\]"):
        conform(pa.table({"class_key": ["a"], "parent": ["b"]}), "class_parents")
    with pytest.raises(SchemaError, match="1 NULLs"):
        conform(pa.table({"class_key": ["a", None], "parent_key": ["b", "b"]}), "class_parents")
    with pytest.raises(SchemaError, match="column sense_rank"):
        conform(
            pa.table({"wnid": ["n"], "lemma": ["l"], "squashed": ["l"], "sense_rank": ["first"], "tag_count": [0]}),
            "lemmas",
        )


def test_checks_and_keys_are_enforced() -> None:
    check_rows(conform(links([("a", "b"), ("a", "c")]), "class_parents"), "class_parents")
    with pytest.raises(SchemaError, match="violate"):
        check_rows(conform(links([("a", "a")]), "class_parents"), "class_parents")
    with pytest.raises(SchemaError, match="two rows with key"):
        check_rows(conform(links([("a", "b"), ("a", "b")]), "class_parents"), "class_parents")


def test_digest_ignores_order_and_cut_but_nothing_else() -> None:
    rows = [(f"c{i}", f"p{i % 3}") for i in range(50)]
    whole = digest_rows(links(rows), "class_parents")[0]
    assert digest_rows(links(rows[::-1]), "class_parents")[0] == whole
    pieces = [digest_rows(links(rows[i : i + 7]), "class_parents")[0] for i in range(0, 50, 7)]
    assert combine_digests(pieces) == whole
    assert digest_rows(links([*rows[:-1], ("c49", "p0")]), "class_parents")[0] != whole
    assert digest_rows(links([("ab", "c")]), "class_parents") != digest_rows(links([("a", "bc")]), "class_parents")


def source(root: str) -> pa.Table:
    import datetime

    return conform(
        pa.table({"source": ["s"], "root": [root], "format": ["folder"],
                  "added_at": [datetime.datetime(2026, 1, len(root))]}),
        "sources",
    )  # fmt: skip


def test_location_and_time_stay_out_of_the_logical_digest() -> None:
    here, there = digest_rows(source("/a"), "sources"), digest_rows(source("/bc"), "sources")
    assert here[0] == there[0]
    assert here[1] != there[1]


def test_vectors_are_stored_in_half_precision_and_hashed_by_their_bits() -> None:
    def rows(value: float) -> pa.Table:
        vector = pa.array([[0.5, value]], pa.list_(pa.float32()))
        return conform(
            pa.table({"image_id": ["0" * 32], "encoder": ["e"], "vector": vector, "sha256": ["0" * 64]}),
            "embeddings",
        )  # fmt: skip

    assert rows(0.25).schema.field("vector").type == pa.list_(pa.float16())
    assert digest_rows(rows(0.25), "embeddings") == digest_rows(rows(0.25), "embeddings")
    assert digest_rows(rows(0.25), "embeddings") != digest_rows(rows(0.2502), "embeddings")
