"""Time and memory of the stages after label_scores, from image_labels to the manifest, on generated tables.

    python -m tests.benchmarks.metadata_scale [--images 100000 1000000 10000000] [--folder DIR] [--steps NAME ...]

A workspace is written as its producers would have left it: images of one tar source with 1.5 direct labels each,
classes of Zipf's sizes in a hierarchy of ternary branching, some of them rolled up or left out, 0.2 % damaged images,
copies of evaluation images, clusters of copies and tombstones. Then every step runs in a process of its own, whose peak
memory is told by the kernel. Two thousand audits are drawn over all classes and two thousand in the fifty largest,
judged by chance with p_correct, imported and used.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

import curate
from curate.cli.audits import draw, read
from curate.schema import table_schema
from curate.stages.audits import OPTIONAL, READS, SampleAudits, export
from curate.store import Commit, PartRecord, Workspace

N_CLASSES = 18_000
N_ROLLED_UP = 2_000
N_LEFT_OUT = 500
PART_IMAGES = 500_000
BUDGET = 2_000
PRECISION = 0.8
WRITTEN_BY = {
    "ingest": ("images", "raw_labels", "sources"),
    "map-labels": ("mentions",),
    "build-hierarchy": ("rollups", "classes", "ancestors"),
    "dedup": ("near_duplicates", "duplicate_clusters"),
    "score-labels": ("label_scores",),
    "forget": ("tombstones",),
}
Ints = np.ndarray


def hex_strings(rng: np.random.Generator, n: int, n_digits: int) -> pa.Array:
    """Random hex strings of one length, as ids and digests are."""
    raw = rng.bytes(n * n_digits // 2).hex().encode()
    offsets = np.arange(n + 1, dtype=np.int32) * n_digits
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(raw))


def one_value(value: object, n: int, type_: pa.DataType | None = None) -> pa.Array:
    """A column of equal values."""
    return pa.repeat(pa.scalar(value, type_), n)


def conformed(table: str, n: int, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Rows of a table; columns that are not given are NULL."""
    schema = table_schema(table).arrow
    return pa.table([columns.get(f.name, pa.nulls(n, f.type)) for f in schema], names=schema.names)


def class_keys() -> pa.Array:
    """Keys of kept classes, then of those rolled up, then of those left out; not in the order of their sizes."""
    n = N_CLASSES + N_ROLLED_UP + N_LEFT_OUT
    return pa.array([f"n{number:08d}" for number in np.random.default_rng(1).permutation(n) * 37 + 1_000_000])


