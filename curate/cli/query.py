"""sql, tables and why: questions to the tables."""

import duckdb

from curate.api import Session
from curate.cli.show import print_relation, print_table, results
from curate.errors import MissingTableError, ParameterError
from curate.plan import produces
from curate.schema import empty_database, table_schema, table_schemas
from curate.stages.catalog import STAGES

FORMATS = ("table", "csv", "json", "parquet")


def run_sql(session: Session, query: str, form: str) -> None:
    """Print the result of a query; the views are opened read-only.

    Raises:
        ParameterError: Unknown format, or DuckDB refuses the query.
        MissingTableError: The query names a table whose stage has not run.
    """
    if form not in FORMATS:
        raise ParameterError(f"unknown format '{form}'", fix=f"Known: {', '.join(FORMATS)}.")
    absent = sorted(_tables_of(query) - set(session.digests()))
    if absent:
        raise MissingTableError(f"table {absent[0]} does not exist yet", fix=_producer(absent[0]))
    session.store.write_views()
    with duckdb.connect(str(session.folder / "curate.duckdb"), read_only=True) as con:
        try:
            relation = con.sql(query)
            if relation is not None:
                print_relation(relation, form)
        except duckdb.Error as error:
            raise ParameterError(_one_line(error), where="sql") from error


def _tables_of(query: str) -> set[str]:
    """The stored tables that a query reads, those behind a view included; empty where the query is wrong."""
    with empty_database() as con:
        try:
            named = [table_schema(name) for name in con.get_table_names(query) if name in table_schemas()]
            return {table for schema in named for table in schema.view_reads or (schema.name,)}
        except duckdb.Error:
            return set()


def _producer(table: str) -> str:
    stages = [stage.name for stage in STAGES if table in produces(stage)]
    return f"Run 'curate {stages[0]}' first." if stages else ""


def _one_line(error: duckdb.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("LINE", "^")))


def show_tables(session: Session, name: str | None) -> None:
    """Print all tables with their number of rows, or the columns of one."""
    if name is None:
        commits = session.store.commits().values()
        rows = {table: sum(p.n_rows for p in parts) for c in commits for table, parts in c.tables.items()}
        listed = [
            (schema.name, f"{rows[schema.name]:,}" if schema.name in rows else "view" if schema.view_sql else "-",
             schema.comment)
            for schema in table_schemas().values()
        ]  # fmt: skip
        print_table(("table", "rows", "what a row is"), listed)
        return
    schema = table_schema(name)
    columns = [
        (("*" if column.name in schema.key else "") + column.name, column.sql_type, column.comment)
        for column in schema.columns
    ]
    results.print(f"{schema.name}: {schema.comment} (* = key)")
    print_table(("column", "type", "meaning"), columns)


_WHY = (
    ("image", "SELECT image_id, source, key, uri, format, width, height, status, error, remark FROM images "
              "WHERE image_id = $1"),
    ("labels as ingested", "SELECT field, position, raw_label FROM raw_labels WHERE image_id = $1 ORDER BY ALL"),
    ("what they were mapped to",
     "SELECT m.field, m.position, m.surface, m.class_key, c.name, m.rule, m.confidence FROM mentions AS m "
     "LEFT JOIN classes AS c USING (class_key) WHERE image_id = $1 ORDER BY m.field, m.position, m.start"),
    ("how well they fit the image",
     "SELECT class_key, c.name, p_correct, s.name AS suggested, method FROM label_scores "
     "LEFT JOIN classes AS c USING (class_key) LEFT JOIN classes AS s ON s.class_key = suggested_class_key "
     "WHERE image_id = $1 ORDER BY class_key"),
    ("copies of eval images",
     "SELECT eval_set, eval_image_id, method, similarity, p_duplicate, transform FROM near_duplicates "
     "WHERE image_id = $1 ORDER BY ALL"),
    ("copies in the corpus",
     "SELECT o.image_id, i.key, o.is_representative FROM duplicate_clusters AS m "
     "JOIN duplicate_clusters AS o USING (cluster_id) JOIN images AS i ON i.image_id = o.image_id "
     "WHERE m.image_id = $1 AND o.image_id <> $1 ORDER BY ALL"),
    ("in manifests", "SELECT manifest_id, class_keys, p_correct, repeat_factor, split FROM manifest "
                     "WHERE image_id = $1 ORDER BY ALL"),
    ("left out of manifests", "SELECT manifest_id, class_key, stage, rule, detail FROM exclusions "
                              "WHERE image_id = $1 ORDER BY ALL"),
)  # fmt: skip


def show_why(session: Session, image: str) -> None:
    """Print every row that the tables have on an image, in the order of the stages."""
    image_id = session.find_image(image)
    con = session.connect()
    for title, query in _WHY:
        found = con.execute(query, [image_id])
        names = [column[0] for column in found.description or []]
        rows = found.fetchall()
        if title == "image":
            results.print("\n".join(f"{name}: {value}" for name, value in zip(names, rows[0], strict=True)))
        elif rows:
            results.print()
            print_table(names, rows, title)
