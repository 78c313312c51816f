"""How fast exact search is: a corpus streamed in blocks past the index of an eval set, against bare FAISS.

    python tests/benchmarks/search.py [--queries 1000000] [--base 10000] [--dim 512] [--k 5] [--block 50000]

Both search the same blocks with the same k in turns, so that a busy machine slows both. Ours fetches more candidates
and scores them again in float64; the printed ratio is what that costs. With CUDA, blocks lie on the device, and the
ratio is that of the multiplications done per second to those of a bare matrix product of the same precision.
"""

import argparse
import time
from collections.abc import Iterator

import faiss
import numpy as np

from curate.vision.neighbors import hamming_search, search


def unit_rows(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    vectors = rng.standard_normal((n, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def blocks(base: np.ndarray, n: int, size: int) -> Iterator[np.ndarray]:
    """Queries, 2 % of them close copies of base vectors."""
    for start in range(0, n, size):
        rng = np.random.default_rng(start + 1)
        queries = unit_rows(rng, min(size, n - start), base.shape[1])
        copies = rng.random(len(queries)) < 0.02
        queries[copies] = base[rng.integers(0, len(base), copies.sum())] + 0.3 * queries[copies]
        yield queries / np.linalg.norm(queries, axis=1, keepdims=True)


def on_cpu(base: np.ndarray, n: int, size: int, k: int) -> None:
    index = faiss.IndexFlatIP(base.shape[1])
    index.add(base)
    total = {"bare": [0.0, 0.0], "ours": [0.0, 0.0]}
    differing = 0
    for turn, queries in enumerate(blocks(base, n, size)):
        found = {}
        for name in ("bare", "ours") if turn % 2 else ("ours", "bare"):
            start, busy = time.perf_counter(), time.process_time()
            found[name] = index.search(queries, k)[1] if name == "bare" else search(queries, base, k, device="cpu")[1]
            total[name][0] += time.perf_counter() - start
            total[name][1] += time.process_time() - busy
        differing += np.count_nonzero((found["bare"] != found["ours"]).any(axis=1))
        print(f"block {turn}: so far bare {total['bare'][0]:.1f} s, ours {total['ours'][0]:.1f} s", flush=True)
    (bare, bare_work), (ours, our_work) = total.values()
    print(f"{n} x {len(base)} x {base.shape[1]}, k {k}, {faiss.omp_get_max_threads()} threads")
    print(f"bare FAISS {bare:.1f} s ({2 * n * base.size / bare / 1e9:.0f} GFLOP/s), ours {ours:.1f} s")
    print(f"ratio of wall time {ours / bare:.3f}, of processor time {our_work / bare_work:.3f}")
    print(f"{differing} queries where FAISS has neighbours in another order or others: float32 cannot tell them apart")


def on_codes(n: int, n_base: int) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**64, n, dtype=np.uint64)
    start = time.perf_counter()
    found = hamming_search(codes, codes[:n_base], 12)
    print(f"hamming_search within 12 bits, {n} x {n_base}: {time.perf_counter() - start:.1f} s, {len(found[0])} pairs")


def on_cuda(base_ND: np.ndarray, n: int, size: int, k: int) -> None:
    import torch

    from curate.vision.tensor_search import nearest_resident

    torch.set_float32_matmul_precision("high")
    base = torch.from_numpy(base_ND).cuda()
    queries = torch.from_numpy(next(blocks(base_ND, size, size))).cuda()
    product = torch.empty((len(queries), min(len(base), (1 << 28) // len(queries))), device="cuda")

    def timed(work: object, flop: float) -> float:
        work()
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(max(1, n // size)):
            work()
        torch.cuda.synchronize()
        return max(1, n // size) * flop / (time.perf_counter() - start) / 1e12

    ceiling = timed(
        lambda: torch.mm(queries, base[: product.shape[1]].T, out=product), 2 * product.numel() * base.shape[1]
    )
    ours = timed(lambda: nearest_resident(queries, base, 1.0, k, k + 11), 2 * len(queries) * base.numel())
    print(f"{torch.cuda.get_device_name()}: ours {ours:.1f}, TF32 matmul {ceiling:.1f} TFLOP/s: {ours / ceiling:.2f}")
    start = time.perf_counter()
    search(queries.cpu().numpy(), base_ND, k, device="cuda")
    print(
        f"search of {size} queries from host memory, upload of the base included: {time.perf_counter() - start:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("queries", 1_000_000), ("base", 10_000), ("dim", 512), ("k", 5), ("block", 50_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    base = unit_rows(np.random.default_rng(0), asked.base, asked.dim)
    on_codes(asked.queries, asked.base)
    import torch

    (on_cuda if torch.cuda.is_available() else on_cpu)(base, asked.queries, asked.block, asked.k)


if __name__ == "__main__":
    main()
