"""What only the whole of the sources tells, and what it changes in parts that were read already.

Keys that come back in a later part of a source get their occurrence there, images that a tombstone names become
rejects, and labels of a side table that no image takes become rejects too. Nothing is decoded again for it.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_KINDS = ("image_id", "sha256", "url", "owner")


def connect_parts(con: duckdb.DuckDBPyConnection, images: Mapping[str, str]) -> None:
    """Make the views that the other functions read: placed (images with their part), gone (what tombstones name).

    Args:
        con: With the views images and tombstones.
        images: File of images by part.
    """
    con.register("part_files", pa.table({"filename": list(images.values()), "part": list(images)}))
    con.execute(
        "CREATE TEMP VIEW placed AS SELECT part, rows.* FROM "
        f"read_parquet([{', '.join(_quoted(file) for file in images.values())}], filename = true) AS rows "
        "JOIN part_files USING (filename)"
    )
    matches = " UNION ALL ".join(
        f"SELECT part, image_id, kind, value, reason FROM placed JOIN tombstones ON kind = '{k}' AND value = placed.{k}"
        for k in _KINDS
    )
    has_any = con.execute("SELECT count(*) FROM tombstones").fetchall()[0][0]
    con.execute(f"CREATE TEMP TABLE gone AS SELECT * FROM ({matches}) WHERE {bool(has_any)}")


def find_offsets(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, dict[str, int]]:
    """By part and key: how often earlier parts of a source hold the key, where they do."""
    found: dict[str, dict[str, int]] = {}
    query = """
        WITH twice AS (SELECT key FROM images WHERE source = $1 GROUP BY key HAVING count(*) > 1)
        SELECT part, key, sum(n) OVER (
            PARTITION BY key ORDER BY part ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)::BIGINT AS earlier
        FROM (SELECT key, part, count(*) AS n FROM placed SEMI JOIN twice USING (key) WHERE source = $1 GROUP BY ALL)
        QUALIFY earlier > 0 ORDER BY part, key"""
    for part, key, earlier in con.execute(query, [source]).fetchall():
        found.setdefault(part, {})[key] = earlier
    return found


def find_forgotten(con: duckdb.DuckDBPyConnection, renumbered: Iterable[str]) -> dict[str, list[list[str]]]:
    """By part: kind, value and reason of the tombstones that may name an image in it.

    Args:
        con: As `connect_parts` left it.
        renumbered: Parts whose ids are about to change: tombstones of an image_id may name any of their images.
    """
    found: dict[str, set[tuple[str, str, str]]] = {}
    for part, *stone in con.execute("SELECT DISTINCT part, kind, value, reason FROM gone").fetchall():
        found.setdefault(part, set()).add((stone[0], stone[1], stone[2]))
    ids = con.execute("SELECT kind, value, reason FROM tombstones WHERE kind = 'image_id'").fetchall()
    for part in renumbered if ids else ():
        found.setdefault(part, set()).update(ids)
    return {part: [list(stone) for stone in sorted(stones)] for part, stones in found.items()}


def write_unknown(
    con: duckdb.DuckDBPyConnection, labels: Mapping[str, str], folder: Path
) -> dict[str, tuple[Path, str]]:
    """By part of a side table that names images which are not there: a file of these, and their digest.

    Args:
        con: As `connect_parts` left it.
        labels: File of raw_labels by part.
        folder: Where the files go.
    """
    if not labels:
        return {}
    con.register("label_files", pa.table({"filename": list(labels.values()), "part": list(labels)}))
    con.execute(f"""
        CREATE TEMP TABLE unknown AS SELECT DISTINCT part, image_id FROM
            read_parquet([{", ".join(_quoted(file) for file in labels.values())}], filename = true)
            JOIN label_files USING (filename)
            ANTI JOIN (SELECT image_id FROM placed ANTI JOIN gone USING (part, image_id)) USING (image_id)""")
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    sums = "SELECT part, sum(md5_number_lower(image_id)::HUGEINT)::VARCHAR FROM unknown GROUP BY ALL ORDER BY ALL"
    for number, (part, digest) in enumerate(con.execute(sums).fetchall()):
        path = folder / f"unknown-{number:05d}.parquet"
        con.execute(
            f"COPY (SELECT image_id FROM unknown WHERE part = {_quoted(part)} ORDER BY ALL) TO {_quoted(str(path))} "
            "(FORMAT parquet)"
        )
        found[part] = path, digest
    return found


def rewrite(source: str, task: Mapping[str, Any]) -> dict[str, pa.Table]:
    """A part as it was read, with other occurrences and without what must be forgotten.

    Args:
        source: Name of the source.
        task: parts (file by table), offsets (occurrences that earlier parts leave to it, by key) and forget (kind,
            value and reason of tombstones).

    Returns:
        Rows of images, raw_labels and rejects; an image that a tombstone names is a reject with rule 'tombstone'.
    """
    found = {table: pq.read_table(file) for table, file in task["parts"].items()}
    images, labels = _renumbered(source, found["images"], found["raw_labels"], task["offsets"])
    gone = _reasons(images, task["forget"])
    if gone:
        out = pa.array([found_id in gone for found_id in images["image_id"].to_pylist()])
        rows = [_tombstone(source, row, gone) for row in images.filter(out).to_pylist()]
        found["rejects"] = pa.concat_tables([found["rejects"], pa.Table.from_pylist(rows, found["rejects"].schema)])
        images = images.filter(pc.invert(out))
        labels = labels.filter(pc.invert(pc.is_in(labels["image_id"], pa.array(sorted(gone), pa.string()))))
    return {"images": images, "raw_labels": labels, "rejects": found["rejects"]}


def rewrite_task(files: Mapping[str, Mapping[str, str]], part: str, task: Mapping[str, Any]) -> tuple[str, str]:
    """Digest of a task of `rewrite`, and the task itself with its files, as JSON.

    Args:
        files: File by table and part.
        part: The part.
        task: offsets and forget.
    """
    whole = {**task, "parts": {table: files[table][part] for table in files}}
    return sha256(json.dumps(task, sort_keys=True).encode()).hexdigest(), json.dumps(whole)


def _renumbered(
    source: str, images: pa.Table, labels: pa.Table, offsets: Mapping[str, int]
) -> tuple[pa.Table, pa.Table]:
    from curate.sources.records import image_id

    ids, occurrences, renamed = [], [], {}
    for row in images.select(["image_id", "key", "occurrence"]).to_pylist():
        occurrence, new_id = row["occurrence"] + offsets.get(row["key"], 0), row["image_id"]
        if row["key"] in offsets:
            new_id = renamed[row["image_id"]] = image_id(source, row["key"], occurrence)
        ids.append(new_id)
        occurrences.append(occurrence)
    images = _replaced(_replaced(images, "image_id", ids), "occurrence", occurrences)
    old_ids = labels.column("image_id").to_pylist()
    return images, _replaced(labels, "image_id", [renamed.get(old, old) for old in old_ids])


def _reasons(images: pa.Table, forget: Iterable[list[str]]) -> dict[str, str]:
    """Why an image must be forgotten, by image_id."""
    stones = {(kind, value): reason for kind, value, reason in forget}
    if not stones:
        return {}
    found = {}
    for row in images.select(list(_KINDS)).to_pylist():
        kind = next((kind for kind in _KINDS if (kind, row[kind]) in stones), None)
        if kind:
            found[row["image_id"]] = f"{kind}: {stones[kind, row[kind]]}"
    return found


def _tombstone(source: str, row: Mapping[str, Any], reasons: Mapping[str, str]) -> dict[str, str]:
    again = f" ({row['occurrence'] + 1})" if row["occurrence"] else ""
    detail = reasons[row["image_id"]]
    return {
        "source": source, "locator": f"{row['key']}{again}", "stage": "ingest", "rule": "tombstone", "detail": detail,
    }  # fmt: skip


def _replaced(rows: pa.Table, column: str, values: list[Any]) -> pa.Table:
    index = rows.column_names.index(column)
    return rows.set_column(index, rows.schema.field(index), pa.array(values, rows.schema.field(index).type))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
