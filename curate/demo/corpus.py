"""Writes the demo's corpus: tars of posts as img2dataset makes them, an evaluation set, classes, and the truth."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from curate.demo.copies import copy, damage_image, damage_json, encode
from curate.demo.pictures import draw
from curate.demo.posts import FULL, SMALL, Post, label_space, plan_posts
from curate.demo.truth import write_truth
from curate.demo.vocabulary import Concept
from curate.demo.wording import wording
from curate.vision.phash import phash, shrink

_APART = 10
"""Bits of perceptual hash by which pictures of different posts differ at least."""


@dataclass(frozen=True)
class DemoCorpus:
    """Where the generated files lie.

    Attributes:
        posts: Folder of tars.
        evalset: Image folder, one folder per wnid.
        truth: Folder of Parquet files: posts, pairs, leaks, classes.
        classes: CSV of wnid and name: the label space.
        n_posts: Number of posts, damaged ones included.
        n_eval_images: Number of evaluation images.
    """

    posts: Path
    evalset: Path
    truth: Path
    classes: Path
    n_posts: int
    n_eval_images: int


def generate(folder: Path, *, tiny: bool = False, seed: int = 0) -> DemoCorpus:
    """Generates a small web corpus whose truth is known.

    Args:
        folder: Where to write: new, or left by an earlier call of the same kind. Files that are there already with
            the same bytes are not touched.
        tiny: A twelfth of the size, with half of the classes.
        seed: Same seed, same bytes (on one machine and with one version of numpy and Pillow).

    Returns:
        Where everything lies.
    """
    concepts, sizes = label_space(tiny), SMALL if tiny else FULL
    corpus = DemoCorpus(
        folder / "posts", folder / "evalset", folder / "truth", folder / "classes.csv", sizes.posts, sizes.eval_images
    )
    eval_classes = [concepts[index % len(concepts)].wnid for index in range(sizes.eval_images)]
    posts = plan_posts(concepts, eval_classes, sizes, seed)
    eval_pictures, pictures = _draw_all(eval_classes, posts, seed)
    _write_evalset(corpus.evalset, eval_classes, eval_pictures)
    keyed = {_key(place, len(posts), sizes.shards): post for place, post in enumerate(posts)}
    files = {key: _picture(post, pictures, eval_pictures, seed) for key, post in keyed.items()}
    _write_shards(corpus.posts, keyed, files, seed)
    write_truth(corpus.truth, concepts, keyed, [_eval_id(*pair) for pair in enumerate(eval_classes)])
    _write_classes(corpus.classes, concepts)
    return corpus


def _key(place: int, count: int, shards: int) -> str:
    """Key as img2dataset gives it: five digits of shard, four of position."""
    per_shard = -(-count // shards)
    return f"{place // per_shard:05d}{place % per_shard:04d}"


def _eval_id(number: int, wnid: str) -> str:
    return f"{wnid}/eval_{number:05d}"


def _draw_all(eval_classes: list[str], posts: list[Post], seed: int) -> tuple[list[bytes], dict[int, bytes]]:
    """JPEG bytes of the evaluation images, and of all posts that are no copies by their number."""
    gallery = _Gallery(len(eval_classes) + len(posts))
    eval_pictures = [gallery.new(wnid, (seed, 2, number)) for number, wnid in enumerate(eval_classes)]
    originals = sorted((post for post in posts if not post.transform), key=lambda post: post.number)
    return eval_pictures, {post.number: gallery.new(post.shows, (seed, 3, post.number)) for post in originals}


class _Gallery:
    """Draws pictures and redraws those that look like an earlier one, mirrored or not."""

    def __init__(self, capacity: int) -> None:
        self._hashes = np.zeros(capacity, np.uint64)
        self._count = 0

    def new(self, wnid: str | None, seed: tuple[int, ...]) -> bytes:
        for attempt in range(100):
            pixels = draw(wnid, (*seed, attempt))
            hashes = _hashes(pixels)
            seen = self._hashes[: self._count]
            if not any((np.bitwise_count(seen ^ value) < _APART).any() for value in hashes):
                break
        self._hashes[self._count] = hashes[0]
        self._count += 1
        return encode(pixels, int(np.random.default_rng((*seed, 9)).integers(80, 94)))


def _hashes(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Perceptual hashes of a picture and of its mirror image."""
    small = shrink(np.asarray(Image.fromarray(pixels).convert("L")))
    return phash(np.stack([small, small[:, ::-1]]))


def _picture(post: Post, pictures: dict[int, bytes], eval_pictures: list[bytes], seed: int) -> bytes | None:
    """The image file of a post; None where it has none."""
    if post.transform:
        original = eval_pictures[post.origin] if post.kind == "leak" else pictures[post.origin]
        return copy(original, post.transform, np.random.default_rng((seed, 4, post.number)))
    return damage_image(pictures[post.number], post.damage)


def _write_evalset(folder: Path, eval_classes: list[str], pictures: list[bytes]) -> None:
    for number, (wnid, data) in enumerate(zip(eval_classes, pictures, strict=True)):
        _write(folder / f"{_eval_id(number, wnid)}.jpg", data)


def _write_shards(folder: Path, posts: dict[str, Post], files: dict[str, bytes | None], seed: int) -> None:
    for shard in sorted({key[:5] for key in posts}):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for key, post in posts.items():
                if key[:5] == shard:
                    for ending, data in _members(key, post, files[key], seed):
                        member = tarfile.TarInfo(f"{key}.{ending}")
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
        _write(folder / f"{shard}.tar", buffer.getvalue())


def _members(key: str, post: Post, picture: bytes | None, seed: int) -> Iterator[tuple[str, bytes]]:
    """The files of one post, by their ending."""
    rng = np.random.default_rng((seed, 5, post.number))
    texts = wording(post, rng)
    address = hashlib.sha256(f"{seed}/{post.number}".encode()).hexdigest()[:16]
    width, height = _size(picture)
    record = {
        "key": key,
        "url": f"https://img.example/{post.user.platform}/{address}.jpg",
        "source": post.user.platform,
        "user": post.user.name,
        **texts,
        "width": width,
        "height": height,
        "sha256": hashlib.sha256(picture or b"").hexdigest(),
    }
    if picture is not None:
        yield "jpg", picture
    yield "txt", (texts.get("caption") or texts.get("title") or "").encode()
    metadata = damage_json(json.dumps(record, ensure_ascii=False).encode(), post.damage)
    if metadata is not None:
        yield "json", metadata


def _size(picture: bytes | None) -> tuple[int, int]:
    try:
        return Image.open(io.BytesIO(picture or b"")).size
    except OSError:
        return 0, 0


def _write_classes(path: Path, concepts: tuple[Concept, ...]) -> None:
    lines = ["wnid,name", *(f"{concept.wnid},{concept.name}" for concept in concepts)]
    _write(path, ("\n".join(lines) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    """Writes a file unless it is there already: what was ingested from it stays valid."""
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
