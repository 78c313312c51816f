"""Digests of tables drawn at random: what they must not depend on, and that they depend on all else."""

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.schema import combine_digests, digest_rows, table_schema
from tests.contract.road import STORED

CHEAP = settings(max_examples=15, deadline=None, derandomize=True)


def values(kind: pa.DataType) -> st.SearchStrategy:
    """Values of an Arrow type, as Python gives them to it."""
    if pa.types.is_list(kind):
        return st.lists(values(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    if pa.types.is_integer(kind):
        bits, low = kind.bit_width, 0 if pa.types.is_unsigned_integer(kind) else -(2 ** (kind.bit_width - 1))
        return st.integers(low, low + 2**bits - 1)
    if pa.types.is_floating(kind):
        return st.floats(width=kind.bit_width)
    if pa.types.is_timestamp(kind):
        return st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))
    return {pa.string(): st.text(max_size=8), pa.bool_(): st.booleans()}[kind]


def cells(field: pa.Field) -> st.SearchStrategy:
    return st.none() | values(field.type) if field.nullable else values(field.type)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, pa.Table]:
    """Name of a table, and rows that its columns can hold; keys may come twice."""
    name = draw(st.sampled_from(STORED))
    schema = table_schema(name).arrow
    rows = draw(st.lists(st.fixed_dictionaries({f.name: cells(f) for f in schema}), min_size=1, max_size=6))
    return name, table_of(rows, schema)


def table_of(rows: list[dict], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


@CHEAP
@given(tables(), st.data())
def test_order_and_cuts_do_not_matter(drawn, data):
    name, rows = drawn
    mixed = rows.take(pa.array(data.draw(st.permutations(range(rows.num_rows)))))
    cuts = sorted(data.draw(st.lists(st.integers(0, rows.num_rows), max_size=2)))
    edges = list(zip([0, *cuts], [*cuts, rows.num_rows], strict=True))
    pieces = [digest_rows(mixed.slice(start, stop - start), name) for start, stop in edges]
    for which in (0, 1):
        assert combine_digests([piece[which] for piece in pieces]) == digest_rows(rows, name)[which]
        assert combine_digests([piece[which] for piece in pieces[::-1]]) == digest_rows(mixed, name)[which]


@CHEAP
@given(tables(), st.data())
def test_every_value_counts_where_it_should(drawn, data):
    name, rows = drawn
    schema = table_schema(name)
    column = data.draw(st.sampled_from(schema.columns))
    field = schema.arrow.field(column.name)
    row = data.draw(st.integers(0, rows.num_rows - 1))
    changed = rows.to_pylist()
    # Through Arrow, so that what is compared is what is stored.
    new = pa.array([data.draw(cells(field))], field.type).to_pylist()[0]
    before, changed[row][column.name] = changed[row][column.name], new
    logical, location = digest_rows(rows, name)
    logical_after, location_after = digest_rows(table_of(changed, schema.arrow), name)
    same = repr(before) == repr(new)
    assert (logical == logical_after) == (same or column.name not in schema.logical_columns)
    placed = column.name in schema.key or "location" in column.tags
    assert (location == location_after) == (same or not placed)


@CHEAP
@given(tables())
def test_a_file_gives_the_digest_that_memory_gave(drawn):
    name, rows = drawn
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    stored = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert digest_rows(stored, name) == digest_rows(rows, name)


@given(st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), max_size=5), st.data())
@settings(derandomize=True)
def test_digests_add_up(digests, data):
    cut = data.draw(st.integers(0, len(digests)))
    halves = [combine_digests(digests[:cut]), combine_digests(digests[cut:])]
    assert combine_digests(halves) == combine_digests(digests)
    assert combine_digests([]) == "0" * 32


@pytest.mark.parametrize("name", STORED)
def test_no_rows_have_the_digest_of_nothing(name):
    assert digest_rows(table_schema(name).arrow.empty_table(), name) == ("0" * 32, "0" * 32)
