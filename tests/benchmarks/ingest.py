"""How fast `curate ingest` reads JPEGs, against a bare loop and against Pillow with imagehash.

    python -m tests.benchmarks.ingest [--sizes 640x480 500x375 300x225 224x224] [--layouts posts plain]
        [--images 20000] [--repeats 3] [--photos FOLDER]

Tars are written as img2dataset does: `posts` with a JSON and a text member beside each picture, `plain` without.
Pictures are cut from the files and tars in FOLDER; without one they are drawn, with about as many bytes a pixel as
photographs have. Each is stored many times, with another comment inside, so that no two members have equal bytes.

The bare loop reads each member at its known place, computes SHA-256 and decodes with simplejpeg just as
`curate.vision.decode` does: grey, at a reduced size. It runs on as many threads and on as many processes as there are
processors, and the better counts. The peer is Pillow with imagehash on processes: a full decode and a perceptual hash,
of a share of the pictures. Of the command's time, what it takes for one picture is taken off: that is start-up. All run
in turn, and medians are printed; CPU time beside wall time, as it suffers less where others share the machine.
"""

import argparse
import io
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import imagehash
import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from curate.engines.local import default_workers
from curate.vision.phash import MIN_SIZE_PX

N_DISTINCT = 500
PER_TAR = 2_000
TAGS = ("#home", "#family", "#snow", "#seahorse", "#garden", "#blackandwhite", "#friend", "#lion", "#f4f", "#autumn")


class Cost(NamedTuple):
    """Seconds of a run."""

    wall: float
    cpu: float

    def less(self, other: "Cost") -> "Cost":
        """What is left without another run."""
        return Cost(self.wall - other.wall, self.cpu - other.cpu)


def drawn_picture(seed: int, width: int, height: int) -> Image.Image:
    """Light that falls off like in photographs (noise of every scale), edges, and grain of a sensor."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3), np.float32)
    for level in range(2, 9):
        coarse = rng.normal(size=(1 << level, 1 << level, 3)).astype(np.float32) @ (0.7 * np.eye(3) + 0.3).astype("f4")
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            pixels[..., channel] += 60 * 0.55 ** (level - 2) * np.asarray(layer)
    for _ in range(12):
        x, y = rng.integers(0, width), rng.integers(0, height)
        pixels[y : y + rng.integers(8, height), x : x + rng.integers(8, width)] += rng.normal(0, 40, 3)
    pixels += rng.normal(0, 2, (height, width, 1))
    return Image.fromarray(np.clip(pixels + 120, 0, 255).astype(np.uint8))


def photographs(folder: Path) -> Iterator[Image.Image]:
    """Every file, and every member of a tar, that Pillow can open."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                contents = [tar.extractfile(m).read() for m in tar if m.isfile() and m.name.endswith((".jpg", ".png"))]
        else:
            contents = [path.read_bytes()] if path.is_file() else []
        for content in contents:
            try:
                yield Image.open(io.BytesIO(content)).convert("RGB")
            except OSError:
                continue


def stored_pictures(width: int, height: int, folder: Path | None) -> list[bytes]:
    """Distinct JPEGs of one size, quality 85."""
    if folder is None:
        pictures = (drawn_picture(seed, width, height) for seed in range(N_DISTINCT))
    else:
        pictures = (ImageOps.fit(picture, (width, height)) for picture in photographs(folder))
    found = []
    for picture, _ in zip(pictures, range(N_DISTINCT), strict=False):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        found.append(buffer.getvalue())
    return found


def write_tars(folder: Path, pictures: list[bytes], n: int, posts: bool) -> None:
    """Tars of n records."""
    folder.mkdir(parents=True)
    for start in range(0, n, PER_TAR):
        with tarfile.open(folder / f"{start // PER_TAR:05d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for i in range(start, min(n, start + PER_TAR)):
                for name, content in members(i, pictures[i % len(pictures)], posts):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))


def members(i: int, picture: bytes, posts: bool) -> Iterator[tuple[str, bytes]]:
    """A record's members: the picture with its number in a comment, and its metadata."""
    yield f"{i:09d}.jpg", picture[:2] + b"\xff\xfe\x00\x06" + i.to_bytes(4, "big") + picture[2:]
    if posts:
        caption, tags = f"what I saw on day {i}, once more", [TAGS[(i * k) % len(TAGS)] for k in range(1, 6)]
        entries = {
            "caption": caption,
            "hashtags": tags,
            "url": f"https://img.example/{i:09d}.jpg",
            "user": f"u{i % 997}",
        }
        more = {"key": f"{i:09d}", "status": "success", "error_message": None, "width": 640, "sha256": "0" * 64}
        yield f"{i:09d}.json", json.dumps({**entries, **more}).encode()
        yield f"{i:09d}.txt", caption.encode()


def bare(path: str, places: Sequence[tuple[int, int]]) -> None:
    """What no reader of JPEGs can leave out."""
    file = os.open(path, os.O_RDONLY)
    for offset, size in places:
        data = os.pread(file, size, offset)
        sha256(data).hexdigest()
        simplejpeg.decode_jpeg(data, "GRAY", min_height=MIN_SIZE_PX, min_width=MIN_SIZE_PX)
    os.close(file)


