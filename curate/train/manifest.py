"""A manifest: which images to train on, where their bytes lie, and what they are labelled with."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import FormatError, MissingInputError, ParameterError, SchemaError
from curate.schema import check_rows, conform, table_schema

_SHARD = re.compile(r"manifest-(\d{5})-of-(\d{5})\.parquet")


@dataclass(frozen=True, eq=False)
class Manifest:
    """Images and labels to train on.

    Attributes:
        manifest_id: Its id.
        rows: Table manifest, sorted by image_id, in one chunk.
        classes: Table manifest_classes, those of which there are labels, sorted by class_id (0, 1, 2 …).
        roots: Folder of each source that rows name.
    """

    manifest_id: str
    rows: pa.Table
    classes: pa.Table
    roots: Mapping[str, Path]

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @property
    def class_keys(self) -> list[str]:
        """Class of each class_id."""
        return list(self.classes.column("class_key").to_pylist())

    @property
    def class_names(self) -> list[str]:
        """Name to show of each class_id."""
        return list(self.classes.column("name").to_pylist())

    def where(self, condition: str) -> "Manifest":
        """The rows for which an SQL condition over the columns of table manifest holds; class_ids stay as they are.

        Args:
            condition: For example "p_correct > 0.9" or "split = 'train'".

        Raises:
            ParameterError: The condition is no valid SQL, or no row meets it.
        """
        con = duckdb.connect(config={"enable_external_access": False})
        con.register("manifest", self.rows)
        try:
            query = con.sql(f"SELECT image_id FROM manifest WHERE ({condition})")
            found: pa.ChunkedArray = query.to_arrow_table().column("image_id")
        except duckdb.Error as error:
            raise ParameterError(str(error).splitlines()[0], where=f"where {condition}") from error
        if not len(found):
            raise ParameterError("no row of the manifest meets this", where=f"where {condition}")
        kept = pc.is_in(self.rows.column("image_id"), value_set=found.combine_chunks())
        return replace(self, rows=self.rows.filter(kept).combine_chunks())

    def digest(self) -> str:
        """SHA-256 over all that decides training but the pixels: ids, labels, weights, repeats, classes; 32 hex digits.

        The same wherever the bytes lie, however the files are cut.
        """
        total = sha256(json.dumps([self.manifest_id, self.class_keys]).encode())
        total.update("\n".join(self.rows.column("image_id").to_pylist()).encode())
        for name in ("class_ids", "label_weights"):
            total.update(pc.list_value_length(self.rows.column(name)).to_numpy().tobytes())
            total.update(pc.list_flatten(self.rows.column(name)).to_numpy().tobytes())
        total.update(self.rows.column("repeat_factor").to_numpy().tobytes())
        return total.hexdigest()[:32]


def open_manifest(folder: Path | str, roots: Mapping[str, str | Path] | None = None) -> Manifest:
    """Open a manifest that build-manifest exported.

    Args:
        folder: Holds manifest-*.parquet, classes.parquet and provenance.json.
        roots: Folders of sources that lie elsewhere than provenance.json says, by source.

    Raises:
        MissingInputError: The folder, one of its files, or the root of a source is not there.
        FormatError: A file cannot be read, files do not belong together, or a uri leads out of its root.
        SchemaError: A file is not in the form of schemas/.
    """
    folder = Path(folder)
    manifest_id, sources, n_rows = _provenance(folder)
    rows = pa.concat_tables([_table(shard, "manifest") for shard in manifest_files(folder)])
    if n_rows is not None and rows.num_rows != n_rows:
        raise FormatError(f"{rows.num_rows} rows, provenance.json says {n_rows}", where=str(folder))
    classes = _table(folder / "classes.parquet", "manifest_classes")
    places = {source: folder / root for source, root in sources.items()}
    places.update({source: Path(root) for source, root in (roots or {}).items()})
    return from_tables(manifest_id, rows, classes, places, where=str(folder))


def from_tables(
    manifest_id: str, rows: pa.Table, classes: pa.Table, roots: Mapping[str, Path], where: str = "manifest"
) -> Manifest:
    """A manifest from the rows of its two tables.

    Args:
        manifest_id: The manifest that all rows must bear.
        rows: Table manifest, in any row order.
        classes: Table manifest_classes, excluded classes included.
        roots: Folder of each source; more than rows name is fine.
        where: Place for error messages.

    Raises:
        MissingInputError: A source has no root, or its root is no folder.
        FormatError: Rows do not belong together, or a uri leads out of its root.
    """
    if not rows.num_rows:
        raise FormatError("the manifest has no rows", where=where, fix="No label was kept when it was built.")
    for table in (rows, classes):
        others = [found for found in table.column("manifest_id").unique().to_pylist() if found != manifest_id]
        if others:
            raise FormatError(f"rows of manifest {others[0]} in manifest {manifest_id}", where=where)
    rows = rows.sort_by("image_id").combine_chunks()
    ids = rows.column("image_id")
    if len(ids) > 1 and (twice := pc.index(pc.equal(ids[1:], ids[:-1]), True).as_py()) >= 0:
        raise FormatError(f"image {ids[twice]} is there twice", where=where)
    kept = classes.filter(pc.is_valid(classes.column("class_id"))).sort_by("class_id")
    if kept.column("class_id").to_pylist() != list(range(kept.num_rows)):
        raise FormatError("class_ids are not 0, 1, 2 …", where=f"{where}: classes")
    used = pc.min_max(pc.list_flatten(rows.column("class_ids"))).as_py()
    if used["min"] < 0 or used["max"] >= kept.num_rows:
        raise FormatError(f"class_id {used['max']} is not among the {kept.num_rows} classes", where=where)
    for name in ("source", "uri"):  # few values, many rows
        rows = rows.set_column(rows.column_names.index(name), name, rows.column(name).dictionary_encode())
    rows = rows.combine_chunks()
    check_uris(_values(rows, "uri"), where)
    return Manifest(manifest_id, rows, kept, _checked_roots(_values(rows, "source"), roots, where))


def _values(rows: pa.Table, name: str) -> list[str]:
    return list(rows.column(name).unique().to_pylist())


def _checked_roots(sources: list[str], roots: Mapping[str, Path], where: str) -> dict[str, Path]:
    for source in sorted(sources):
        if source not in roots:
            raise MissingInputError(f"no root for source '{source}'", where=where, fix=f"Give --root {source}=DIR.")
        if not roots[source].is_dir():
            fix = f"If it has moved, give --root {source}=DIR."
            raise MissingInputError(f"source '{source}': no folder '{roots[source]}'", where=where, fix=fix)
    return {source: roots[source] for source in sorted(sources)}


def check_uris(uris: list[str], where: str) -> None:
    """Check that uris name something below their root: a manifest may come from anywhere.

    Raises:
        FormatError: One is absolute, goes upwards, or is empty.
    """
    for uri in uris:
        parts = PurePosixPath(uri).parts
        if not parts or "\0" in uri or ".." in parts or PurePosixPath(uri).is_absolute():
            raise FormatError(f"uri {uri!r} leads out of its source's root", where=where)


def _provenance(folder: Path) -> tuple[str, dict[str, str], int | None]:
    """The manifest's id, the root of each source, and the number of rows where it says so."""
    file = folder / "provenance.json"
    if not file.is_file():
        fix = "Give the folder that build-manifest --out wrote."
        raise MissingInputError(f"no manifest in '{folder}': provenance.json is missing", fix=fix)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        manifest_id, sources = found["manifest_id"], found["sources"]
        n_rows = found.get("n_rows", {}).get("manifest")
        if not isinstance(manifest_id, str) or not all(isinstance(root, str) for root in sources.values()):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError("no manifest_id and sources in it", where=str(file)) from error
    return manifest_id, sources, n_rows


