"""sql, tables and why: questions to the tables."""

from collections.abc import Iterable

import duckdb

from curate.api import Session, one_line, producer_commands
from curate.cli.show import print_relation, print_table, results
from curate.errors import MissingTableError, ParameterError
from curate.schema import macros, macros_sql, table_schema, table_schemas
from curate.store import outdated

FORMATS = ("table", "csv", "json", "parquet")

# What macros ask: WordNet alone answers, before any label has been mapped.
_HIERARCHY = {"class_links": ("hypernyms",), "class_names": ("synsets",)}


def run_sql(session: Session, query: str, form: str) -> None:
    """Print the result of a query; it can read, and nothing else.

    Raises:
        ParameterError: Unknown format, not a query, or DuckDB refuses it.
        MissingTableError: The query names a table whose stage has not run.
    """
    if form not in FORMATS:
        raise ParameterError(f"unknown format '{form}'", fix=f"Known: {', '.join(FORMATS)}.")
    _check_reads(query)
    named = _tables_of(query)
    need_tables(session, sorted(named))
    commits = session.store.commits().values()
    # Tables of an older definition are in the way only of those who ask for them.
    old = {table for commit in commits for table in commit.tables if outdated(commit, table)} - named
    stored = [name for name, schema in table_schemas().items() if not schema.view_sql]
    with session.store.tables((), stored, absent=old).connect() as con:
        try:
            relation = con.sql(query)
            if relation is not None:
                print_relation(relation, form)
        except duckdb.Error as error:
            raise ParameterError(one_line(error), where="sql") from error


def need_tables(session: Session, names: Iterable[str]) -> None:
    """Fail with the command to run if a table that a stage writes is not there.

    Raises:
        MissingTableError: It is not.
    """
    producers = producer_commands()
    there = session.digests()
    absent = [name for name in names if name in producers and name not in there]
    if absent:
        fix = f"Run 'curate {producers[absent[0]]}' first."
        raise MissingTableError(f"table {absent[0]} does not exist yet", fix=fix)


def _check_reads(query: str) -> None:
    """Refuse what may write: views cannot be changed, but COPY would reach any file."""
    with duckdb.connect() as con:
        try:
            kinds = {statement.type for statement in con.extract_statements(query)}
        except duckdb.Error as error:
            raise ParameterError(one_line(error), where="sql") from error
    if kinds != {duckdb.StatementType.SELECT}:
        fix = "To write a result, use --format and '> FILE'; for all else open curate.duckdb with DuckDB."
        raise ParameterError("only queries (SELECT, FROM, DESCRIBE, …) are run here", where="sql", fix=fix)


def _tables_of(query: str) -> set[str]:
    """The stored tables that a query reads, those behind a view included; empty where the query is wrong."""
    with duckdb.connect() as con:
        for schema in table_schemas().values():  # views as tables too: DuckDB does not name what it finds behind them
            columns = ", ".join(f'"{column.name}" {column.sql_type}' for column in schema.columns)
            con.execute(f"CREATE TABLE {schema.name} ({columns})")
        con.execute(macros_sql())
        try:
            named = [table_schema(name) for name in con.get_table_names(query) if name in table_schemas()]
        except duckdb.Error:
            return set()
        return {t for schema in named for t in _HIERARCHY.get(schema.name, schema.view_reads or (schema.name,))}


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
        results.print()
        print_table(("macro", "what it gives"), list(macros().items()))
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
     "LEFT JOIN rollups AS c USING (class_key) WHERE image_id = $1 ORDER BY m.field, m.position, m.start"),
    ("classes that became others, or none",
     "SELECT u.class_key, u.name, u.kept_key, c.name AS kept_name, u.rule, u.n_images FROM rollups AS u "
     "LEFT JOIN classes AS c ON c.class_key = u.kept_key WHERE u.rule <> 'kept' AND "
     "u.class_key IN (SELECT class_key FROM mentions WHERE image_id = $1) ORDER BY u.class_key"),
    ("how well they fit the image",
     "SELECT class_key, c.name, p_correct, s.name AS suggested, method FROM label_scores "
     "LEFT JOIN classes AS c USING (class_key) LEFT JOIN classes AS s ON s.class_key = suggested_class_key "
     "WHERE image_id = $1 ORDER BY class_key"),
    ("copies of eval images",
     "SELECT eval_set, eval_image_id, method, similarity, score, p_duplicate, transform, verdict FROM near_duplicates "
     "WHERE image_id = $1 ORDER BY ALL"),
    ("copies in the corpus",
     "SELECT o.image_id, i.key, o.is_representative FROM duplicate_clusters AS m "
     "JOIN duplicate_clusters AS o USING (cluster_id) JOIN images AS i ON i.image_id = o.image_id "
     "WHERE m.image_id = $1 AND o.image_id <> $1 ORDER BY ALL"),
    ("in manifests", "SELECT manifest_id, class_keys, label_weights, p_correct, repeat_factor, split "
                     "FROM manifest WHERE image_id = $1 ORDER BY ALL"),
    ("labels there that stand for another",
     "SELECT o.manifest_id, o.class_key, c.name, o.origin, o.direct_key, d.name AS direct_name "
     "FROM manifest_origins AS o LEFT JOIN classes AS c ON c.class_key = o.class_key "
     "LEFT JOIN classes AS d ON d.class_key = o.direct_key "
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
            said = zip(names, rows[0], strict=True)
            results.print("\n".join(f"{name}: {value}" for name, value in said if value is not None), markup=False)
        elif rows:
            results.print()
            print_table(names, rows, title)
