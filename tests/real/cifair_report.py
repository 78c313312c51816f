"""Duplicates between CIFAR-10's test and training pictures that people judged, against what dedup finds at 32 px.

    CURATE_TEST_DATA=DIR python -m tests.real.cifair_report --work DIR [--encoder vectors|builtin|file:PATH] [--tars 5]

The judgments (ciFAIR: 0 exact, 1 near-duplicate, 2 very similar) name one training picture per test picture, so a hit
that they do not list may be a second copy: it is counted as wrong, and shown. Very similar pairs count neither way.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq

import curate
from tests.real.leaks_report import CURATE, header
from tests.real.leaks_scores import wilson

_TABLES = """
CREATE TABLE pairs AS SELECT i.image_id, e.eval_image_id, Judgment AS judgment
    FROM read_csv('{data}/cifair/duplicates_cifar10.csv') AS d
    JOIN images AS i ON i.key = printf('train_%05d', TrainID)
    JOIN eval_images AS e ON regexp_extract(e.eval_image_id, 'test_[0-9]+') = printf('test_%05d', TestID);
CREATE TABLE scored AS SELECT c.image_id, c.eval_image_id, c.same_bytes, c.score, c.similarity, c.phash_distance,
    p.judgment, n.image_id IS NOT NULL AS is_hit FROM duplicate_candidates AS c
    LEFT JOIN pairs AS p USING (image_id, eval_image_id) LEFT JOIN near_duplicates AS n USING (image_id, eval_image_id)
"""
_MEASURES = {
    "curate's score": "CASE WHEN same_bytes THEN 1e9 ELSE score END",
    "cosine": "similarity",
    "phash": "64 - phash_distance",
}


def run(folder: Path, data: Path, options: argparse.Namespace) -> tuple[curate.api.Session, float]:
    """The workspace, up to date, and the seconds that took."""
    cifar = data / "cifar10n"
    corpus = folder / "cifar10"
    corpus.mkdir(parents=True, exist_ok=True)
    for tar in sorted(cifar.glob("train-*.tar"))[: options.tars]:
        if not (corpus / tar.name).exists():
            (corpus / tar.name).symlink_to(tar)
    encoder = f"vectors:{_vectors(folder, cifar)}" if options.encoder == "vectors" else options.encoder
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(
        f"stages:\n  ingest: {{sources: [{{path: {corpus}}}]}}\n"
        f"  add-evalset: {{sets: [{{name: test, path: {cifar}/test-0.tar}}]}}\n"
        f'  embed: {{encoder: ["{encoder}"], trust: true}}\n'
        f"  dedup: {{{', '.join(['against: [test]', *options.set])}}}\n"
    )
    started = time.perf_counter()
    command = [*CURATE, "run", str(pipeline), "-w", str(folder / "workspace")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    print(done.stderr[-1500:])
    return curate.open(folder / "workspace"), time.perf_counter() - started


def _vectors(folder: Path, cifar: Path) -> Path:
    """The descriptors of both sets in one file."""
    path = folder / "vectors.parquet"
    if not path.exists():
        names = [str(cifar / f"embeddings_{half}.parquet") for half in ("train", "test")]
        pq.write_table(duckdb.sql("SELECT key, vector FROM read_parquet($1)", params=[names]).to_arrow_table(), path)
    return path


def show(con: duckdb.DuckDBPyConnection) -> None:
    """What was found at the chosen threshold, and at every threshold there could be."""
    n_near, n_similar = con.execute("SELECT count_if(judgment < 2), count_if(judgment = 2) FROM pairs").fetchall()[0]
    n_seen, n_hit, n_right, n_very = con.execute(
        "SELECT count_if(judgment < 2), count_if(is_hit), count_if(is_hit AND judgment < 2), "
        "count_if(is_hit AND judgment = 2) FROM scored"
    ).fetchall()[0]
    low, high = wilson(n_right, n_near)
    print(f"judged near-duplicates {n_near}, very similar {n_similar}; compared {n_seen} of the former")
    print(f"hits {n_hit}: near-duplicates {n_right}, very similar {n_very}, unlisted {n_hit - n_right - n_very}")
    print(f"recall {n_right / n_near:.3f} ({low:.3f} to {high:.3f})")
    rows = con.execute("FROM duplicate_thresholds")
    for name, value in zip([column[0] for column in rows.description], rows.fetchall()[0], strict=True):
        print(f"- {name}: {value}")
    header("measure", "precision", "recall at that true precision", "threshold")
    for name, measure in _MEASURES.items():
        found = con.execute(
            f"SELECT {measure} AS s, judgment FROM scored WHERE s IS NOT NULL AND judgment IS DISTINCT FROM 2 "
            "ORDER BY s DESC"
        ).fetchnumpy()
        values, right = np.asarray(found["s"]), np.asarray(~np.ma.getmaskarray(found["judgment"]))
        ends, n_right = np.r_[values[1:] != values[:-1], True], right.cumsum()
        for precision in (0.5, 0.8, 0.9, 0.95, 0.99):
            good = ends & (n_right >= precision * np.arange(1, len(right) + 1))
            best = np.flatnonzero(good)[-1:]
            if len(best):
                print(f"| {name} | {precision} | {n_right[best[0]] / n_near:.3f} | {values[best[0]]:.4g} |")
            else:
                print(f"| {name} | {precision} | 0 | |")
    print("unlisted hits, surest first:")
    con.sql(
        "SELECT image_id, eval_image_id, score, similarity FROM scored WHERE is_hit AND judgment IS NULL "
        "ORDER BY score DESC LIMIT 30"
    ).show()


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps the workspaces")
    parser.add_argument("--encoder", default="builtin", help="builtin, vectors (those of the data), or file:PATH")
    parser.add_argument("--tars", type=int, default=5, help="tars of 10,000 training pictures that are searched")
    parser.add_argument("--set", action="append", default=[], help="'parameter: value' of dedup")
    options = parser.parse_args()
    folder = options.work.resolve() / f"cifar-{Path(options.encoder).stem}-{options.tars}"
    session, seconds = run(folder, Path(os.environ["CURATE_TEST_DATA"]), options)
    with session.connect() as con:
        for statement in _TABLES.format(data=os.environ["CURATE_TEST_DATA"]).split(";\n"):
            con.execute(statement)
        print(f"\n## {options.encoder}, {options.tars} tars: {seconds:.0f} s\n")
        show(con)


if __name__ == "__main__":
    main()