def manifest_files(folder: Path) -> list[Path]:
    """The Parquet files of the manifest, complete and of one export."""
    found = sorted(folder.glob("manifest-*.parquet"))
    matches = [_SHARD.fullmatch(path.name) for path in found]
    totals = {match[2] if match else "?" for match in matches}
    if len(totals) != 1 or "?" in totals:
        raise FormatError(f"{len(found)} files manifest-*.parquet, not of one export", where=str(folder))
    total = totals.pop()
    missing = {f"manifest-{i:05d}-of-{total}.parquet" for i in range(int(total))} - {path.name for path in found}
    if missing or len(found) != int(total):
        listed = ", ".join(sorted(missing)[:3])
        raise MissingInputError(
            f"{len(missing)} of {int(total)} manifest files are missing: {listed}", where=str(folder)
        )
    return found


def _table(file: Path, name: str) -> pa.Table:
    """One Parquet file as rows that meet the table's definition; columns that it does not know are left out."""
    if not file.is_file():
        raise MissingInputError(f"{file.name} is missing", where=str(file.parent))
    try:
        rows = pq.read_table(file, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"no readable Parquet file: {str(error).splitlines()[0]}", where=str(file)) from error
    try:
        rows = conform(rows.select([column for column in rows.column_names if column in _columns(name)]), name)
        check_rows(rows, name)
    except SchemaError as error:
        raise SchemaError(error.what, where=str(file)) from error
    return rows


def _columns(name: str) -> list[str]:
    return list(table_schema(name).arrow.names)
