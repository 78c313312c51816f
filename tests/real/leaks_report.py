"""How many leaks `curate dedup --against` finds among real photographs, by kind of copy, beside what it says itself.

    CURATE_TEST_DATA=DIR python -m tests.real.leaks_report --work DIR [--encoder SPEC --trust] [--scene full …]

The corpus is the posts of webposts, its own leaks, and new copies made by leaks.py, which the product has never seen.
Evaluation images are cut into two halves by their file names; principles were developed looking at `developed`.
Scenes: full; rare (one copy per thousand posts); none (no copies at all); small and large (everything at 96 and at
1,000 px). What --work holds is reused, so that only what changed runs again.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb

import curate
from curate.api import Session
from tests.real import leaks_peers, leaks_scores
from tests.real.leaks import SEED, lay_out

SCENES = {
    "full": ("posts", "leaked", "planted"),
    "rare": ("posts", "rare"),
    "none": ("posts",),
    "small": ("posts", "leaked", "planted"),
    "large": ("posts", "leaked", "planted"),
}
SIZES = {"small": 96, "large": 1000}
STEPS = ("ingest", "add-evalset", "embed", "dedup")
CURATE = (sys.executable, "-c", "import sys; sys.argv[0] = 'curate'; from curate.cli.main import main; main()")
"""The command line of the interpreter that runs this."""
NAMES = {"color": "colour", "hflip": "flip", "recompressed": "jpeg", "repost": "chain"}
"""What the product calls a kind of copy, and what it is called here."""


def pipeline(folder: Path, data: Path, scene: str, options: argparse.Namespace) -> Path:
    """The pipeline file of a scene."""
    sources = ", ".join(f"{{path: {data / name}}}" for name in SCENES[scene])
    path = folder / "pipeline.yaml"
    path.write_text(
        f"stages:\n  ingest: {{sources: [{sources}]}}\n"
        f"  add-evalset: {{sets: [{{name: heldout, path: {data}/evalset}}]}}\n"
        f'  embed: {{encoder: ["{options.encoder}"], trust: {str(options.trust).lower()}}}\n'
        f"  dedup: {{against: [heldout]{''.join(f', {item}' for item in options.set)}}}\n"
    )
    return path


def run(scene: str, data: Path, options: argparse.Namespace) -> tuple[Session, dict[str, tuple[float, float]]]:
    """The workspace of a scene, up to date, and by stage the wall and processor seconds of whatever ran."""
    slug = Path(options.encoder.replace(":", "/")).stem
    folder = data.parent / f"{scene}-{slug}"
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        full = data.parent / f"full-{slug}"
        if full.exists() and scene not in SIZES:  # descriptors of the posts are there
            shutil.copytree(full, partial)
        partial.mkdir(exist_ok=True)
        partial.rename(folder)
    file, spent = pipeline(folder, data, scene, options), folder / "seconds.json"
    seconds = json.loads(spent.read_text()) if spent.exists() else {}
    for step in STEPS:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [*CURATE, "run", str(file), "-w", str(folder / "workspace"), "--until", step]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{scene}, {step}: {done.stderr[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        # A stage that is reused takes a few seconds: the time of its last real run stays.
        seconds[step] = max([time.perf_counter() - started, used], seconds.get(step, [0, 0]), key=lambda pair: pair[1])
    spent.write_text(json.dumps(seconds))
    return curate.open(folder / "workspace"), seconds


def header(*names: str) -> None:
    """The head of a table."""
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")


def report(con: duckdb.DuckDBPyConnection, half: str) -> None:
    """Recall and precision of one half of the evaluation images, or of both ('%')."""
    title = {"%": "both halves"}.get(half, f"half '{half}'")
    for kind in ("planted", "leaked"):
        rows = leaks_scores.recall_rows(con, kind, half)
        if sum(row[1] for row in rows):
            print(f"\n{title}: {kind} copies")
            header("transform", "copies", "compared", "found", "recall", "95 % low")
        for transform, n, compared, found in rows:
            if n:
                figures = f"{n} | {compared} | {found} | {found / n:.3f} | {leaks_scores.wilson(found, n)[0]:.3f}"
                print(f"| {transform or 'all'} | {figures} |")
    pairs, wrong, unjudged, images, wrong_images = leaks_scores.precision_row(con, half)
    share = (images - wrong_images) / images if images else float("nan")
    print(f"\n{title}: {pairs} pairs hit, {wrong} wrong, {unjudged} unjudged")
    print(f"{images} images hit, {wrong_images} of them wrong: precision {share:.4f}")


def own_estimates(con: duckdb.DuckDBPyConnection) -> None:
    """What the product says of itself, beside the truth."""
    print()
    rows = con.execute("FROM duplicate_thresholds")
    for name, value in zip([column[0] for column in rows.description], rows.fetchall()[0], strict=True):
        print(f"- {name}: {value}")
    print(f"- true share of eval images with a copy: {leaks_scores.prevalence(con):.4f}")
    truth = {name: (n, found) for name, n, _, found in leaks_scores.recall_rows(con, "planted", "%") if n}
    header("the product's kind", "it says", "interval", "n", "ours, true", "interval", "covered", "meet")
    for name, n, recall, low, high in con.execute(
        "SELECT transform, n_planted, recall, low, high FROM planted_recall ORDER BY 1"
    ).fetchall():
        n_ours, found = truth.get(NAMES.get(name, name) or None, (0, 0))
        below, above = leaks_scores.wilson(found, n_ours)
        share, said = found / max(n_ours, 1), "" if recall is None else f"{recall:.3f}"
        if low is None:
            continue
        inside = "yes" if low <= share <= high else "no"
        meet = "yes" if below <= high and low <= above else "no"
        ours = f"{share:.3f} | {below:.3f} to {above:.3f} | {inside} | {meet}" if n_ours else " | | |"
        print(f"| {name or 'all'} | {said} | {low:.3f} to {high:.3f} | {n} | {ours} |")


def peers(con: duckdb.DuckDBPyConnection, seconds: dict[str, tuple[float, float]], options: argparse.Namespace) -> None:
    """Every method on the same images: recall at true precision 0.99, each at its own best threshold."""
    n = con.execute("SELECT count(*) FROM images").fetchall()[0][0]
    methods = leaks_peers.hashes(con, options.peer_python, options.work)
    lines = {name: (leaks_scores.curve(con, best), rate) for name, (best, rate) in methods.items()}
    embed, dedup = seconds["embed"][1], seconds["dedup"][1]
    lines["bare cosine"] = leaks_scores.curve(con, leaks_peers.nearest_vectors(con)), n / embed
    lines["curate's score"] = leaks_scores.curve(con, leaks_peers.best_by_score(con)), n / (embed + dedup)
    header("method", "recall at precision 0.99", "threshold", "recall before a false hit", "images/s of a processor")
    for name, (scores, rate) in lines.items():
        figures = (f"{scores[key]:.3f}" for key in ("at_precision", "threshold", "before_false"))
        print(f"| {name} | {' | '.join(figures)} | {rate:.0f} |")
    for name, (best, _) in methods.items():
        for reach in (4, 8, 10):
            recall, precision = leaks_scores.at_least(con, best, 64 - reach)
            print(f"| {name}, distance <= {reach} | recall {recall:.3f} | precision {precision:.3f} | | |")


def show_scene(scene: str, options: argparse.Namespace, webposts: Path) -> None:
    """Run one scene and print its tables."""
    n, n_shards, size = options.n, options.shards, SIZES.get(scene)
    if size:
        n, n_shards = min(n, 60), 1
    data = lay_out(
        options.work / f"n{n}-{n_shards}-{size or 'native'}-{options.seed}" / "data",
        webposts, n, size=size, n_shards=n_shards, seed=options.seed,
    )  # fmt: skip
    session, seconds = run(scene, data, options)
    with leaks_scores.judged(session, data, webposts) as con:
        print(f"\n## {scene}, {options.encoder.rsplit('/', 1)[-1]}\n")
        print("seconds (wall, processor):", {k: [round(x, 1) for x in v] for k, v in seconds.items()})
        for half in ("developed", "reported", "%") if options.half == "both" else (options.half,):
            report(con, half)
        own_estimates(con)
        print("\nwrong pairs:", *leaks_scores.wrong_pairs(con)[:60], sep="\n  ")
        if options.misses:
            print("\nmissed:", *leaks_scores.misses(con), sep="\n  ")
        if options.peers and scene in ("full", *SIZES):
            peers(con, seconds, options)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps images and workspaces")
    parser.add_argument("--encoder", default="builtin")
    parser.add_argument("--trust", action="store_true")
    parser.add_argument("--scene", action="append", choices=SCENES, help="repeatable; by default full, rare and none")
    parser.add_argument("--n", type=int, default=300, help="planted copies per transform")
    parser.add_argument("--shards", type=int, default=5, help="tars of posts, 1 to 5")
    parser.add_argument("--seed", type=int, default=SEED, help="of the planted copies")
    parser.add_argument("--half", choices=("developed", "reported", "both"), default="both")
    parser.add_argument("--set", action="append", default=[], help="'parameter: value' of dedup")
    parser.add_argument("--misses", action="store_true", help="list what was not found")
    parser.add_argument("--peers", action="store_true", help="also other tools, on the same images")
    parser.add_argument("--peer-python", help="interpreter that has imagededup")
    options = parser.parse_args()
    options.work = options.work.resolve()
    for scene in options.scene or ("full", "rare", "none"):
        show_scene(scene, options, Path(os.environ["CURATE_TEST_DATA"]) / "webposts")


if __name__ == "__main__":
    main()
