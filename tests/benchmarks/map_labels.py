"""How fast labels are mapped: posts of five tags, captions, and labels never seen before.

    python tests/benchmarks/map_labels.py [--posts 10000000] [--captions 1000000] [--labels 500000] [--workers 2]

Posts are drawn from 2.25 million distinct labels with Zipf's frequencies: nouns as people write them, chains of words,
and noise. Every worker process reads parts of raw_labels from Parquet, maps them and writes mentions to Parquet, as the
stage does; the runner's checks and digests of what was written are not in these figures. Posts are timed twice: with
all labels read beforehand, and with every worker meeting each label for the first time.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.wordnet import lexicon
from curate.wordnet.mapping import Mapper, map_rows
from curate.wordnet.surfaces import resolve
from curate.wordnet.vocabulary import build_mapper

PART_POSTS = 100_000
N_DISTINCT = 2_250_000


def distinct_labels(n: int, seed: int = 0) -> np.ndarray:
    """Labels in order of frequency: single nouns first, then disguises and chains."""
    rng = np.random.default_rng(seed)
    words = np.array([lemma.replace(" ", "") for lemma in lexicon.lemma_rows()["lemma"].to_pylist()], object)
    common = np.array(list(lexicon.word_logprobs()), object)[:30_000]
    rng.shuffle(words)
    first, second = rng.choice(common, n), rng.choice(words, n)
    frames = rng.choice(np.array(["", "my", "insta", "love", "daily", "the"], object), n)
    tails = rng.choice(np.array(["", "s", "life", "ofinstagram", "2016", "gram", "🔥"], object), n)
    mixed = np.where(rng.random(n) < 0.5, frames + second + tails, first + second)
    labels = list(dict.fromkeys(["#" + str(label) for label in np.concatenate([common[:3000], words[:60_000], mixed])]))
    return np.array(labels[:n], object)


def rows_of(ids: list[str] | pa.Array, field: str, labels: pa.Array, per_post: int = 1) -> pa.Table:
    """Rows of raw_labels of one field."""
    n = len(labels)
    return pa.table(
        {
            "image_id": ids,
            "field": pa.array([field]).take(pa.array(np.zeros(n, np.int64))),
            "position": pa.array(np.tile(np.arange(per_post, dtype=np.int32), n // per_post)),
            "raw_label": labels,
            "score": pa.nulls(n, pa.float64()),
            "language": pa.nulls(n, pa.string()),
        }
    )


def write_posts(folder: Path, n_posts: int) -> list[Path]:
    """Parts of raw_labels, five tags a post."""
    labels = pa.array(distinct_labels(N_DISTINCT).tolist(), pa.string())
    share = 1 / (np.arange(len(labels)) + 10.0) ** 1.05
    edges = np.cumsum(share) / share.sum()
    paths = []
    for part in range(-(-n_posts // PART_POSTS)):
        rng = np.random.default_rng(part)
        n = min(PART_POSTS, n_posts - part * PART_POSTS)
        drawn = np.minimum(np.searchsorted(edges, rng.random(n * 5)), len(labels) - 1)
        ids = pa.array([f"{part:08x}{i:024x}" for i in range(n)])
        rows = rows_of(ids.take(pa.array(np.arange(n * 5) // 5)), "hashtag", labels.take(pa.array(drawn)), per_post=5)
        paths.append(folder / f"posts-{part:05d}.parquet")
        pq.write_table(rows, paths[-1], compression="zstd")
    return paths


def write_captions(folder: Path, n_captions: int) -> list[Path]:
    """Parts of raw_labels, one caption an image: words as frequent as in English, one text in ten not all ASCII."""
    rng = np.random.default_rng(1)
    logs = lexicon.word_logprobs()
    words_known = np.array(list(logs), object)
    share = np.exp(np.array(list(logs.values())))
    paths = []
    for part in range(-(-n_captions // PART_POSTS)):
        count = min(PART_POSTS, n_captions - part * PART_POSTS)
        lengths = rng.integers(4, 18, count)
        words = rng.choice(words_known, lengths.sum(), p=share / share.sum())
        cuts = np.concatenate([[0], np.cumsum(lengths)])
        ends = rng.choice(np.array(["", ".", " ❤️", " café", " #love"], object), count, p=[0.5, 0.3, 0.06, 0.04, 0.1])
        texts = [" ".join(words[a:b]) + str(end) for a, b, end in zip(cuts[:-1], cuts[1:], ends, strict=True)]
        ids = [f"{part:08x}{i:024x}" for i in range(count)]
        paths.append(folder / f"captions-{part:05d}.parquet")
        pq.write_table(rows_of(ids, "caption", pa.array(texts)), paths[-1], compression="zstd")
    return paths


def make_mapper(mode: str) -> Mapper:
    """The mapper over all nouns."""
    return build_mapper(lexicon.synset_rows(), lexicon.lemma_rows(), lexicon.hypernym_rows(), mode=mode)


def work(mode: str, known: str, todo: "multiprocessing.Queue[str]", report: "multiprocessing.Queue[tuple]") -> None:
    """One worker process: build, read the labels that are known, wait for the start, map parts until there are none."""
    mapper = make_mapper(mode)
    pa.set_cpu_count(1)
    map_rows(rows_of(["0"], "caption", pa.array(["a crane and a heron"])), mapper)  # builds what texts and senses need
    report.put(("built", 0, 0))
    if known:
        for batch in pq.ParquetFile(known).iter_batches(100_000):
            mapper.labels.read(batch["raw_label"], "hashtag")
    report.put(("ready", 0, 0))
    n_rows = 0
    while (path := todo.get()) != "":
        mentions = map_rows(pq.read_table(path), mapper)
        pq.write_table(mentions, path + ".mentions", compression="zstd", row_group_size=100_000)
        n_rows += mentions.num_rows
        Path(path + ".mentions").unlink()
    report.put(("done", n_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6))


def timed(paths: list[Path], mode: str, n_workers: int, known: Path | None = None) -> Iterator[str]:
    """Seconds from the first part to the last, and the peak memory of the workers."""
    context = multiprocessing.get_context("spawn")
    todo, report = context.Queue(), context.Queue()
    started = time.perf_counter()
    arguments = (mode, str(known or ""), todo, report)
    workers = [context.Process(target=work, args=arguments) for _ in range(n_workers)]
    for worker in workers:
        worker.start()
    for _ in workers:
        report.get()
    yield f"vocabulary {time.perf_counter() - started:.1f} s,"
    started = time.perf_counter()
    for _ in workers:
        report.get()
    if known:
        yield f"labels read beforehand {time.perf_counter() - started:.1f} s,"
    started = time.perf_counter()
    for item in [str(path) for path in paths] + [""] * n_workers:
        todo.put(item)
    ends = [report.get() for _ in workers]
    yield f"posts {time.perf_counter() - started:.1f} s,"
    yield f"{sum(end[1] for end in ends):,} mentions, peak {max(end[2] for end in ends):.2f} GB a worker"
    for worker in workers:
        worker.join()


def main() -> None:
    """Run all three and print a line each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=10_000_000)
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=500_000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.posts:
            paths = write_posts(folder, args.posts)
            known = folder / "labels.parquet"
            pq.write_table(pa.table({"raw_label": distinct_labels(N_DISTINCT).tolist()}), known)
            for mode in ("abstain", "context"):
                for labels in (known, None):
                    ran = timed(paths, mode, args.workers, labels)
                    print(f"{args.posts:,} posts of five tags, {mode}:", *ran, flush=True)
        if args.captions:
            paths = write_captions(folder, args.captions)
            for mode in ("abstain", "context"):
                print(f"{args.captions:,} captions, {mode}:", *timed(paths, mode, args.workers), flush=True)
    if args.labels:
        reader = make_mapper("context").labels.reader
        drawn = distinct_labels(args.labels, seed=7)[60_000:]
        fresh = pa.array([str(label)[1:] for label in drawn if str(label).isascii()])
        started = time.perf_counter()
        resolve(fresh, reader)
        seconds = time.perf_counter() - started
        print(f"{len(fresh):,} labels never seen: {len(fresh) / seconds:,.0f} a second on one core")


if __name__ == "__main__":
    main()
