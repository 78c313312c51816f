"""How fast images are described, from JPEGs in tars to vectors, beside the bare network on batches that lie ready.

    python tests/benchmarks/embed.py [--encoder file:PATH] [--tars FOLDER] [--images 2000] [--rounds 10] [--feeds 1]

Without --encoder: torchvision's ResNet-50 with random weights, which are as fast as others. Without --tars: pictures
of 500 x 375 pixels, made here. Bare network and whole path are measured in turns, on CUDA where there is one. --feeds 2
describes two parts of the images at once, which hides the end of one behind the middle of the other.
"""

import argparse
import io
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from curate.vision.decode import decode, read_range
from curate.vision.encoders import Encoder, load_encoder
from curate.vision.forward import single_threaded_pool, torch_encoder
from curate.vision.networks import load_torchvision
from curate.vision.overlap import Describer, n_processors, profile_report

Place = tuple[str, int, int]


def write_tars(folder: Path, n_images: int, per_tar: int = 1000) -> None:
    """JPEGs of about 50 KB: smooth shapes with some noise."""
    rng = np.random.default_rng(0)
    packed = []
    for _ in range(50):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC))
        file = io.BytesIO()
        noisy = np.clip(smooth + rng.normal(0, 12, (375, 500, 1)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(file, "JPEG", quality=88)
        packed.append(file.getvalue())
    for start in range(0, n_images, per_tar):
        with tarfile.open(folder / f"{start:06d}.tar", "w") as tar:
            for number in range(start, min(start + per_tar, n_images)):
                member = tarfile.TarInfo(f"{number:06d}.jpg")
                member.size = len(packed[number % len(packed)])
                tar.addfile(member, io.BytesIO(packed[number % len(packed)]))


def find_images(folder: Path, n_images: int) -> list[Place]:
    found: list[Place] = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            found += [(str(path), member.offset_data, member.size) for member in tar if member.name.endswith(".jpg")]
    return (found * (n_images // len(found) + 1))[:n_images]


def prepare(encoder: Encoder, places: list[Place], number: int) -> np.ndarray | None:
    try:
        return encoder.preprocess(decode(read_range(*places[number]), min_size_px=encoder.size_px).pixels)
    except Exception:  # web images: some are damaged
        return None


def make_encoder(spec: str | None, batch_size: int | None) -> Encoder:
    if spec:
        return load_encoder(spec, trust=True, batch_size=batch_size)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch_encoder("resnet50#random", load_torchvision("resnet50", pretrained=False)[0], device, batch_size)


def run(describer: Describer, places: list[Place], rounds: int, feeds: int) -> None:
    """Bare network and whole path in turns, over the same number of images."""
    encoder = describer.encoder
    pool = single_threaded_pool(encoder.n_streams) if encoder.device == "cpu" else ThreadPoolExecutor(encoder.n_streams)
    n_passes = len(places) // rounds // encoder.batch_size

    def describe(some: list[Place]) -> None:
        describer.describe(partial(prepare, encoder, some), len(some))

    def ours(some: list[Place]) -> None:
        with ThreadPoolExecutor(feeds) as feeders:
            list(feeders.map(describe, [some[feed::feeds] for feed in range(feeds)]))

    def bare(_: list[Place]) -> None:
        list(pool.map(lambda _: encoder.bare(), range(n_passes)))

    spent = {bare: [0.0, 0.0], ours: [0.0, 0.0]}
    for turn in range(-1, rounds):  # the first one warms up
        some = places[turn % rounds :: rounds][: n_passes * encoder.batch_size]
        for work in (bare, ours) if turn % 2 else (ours, bare):
            start, busy = time.perf_counter(), time.process_time()
            work(some)
            if turn >= 0:
                spent[work][0] += time.perf_counter() - start
                spent[work][1] += time.process_time() - busy
            else:
                describer.spent = type(describer.spent)()
    n = describer.spent.n_images
    print(f"one pass at a time, on all processors: {alone(encoder):.1f} images a second")
    print(profile_report(describer, spent[ours][0], n / spent[bare][0]))
    print(f"processor time per image: bare {1e3 * spent[bare][1] / n:.2f} ms, ours {1e3 * spent[ours][1] / n:.2f} ms")


def alone(encoder: Encoder, seconds: float = 5.0) -> float:
    """Images a second of the bare network where every operator may use all processors."""
    encoder.bare()
    start, n = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        encoder.bare()
        n += encoder.batch_size
    return n / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder")
    parser.add_argument("--tars", type=Path)
    for name, default in (("images", 2000), ("rounds", 10), ("feeds", 1), ("decoders", n_processors())):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch-size", type=int)
    asked = parser.parse_args()
    encoder = make_encoder(asked.encoder, asked.batch_size)
    where = torch.cuda.get_device_name() if encoder.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{encoder.name} on {where}, {asked.decoders} decoders")
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(asked.decoders) as decoders:
        if not asked.tars:
            write_tars(Path(made), asked.images)
        run(
            Describer(encoder, decoders), find_images(asked.tars or Path(made), asked.images), asked.rounds, asked.feeds
        )


if __name__ == "__main__":
    main()
