"""Audit samples: draw them, hand them to people, take their verdicts in."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import FormatError, MissingInputError, ParameterError, nearest
from curate.schema import table_schema
from curate.stage import Tables, param
from curate.stages.labels import ClassLabels, class_looks, read_asked, read_labels, want_classes
from curate.stages.verdicts import named_verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from curate.noise.looks import Look

READS = ("mentions", "rollups", "raw_labels", "ancestors", "images")
OPTIONAL = ("label_scores", "classes", "audit_frames", "audit_samples", "audits")

_VERDICTS = {
    "yes": "correct", "correct": "correct", "true": "correct", "1": "correct",
    "no": "wrong", "wrong": "wrong", "false": "wrong", "0": "wrong",
    "cannot_tell": "unsure", "unsure": "unsure",
}  # fmt: skip
MIN_SHARE = 1e-3
"""A class with a smaller share of the error left is not sampled again: no bound would gain."""

_UNKNOWN_TIME = datetime(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class SampleAudits:
    """Parameters of a draw."""

    per_class: int = param(40, help="Labels to draw from each class; all where it has fewer")
    budget: int | None = param(None, help="Labels to draw in all, spread evenly; per-class stays the most of a class")
    classes: tuple[str, ...] = param((), help="Classes to draw from; empty = all")
    more: bool = param(False, help="Double the samples that are judged, instead of drawing from classes without one")
    afresh: bool = param(False, help="Draw a new sample also from classes that have one: their labels have changed")
    min_precision: float | None = param(None, help="Ask what a manifest of this precision may keep, not all labels")
    confidence: float = param(0.95, help="Confidence of that manifest")
    final: bool = param(False, help="Spend all that is left of the error: tighter bounds, and no later sample counts")
    uniform: bool = param(False, help="Draw without regard to p_correct")
    seed: int = param(0, help="Seed of the draw")


def sample(tables: Tables, params: SampleAudits) -> tuple[pa.Table, pa.Table]:
    """Draw labels for people to judge.

    A class is sampled by p_correct where its labels have scores, see `noise.audits.score_strata`, and uniformly else.

    Args:
        tables: READS, and what there is of OPTIONAL.
        params: The design.

    Returns:
        New rows of audit_frames and of audit_samples; none for a class that has a sample, unless `more` or `afresh`
        asks for it, and none for one whose last sample still waits for verdicts.

    Raises:
        ParameterError: A number below 1, or a class that no image is labelled with.
    """
    if params.per_class < 1 or (params.budget is not None and params.budget < 1):
        raise ParameterError("per-class and budget must be at least 1")
    if not (params.min_precision is None or 0 < params.min_precision <= 1) or not 0.5 < params.confidence < 1:
        raise ParameterError("min-precision must be in (0, 1] and confidence in (0.5, 1)")
    if params.more and (params.afresh or params.budget is not None):
        raise ParameterError("more excludes afresh and budget: it doubles", fix="Choose classes with --class.")
    from curate.noise.audits import spread_budget

    con = tables.connect()
    asked = read_asked(con)
    n_labels = _count_labels(con, params.classes or None)
    unknown = sorted(set(params.classes) - set(n_labels))
    if unknown:
        known = _count_labels(con, None)
        raise ParameterError(f"no direct label of class '{unknown[0]}'", fix=nearest(unknown[0], known))
    looks = {
        labels.class_key: class_looks(labels, asked[labels.class_key])
        for labels in read_labels(con, classes=asked.keys() & n_labels.keys(), need_scores=False)
    }
    sizes = {key: _n_wanted(n, looks.get(key, []), params) for key, n in n_labels.items()}
    shares = spread_budget(sizes, sum(sizes.values()) if params.budget is None else params.budget)
    chosen = [key for key, n in shares.items() if n]
    frames = [table_schema("audit_frames").arrow.empty_table()]
    samples: list[dict[str, Any]] = []
    for labels in read_labels(con, classes=chosen, need_scores=False, with_bytes=True):
        key = labels.class_key
        of_frame, of_sample = _draw_class(labels, looks.get(key, []), shares[key], params)
        frames += of_frame
        samples += of_sample
    return (
        pa.concat_tables(frames),
        pa.Table.from_pylist(samples, schema=table_schema("audit_samples").arrow),
    )


def _count_labels(con: duckdb.DuckDBPyConnection, classes: tuple[str, ...] | None) -> dict[str, int]:
    """Direct labels on decodable images by class, in order of class_key; of all classes where none are named."""
    want_classes(con, classes)
    query = (
        "SELECT class_key, count(*) FROM direct_pairs SEMI JOIN (FROM images WHERE status = 'ok') USING (image_id) "
        "GROUP BY ALL ORDER BY ALL"
    )
    return dict(con.sql(query).fetchall())


def _n_wanted(n_labels: int, looks: "list[Look]", params: SampleAudits) -> int:
    """How many labels a class should have drawn now."""
    if params.afresh or not (looks or params.more):
        return min(n_labels, params.per_class)
    if not params.more or not looks or (looks[-1].drawn & ~looks[-1].judged).any():
        return 0
    last = looks[-1]
    return min(int(last.drawn.sum()), int(((last.stratum >= 0) & ~last.drawn).sum()))


def _draw_class(
    labels: ClassLabels, looks: "list[Look]", n: int, params: SampleAudits
) -> tuple[list[pa.Table], list[dict[str, Any]]]:
    """Rows of audit_frames, if it is a new frame, and of audit_samples for n more labels of a class."""
    from curate.noise.audits import draw, frame_name, sample_name, spread_budget
    from curate.noise.looks import next_share

    share = next_share(looks, params.final)
    if share < MIN_SHARE:
        return [], []
    frames = []
    if params.more:
        last = looks[-1]
        frame, strata, drawn = last.frame, last.stratum, last.drawn
    else:
        strata, drawn = _strata(labels, n, share, params), np.zeros(len(labels.image_ids), np.bool_)
        inside = pa.array(strata >= 0)
        ids, digests, stratum = labels.image_ids.filter(inside), labels.sha256.filter(inside), strata[strata >= 0]
        frame = frame_name(labels.class_key, ids, digests, stratum, params.seed)
        same = [pa.repeat(value, len(ids)) for value in (frame, labels.class_key)]
        columns = [same[0], ids, same[1], digests, pa.array(stratum, pa.int32())]
        frames = [pa.table(columns, schema=table_schema("audit_frames").arrow)]
    inside_of = [labels.image_ids.filter(pa.array(strata == h)).to_pylist() for h in range(int(strata.max()) + 1)]
    allocation = spread_budget({f"{h:03d}": len(ids) for h, ids in enumerate(inside_of)}, n + int(drawn.sum()))
    known = set(labels.image_ids.filter(pa.array(drawn)).to_pylist())
    number = looks[-1].number + 1 if looks else 1
    samples = [
        {"frame": frame, "class_key": labels.class_key, "sample_id": sample_name(frame, image_id), "image_id": image_id,
         "stratum": h, "look": number, "error_share": share,
         "inclusion_probability": allocation[f"{h:03d}"] / len(ids)}
        for h, ids in enumerate(inside_of)
        for image_id in draw(frame, ids, allocation[f"{h:03d}"])
        if image_id not in known
    ]  # fmt: skip
    return frames, samples


def _strata(labels: ClassLabels, n: int, share: float, params: SampleAudits) -> "npt.NDArray[np.int64]":
    """Stratum of each label, -1 for one that is not to be drawn from."""
    from curate.noise.audits import sampled_strata

    if params.uniform or np.isnan(labels.p_correct).any():
        return np.zeros(len(labels.p_correct), np.int64)
    return sampled_strata(labels.p_correct, n, params.min_precision, share * (1 - params.confidence))


def export(tables: Tables) -> pa.Table:
    """Drawn pairs that nobody has judged yet, in the order in which to judge them; scores are not shown.

    Returns:
        sample_id, image_id, source, key, class_key, name, uri, and an empty verdict to fill in.
    """
    rows: pa.Table = (
        tables.connect()
        .sql(
            "SELECT min(s.sample_id) AS sample_id, s.image_id, i.source, i.key, s.class_key, "
            "coalesce(c.name, s.class_key) AS name, i.uri, '' AS verdict "
            "FROM audit_samples AS s JOIN images AS i USING (image_id) LEFT JOIN classes AS c USING (class_key) "
            "ANTI JOIN (FROM audits WHERE sample_id <> '' AND verdict <> 'withdrawn' AND verdict_id NOT IN "
            "(SELECT supersedes FROM audits WHERE supersedes IS NOT NULL)) AS a ON a.image_id = s.image_id "
            "AND a.class_key = s.class_key AND a.image_sha256 = i.sha256 GROUP BY ALL ORDER BY s.class_key, sample_id"
        )
        .to_arrow_table()
    )
    return rows


def import_verdicts(
    tables: Tables,
    file: Path,
    *,
    auditor: str | None = None,
    audited_at: datetime | None = None,
    volunteered: bool = False,
) -> pa.Table:
    """Read verdicts from a CSV or Parquet file.

    A row names its pair by sample_id, or by image_id or key and by class_key (or wnid). Given the pair, the verdict
    goes to every open sample that drew it. A pair that no sample drew is skipped, as it was chosen by somebody and says
    nothing about the rest; with `volunteered` it is kept under the sample_id '' and never enters an interval.

    Args:
        tables: READS with audit_samples and audits.
        file: Columns as above, and verdict (yes / no / cannot_tell, or correct / wrong / unsure; empty = not judged),
            optionally auditor and audited_at (ISO 8601, UTC where it names no zone).
        auditor: Who judged, where the file does not say; by default the file's name.
        audited_at: When, in UTC, where the file does not say; by default the epoch, as no clock is read here.
        volunteered: Keep verdicts on pairs that were not drawn.

    Returns:
        New rows of audits; verdicts that are there already are left out, and a second verdict of one auditor on a
        sample supersedes the first.

    Raises:
        FormatError: A line that cannot be used, with its number.
        MissingInputError: No such file.
    """
    rows = list(_read_rows(file))
    context = _Context.read(tables, {row.get(name, "") for _, row in rows for name in ("image_id", "key")})
    found: dict[str, dict[str, Any]] = {}
    standing = dict(context.standing)
    for where, row in rows:
        verdict = _VERDICTS.get(row.get("verdict", "").lower())
        if not row.get("verdict"):
            continue
        if verdict is None:
            raise FormatError(f"verdict '{row['verdict']}'", where=where, fix="Use yes, no or cannot_tell.")
        for sample_id, image_id, class_key in context.locate(row, verdict, where):
            if not sample_id and not volunteered:
                continue
            said_by = row.get("auditor") or auditor or file.name
            said_at = _time(row["audited_at"], where) if row.get("audited_at") else None
            new: dict[str, Any] = {
                "sample_id": sample_id,
                "image_id": image_id,
                "class_key": class_key,
                "image_sha256": context.sha256[image_id] or "",
                "verdict": verdict,
                "auditor": said_by,
                "audited_at": said_at or audited_at or _UNKNOWN_TIME,
            }
            who = (sample_id, image_id, class_key, said_by)
            earlier = standing.get(who)
            fixed = set(new) - (set() if said_at else {"audited_at"})
            if earlier and all(earlier[name] == new[name] for name in fixed):
                continue
            new = named_verdict({**new, "supersedes": earlier["verdict_id"] if earlier else None})
            standing[who] = found[new["verdict_id"]] = new
    return pa.Table.from_pylist(list(found.values()), schema=table_schema("audits").arrow)


@dataclass(frozen=True)
class _Context:
    """What a file of verdicts may refer to."""

    sha256: Mapping[str, str | None]
    keys: Mapping[str, list[str]]
    samples: Mapping[str, tuple[str, str]]
    drawn: Mapping[tuple[str, str], list[str]]
    standing: Mapping[tuple[str, str, str, str], dict[str, Any]]

    @classmethod
    def read(cls, tables: Tables, named: set[str]) -> "_Context":
        """All samples and verdicts, and of the images those that were drawn or are named by their id or key."""
        con = tables.connect()
        con.register("named", pa.table({"value": pa.array(sorted(named), pa.string())}))
        keys: dict[str, list[str]] = {}
        sums: dict[str, str | None] = {}
        wanted = "SELECT image_id, key, sha256 FROM images WHERE"
        images = con.sql(
            f"{wanted} image_id IN (FROM named UNION SELECT image_id FROM audit_samples) UNION "
            f"{wanted} key IN (FROM named) ORDER BY image_id"
        )
        for image_id, key, digest in images.fetchall():
            sums[image_id] = digest
            keys.setdefault(key, []).append(image_id)
        samples: dict[str, tuple[str, str]] = {}
        drawn: dict[tuple[str, str], list[str]] = {}
        for row in tables.arrow("audit_samples", ["sample_id", "image_id", "class_key"]).to_pylist():
            pair = (row["image_id"], row["class_key"])
            samples[row["sample_id"]] = pair
            drawn.setdefault(pair, []).append(row["sample_id"])
        audits = sorted(tables.arrow("audits").to_pylist(), key=lambda row: (row["audited_at"], row["verdict_id"]))
        replaced = {row["supersedes"] for row in audits}
        standing = {
            (row["sample_id"], row["image_id"], row["class_key"], row["auditor"]): row
            for row in audits
            if row["verdict_id"] not in replaced
        }
        return cls(sums, keys, samples, {pair: sorted(ids) for pair, ids in drawn.items()}, standing)

    def locate(self, row: Mapping[str, str], verdict: str, where: str) -> list[tuple[str, str, str]]:
        """(sample_id, image_id, class_key) of every drawn pair that a row is about; sample_id '' where none drew it."""
        if row.get("sample_id"):
            if row["sample_id"] not in self.samples:
                raise FormatError(f"sample_id '{row['sample_id']}' was never drawn", where=where)
            return [(row["sample_id"], *self.samples[row["sample_id"]])]
        class_key = row.get("class_key") or row.get("wnid")
        if not class_key:
            raise FormatError("neither sample_id nor class_key", where=where)
        name = "image_id" if row.get("image_id") else "key"
        value = row.get(name, "")
        images = self.keys.get(value, []) if name == "key" else [value] * (value in self.sha256)
        if not images:
            raise FormatError(f"{name} '{value}' is no image", where=where)
        found = [(s, image, class_key) for image in images for s in self.drawn.get((image, class_key), [])]
        # Which of the images was meant is unknown; only 'unsure' is true of each.
        if found and len(images) > 1 and verdict != "unsure":
            raise FormatError(f"key '{value}' names {len(images)} images", where=where, fix="Give image_id.")
        return found or [("", images[0], class_key)]


def _read_rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows as text with where they stand: file and line."""
    if not file.is_file():
        raise MissingInputError(f"no file {file}")
    if file.suffix == ".parquet":
        try:
            rows = pq.read_table(file).to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise FormatError(str(error).splitlines()[0], where=str(file)) from error
        for number, row in enumerate(rows, 1):
            yield f"{file}, row {number}", {name: "" if v is None else str(v).strip() for name, v in row.items()}
        return
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if "verdict" not in (reader.fieldnames or ()):
            raise FormatError("no column 'verdict'", where=f"{file}, line 1", fix=f"Found: {reader.fieldnames}.")
        try:
            for row in reader:
                where = f"{file}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise FormatError("another number of fields than the header", where=where)
                yield where, {name: value.strip() for name, value in row.items()}
        except (UnicodeDecodeError, csv.Error) as error:
            raise FormatError(str(error), where=f"{file}, line {reader.line_num + 1}") from error


def _time(text: str, where: str) -> datetime:
    """A time in UTC without a zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise FormatError(f"audited_at '{text}' is no ISO 8601 time", where=where) from error
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