def peer(path: str, places: Sequence[tuple[int, int]]) -> None:
    """What a script with Pillow and imagehash does."""
    with Path(path).open("rb") as file:
        for offset, size in places:
            file.seek(offset)
            data = file.read(size)
            sha256(data).hexdigest()
            imagehash.phash(Image.open(io.BytesIO(data)))


Task = tuple[str, list[tuple[int, int]]]


def tasks(folder: Path, n: int) -> list[Task]:
    """Places of the first n pictures, in pieces of 250."""
    found: list[Task] = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            places = [(member.offset_data, member.size) for member in tar if member.name.endswith(".jpg")]
        found += [(str(path), places[start : start + 250]) for start in range(0, len(places), 250)]
    return found[: -(-n // 250)]


def cpu_seconds() -> float:
    """Of this process and of all that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(run: Callable[[], object]) -> Cost:
    """Wall and CPU time; CPU time of child processes counts once they have ended."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    run()
    return Cost(time.perf_counter() - wall, cpu_seconds() - cpu)


def pooled(pool: Executor, function: Callable[..., None], todo: list[Task]) -> Cost:
    """Time of a pool that has started, its CPU time taken from the clock of each task."""
    list(pool.map(time.sleep, [0.2] * (2 * default_workers())))
    wall = time.perf_counter()
    cpu = sum(pool.map(cpu_of, [function] * len(todo), *zip(*todo, strict=True)))
    return Cost(time.perf_counter() - wall, cpu)


def cpu_of(function: Callable[..., None], path: str, places: Sequence[tuple[int, int]]) -> float:
    """CPU time of the calling thread."""
    start = time.thread_time()
    function(path, places)
    return time.thread_time() - start


def command(source: Path) -> Cost:
    """The whole command, in a process and a workspace of its own."""
    with tempfile.TemporaryDirectory(dir=source.parent) as name:
        code = "from curate.cli.main import main; main()"
        arguments = [sys.executable, "-c", code, "-w", f"{name}/w", "ingest", str(source)]
        return timed(lambda: subprocess.run(arguments, check=True, capture_output=True))


def measure(folder: Path, one: Path, n: int, n_peer: int) -> dict[str, Cost]:
    """Cost per picture of each, one after the other."""
    todo, n_workers = tasks(folder, n), default_workers()
    costs = {}
    with ThreadPoolExecutor(n_workers) as threads:
        costs["bare, threads"] = pooled(threads, bare, todo)
    with ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn")) as processes:
        costs["bare, processes"] = pooled(processes, bare, todo)
        costs["peer"] = pooled(processes, peer, tasks(folder, n_peer))
    costs["curate"] = command(folder).less(command(one))
    counts = {name: n_peer if name == "peer" else n for name in costs}
    return {name: Cost(cost.wall / counts[name], cost.cpu / counts[name]) for name, cost in costs.items()}


def report(title: str, rounds: list[dict[str, Cost]]) -> None:
    """A row of a table: medians over the rounds."""

    def median(value: Callable[[dict[str, Cost]], float]) -> float:
        return statistics.median(value(costs) for costs in rounds)

    def bare_wall(costs: dict[str, Cost]) -> float:
        return min(costs["bare, threads"].wall, costs["bare, processes"].wall)

    def bare_cpu(costs: dict[str, Cost]) -> float:
        return min(costs["bare, threads"].cpu, costs["bare, processes"].cpu)

    cells = [
        title,
        f"{1 / median(lambda c: c['curate'].wall):,.0f}",
        f"{1 / median(bare_wall):,.0f}",
        f"{median(lambda c: bare_wall(c) / c['curate'].wall):.2f}",
        f"{median(lambda c: bare_cpu(c) / c['curate'].cpu):.2f}",
        f"{median(lambda c: c['peer'].wall / c['curate'].wall):.1f}",
        f"{median(lambda c: c['peer'].cpu / c['curate'].cpu):.1f}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Measure each size and layout, and print a row for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", nargs="+", default=["640x480", "500x375", "300x225", "224x224"])
    parser.add_argument("--layouts", nargs="+", default=["posts", "plain"])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--photos", type=Path)
    args = parser.parse_args()
    print("| pictures | curate, a second | bare, a second | share of bare: wall | CPU | times the peer: wall | CPU |")
    print("|---|---|---|---|---|---|---|")
    for size in args.sizes:
        width, height = (int(side) for side in size.split("x"))
        pictures = stored_pictures(width, height, args.photos)
        mean = statistics.mean(len(picture) for picture in pictures) / 1000
        for layout in args.layouts:
            with tempfile.TemporaryDirectory() as name:
                folder, one = Path(name) / "all", Path(name) / "one"
                write_tars(folder, pictures, args.images, layout == "posts")
                write_tars(one, pictures, 1, layout == "posts")
                rounds = [measure(folder, one, args.images, min(2_000, args.images)) for _ in range(args.repeats)]
            report(f"{size}, {layout}, {mean:.0f} kB", rounds)


if __name__ == "__main__":
    main()