def fixed_tables(keys: pa.Array, n_of_class: Ints) -> dict[str, pa.Table]:
    """What depends on classes alone."""
    names = keys.to_pylist()
    kept, known = range(N_CLASSES), range(N_CLASSES, len(names))
    above: list[list[int]] = []
    for k in kept:  # a class and what lies above it, nearest first
        above.append([k] if k == 0 else [k, *above[(k - 1) // 3]])
    goes_to = [names[k] for k in kept] + [names[k % N_CLASSES] if k < N_CLASSES + N_ROLLED_UP else "" for k in known]
    rollups = [
        {"class_key": names[k], "name": f"class {k}", "kept_key": goes_to[k], "n_images": int(n_of_class[k]),
         "rule": "kept" if k < N_CLASSES else "few_images"}
        for k in range(len(names)) if n_of_class[k]
    ]  # fmt: skip
    classes = [
        {"class_key": names[k], "name": f"class {k}", "depth": len(above[k]) - 1, "n_images_direct": int(n_of_class[k]),
         "n_images_total": int(n_of_class[k]), "n_classes_below": 0, "information": 0.5}
        for k in kept
    ]  # fmt: skip
    ancestors = [(names[k], names[a], distance) for k in kept for distance, a in enumerate(above[k])]
    source = {"source": "web", "root": "/data", "format": "webdataset", "added_at": datetime(2026, 1, 1)}
    return {
        "rollups": pa.Table.from_pylist(rollups, schema=table_schema("rollups").arrow),
        "classes": pa.Table.from_pylist(classes, schema=table_schema("classes").arrow),
        "ancestors": pa.table([*zip(*ancestors, strict=True)], schema=table_schema("ancestors").arrow),
        "sources": pa.Table.from_pylist([source], schema=table_schema("sources").arrow),
    }


def draw_labels(rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
    """Image and class of each mention, -1 for one without a class; no image has a class twice."""
    n_known = N_CLASSES + N_ROLLED_UP + N_LEFT_OUT
    share = np.concatenate([1 / np.arange(10, N_CLASSES + 10), np.full(N_ROLLED_UP + N_LEFT_OUT, 2e-5)])
    edges = np.cumsum(share / share.sum())
    image = np.concatenate([np.arange(n), np.flatnonzero(rng.random(n) < 0.52)])
    drawn = np.minimum(np.searchsorted(edges, rng.random(len(image))), n_known - 1)
    drawn[rng.random(len(image)) < 0.02] = -1
    _, first = np.unique(image * (n_known + 1) + drawn, return_index=True)
    return image[first], drawn[first]


def part_tables(part: int, n: int, keys: pa.Array, n_of_class: Ints) -> dict[str, pa.Table]:
    """The rows of n images; adds their labels to n_of_class."""
    rng = np.random.default_rng([2, part])
    ids, digests = hex_strings(rng, n, 32), hex_strings(rng, n, 64)
    ok = rng.random(n) >= 0.002
    at = np.arange(n)
    owners = pa.array([f"owner{number}" for number in range(n // 20 + 1)])
    image, label = draw_labels(rng, n)
    position = np.zeros(len(image), np.int32)
    position[1:] = image[1:] == image[:-1]
    surface = pc.replace_with_mask(keys.take(pa.array(np.maximum(label, 0))), pa.array(label < 0), "untold")
    place = {
        "image_id": ids.take(pa.array(image)), "field": one_value("hashtag", len(image)), "position": pa.array(position)
    }  # fmt: skip
    n_of_class += np.bincount(label[label >= 0], minlength=len(n_of_class))
    places = pa.array(np.where(label < 0, 0, label))
    goes_to = np.where(label < N_CLASSES + N_ROLLED_UP, label % N_CLASSES, -1)
    direct = (label >= 0) & (goes_to >= 0) & ok[image]
    pairs = np.unique(np.stack([image[direct], goes_to[direct]]), axis=1)
    quality = 0.3 + 0.69 * (pairs[1] * 7919 % 1000) / 1000
    p = np.clip(rng.beta(8 * quality, 8 * (1 - quality)), 0, 1)
    fits = pa.array(np.where(rng.random(len(p)) < 1 - p, (pairs[1] + rng.integers(1, 30, len(p))) % N_CLASSES, -1))
    suggested = keys.take(pc.if_else(pc.greater_equal(fits, 0), fits, None))
    copies = np.flatnonzero(rng.random(n) < 0.003)
    cluster = np.flatnonzero(rng.random(n) < 0.04)
    cluster = cluster[: len(cluster) // 2 * 2].reshape(-1, 2)
    heads = pc.min_element_wise(ids.take(pa.array(cluster[:, 0])), ids.take(pa.array(cluster[:, 1])))
    return {
        "images": conformed("images", n, {
            "image_id": ids, "source": one_value("web", n), "key": ids, "occurrence": one_value(0, n, pa.int32()),
            "uri": one_value(f"posts-{part:05d}.tar", n), "byte_offset": pa.array(at * 30_720 + 512),
            "byte_length": one_value(30_000, n), "owner": owners.take(pa.array(rng.integers(0, len(owners), n))),
            "sha256": digests, "format": one_value("jpeg", n), "width": one_value(500, n, pa.int32()),
            "height": one_value(375, n, pa.int32()), "phash": pa.array(rng.integers(0, 2**63, n).astype(np.uint64)),
            "decoder": one_value("libjpeg-turbo", n), "status": pc.if_else(pa.array(ok), "ok", "damaged"),
            "error": pc.if_else(pa.array(ok), pa.scalar(None, pa.string()), "truncated"),
        }),
        "raw_labels": conformed("raw_labels", len(image), {**place, "raw_label": surface}),
        "mentions": conformed("mentions", len(image), {
            **place, "start": one_value(0, len(image), pa.int32()), "surface": surface,
            "class_key": pc.replace_with_mask(keys.take(places), pa.array(label < 0), ""),
            "rule": one_value("lemma", len(image)), "confidence": pa.array(np.where(label < 0, 0.0, 0.9)),
            "runners_up": empty_lists(len(image)),
        }),
        "label_scores": conformed("label_scores", len(p), {
            "image_id": ids.take(pa.array(pairs[0])), "class_key": keys.take(pa.array(pairs[1])), "p_correct": p,
            "suggested_class_key": suggested, "fold": pa.array((pairs[0] % 5).astype(np.int32)),
            "method": one_value("probe", len(p)),
        }),
        "near_duplicates": conformed("near_duplicates", len(copies), {
            "image_id": ids.take(pa.array(copies)), "eval_set": one_value("val", len(copies)),
            "eval_image_id": ids.take(pa.array(copies)), "method": one_value("embedding", len(copies)),
            "similarity": one_value(0.95, len(copies)), "p_duplicate": one_value(0.99, len(copies)),
        }),
        "duplicate_clusters": conformed("duplicate_clusters", cluster.size, {
            "image_id": ids.take(pa.array(cluster.ravel())),
            "cluster_id": heads.take(pa.array(np.arange(cluster.size) // 2)),
            "is_representative": pa.array(np.tile([True, False], len(cluster))),
        }),
        "tombstones": conformed("tombstones", 40, {
            "kind": pa.array(["image_id", "owner"] * 20), "reason": one_value("asked", 40),
            "value": pa.array([ids[i].as_py() if i % 2 == 0 else f"owner{part * 40 + i}" for i in range(40)]),
            "since": one_value(datetime(2026, 1, 1), 40, pa.timestamp("us")),
        }),
    }  # fmt: skip


def empty_lists(n: int) -> pa.Array:
    """A column of empty runners_up."""
    type_ = table_schema("mentions").arrow.field("runners_up").type
    return pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, np.int32)), pa.array([], type_.value_type), type=type_)


def generate(folder: Path, n_images: int) -> None:
    """Write the workspace."""
    workspace = Workspace(folder, create=True)
    keys, n_of_class = class_keys(), np.zeros(N_CLASSES + N_ROLLED_UP + N_LEFT_OUT, np.int64)
    written: dict[str, list[PartRecord]] = {}
    for part, start in enumerate(range(0, n_images, PART_IMAGES)):
        rows = part_tables(part, min(PART_IMAGES, n_images - start), keys, n_of_class)
        for table, found in rows.items():
            written.setdefault(table, []).append(workspace.write_part(table, f"{part:05d}", "generated", found))
        print(f"  {min(start + PART_IMAGES, n_images):,} images", file=sys.stderr, flush=True)
    for table, found in fixed_tables(keys, n_of_class).items():
        written[table] = [workspace.write_part(table, "00000", "generated", found)]
    for stage, tables in WRITTEN_BY.items():
        schemas = {table: table_schema(table).hash for table in tables}
        workspace.replace(Commit(stage, "generated", {}, {table: written[table] for table in tables}, schemas, {}))


def sample(folder: Path) -> None:
    """As the command does it: a label or so of each class."""
    draw(curate.open(folder), SampleAudits(budget=BUDGET, min_precision=PRECISION))


def sample_largest(folder: Path) -> None:
    """As the command does it, as many labels again, of the largest classes: their frames are the largest, too."""
    session = curate.open(folder)
    largest = session.sql("SELECT class_key FROM classes ORDER BY n_images_direct DESC, class_key LIMIT 50").fetchall()
    classes = tuple(key for (key,) in largest)
    draw(session, SampleAudits(budget=BUDGET, min_precision=PRECISION, classes=classes, afresh=True))


def judge(folder: Path) -> None:
    """Verdicts on all that was drawn: right with the probability p_correct, by a hash of the sample."""
    tables = curate.open(folder).store.tables(READS, OPTIONAL)
    rows = export(tables)
    with duckdb.connect() as con:
        con.execute(f"CREATE VIEW scores AS FROM read_parquet('{folder}/parts/label_scores/*.parquet')")
        con.register("rows", rows)
        found = con.sql("SELECT sample_id, p_correct FROM rows JOIN scores USING (image_id, class_key)").fetchall()
    p_of = dict(found)
    chance = [int(sha256(name.encode()).hexdigest()[:8], 16) / 2**32 for name in rows["sample_id"].to_pylist()]
    said = ["yes" if u < p_of[name] else "no" for name, u in zip(rows["sample_id"].to_pylist(), chance, strict=True)]
    judged = rows.set_column(rows.column_names.index("verdict"), "verdict", pa.array(said))
    judged = judged.append_column("audited_at", one_value("2026-01-01T00:00:00", len(said)))
    csv.write_csv(judged, folder.parent / "verdicts.csv")


def import_verdicts(folder: Path) -> None:
    """As the command does it."""
    read(curate.open(folder), folder.parent / "verdicts.csv", "ann")


def build(folder: Path, evidence: str) -> None:
    """build-manifest without writing the folder."""
    curate.open(folder).run("build-manifest", min_precision=PRECISION, evidence=evidence)


STEPS: dict[str, Callable[[Path], object]] = {
    "estimate-noise": lambda folder: curate.open(folder).run("estimate-noise"),
    "build-manifest --evidence model": lambda folder: build(folder, "model"),
    "audit sample": sample,
    "audit sample, largest classes": sample_largest,
    "audit export": judge,
    "audit import": import_verdicts,
    "estimate-noise, audited": lambda folder: curate.open(folder).run("estimate-noise"),
    "build-manifest --evidence audited": lambda folder: build(folder, "audited"),
}


def run_alone(step: str, folder: Path, n_images: int) -> tuple[float, float]:
    """Run a step in a process of its own.

    Returns:
        Seconds from its start to its end, and its peak memory in GB.
    """
    command = [sys.executable, "-m", "tests.benchmarks.metadata_scale", "--only", step, "--folder", str(folder)]
    done = subprocess.run([*command, "--images", str(n_images)], check=True, stdout=subprocess.PIPE)
    seconds, gigabytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, gigabytes


def run_one(step: str, folder: Path, n_images: int) -> None:
    """What the process of one step does."""
    began = time.perf_counter()
    if step == "generate":
        generate(folder, n_images)
    else:
        STEPS[step](folder)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps([time.perf_counter() - began, peak * 1024 / 1e9]))


def main() -> None:
    """Run all steps at all sizes, and print a row of the table for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path, help="where the workspaces go, and stay; a temporary folder else")
    parser.add_argument("--steps", nargs="+", default=[*STEPS], choices=[*STEPS])
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        run_one(args.only, args.folder, args.images[0])
        return
    with tempfile.TemporaryDirectory() as name:
        for n_images in args.images:
            folder = (args.folder or Path(name)) / str(n_images) / "workspace"
            steps = [*([] if (folder / "commits" / "forget.json").exists() else ["generate"]), *args.steps]
            for step in steps:
                seconds, gigabytes = run_alone(step, folder, n_images)
                print(f"| {n_images:,} | {step} | {seconds:.1f} s | {gigabytes:.2f} GB |", flush=True)


if __name__ == "__main__":
    main()
