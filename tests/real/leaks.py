"""Leaks with known truth: copies of the webposts evaluation images, and the posts without the leaks that they have.

A folder is laid out once and reused:

    evalset/                 the 600 evaluation images, at another size where one is asked for
    posts/posts-*.tar        the posts that are no copy of an evaluation image, key = uid of the truth
    leaked/leaked.tar        those that are
    planted/TRANSFORM.tar    new copies, key = number; truth in planted/TRANSFORM.parquet: key, eval_image_id,
                             transform, strength, edits
    rare/rare.tar            one planted copy per thousand posts
"""

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.real import leaks_edits, leaks_layouts
from tests.real.leaks_edits import Pixels, Rng, fit, through

EDITS: dict[str, Callable[[Pixels, float, Rng], Pixels]] = {
    "resize": leaks_edits.resize,
    "jpeg": leaks_edits.jpeg,
    "grayscale": leaks_edits.grayscale,
    "border": leaks_layouts.border,
    "flip": leaks_edits.flip,
    "colour": leaks_edits.colour,
    "overlay": leaks_layouts.overlay,
    "screenshot": leaks_layouts.screenshot,
    "blur": leaks_edits.blur,
    "crop": leaks_edits.crop,
    "rotate": leaks_edits.rotate,
}
TRANSFORMS = ("identity", *EDITS, "collage", "chain")
_SAVED_BY_THEMSELVES = ("jpeg", "flip")
_LAST = ("screenshot", "jpeg")

SEED = 20251
"""Of the planted copies; development looked at these, so figures come from another one."""
_TEXTS = ("key", "eval_image_id", "transform", "edits")
_SCHEMA = pa.schema([*((name, pa.string()) for name in _TEXTS), ("strength", pa.float64())])


def half_of(eval_image_id: str) -> str:
    """Which half an evaluation image is in, by its file name."""
    return ("developed", "reported")[crc32(eval_image_id.rsplit("/", 1)[-1].encode()) % 2]


def lay_out(
    folder: Path, webposts: Path, n: int, *, size: int | None = None, n_shards: int = 5, seed: int = SEED
) -> Path:
    """Write whatever the folder lacks.

    Args:
        folder: Where to.
        webposts: The folder of posts, evaluation images and truth.
        n: Planted copies per transform.
        size: Longer side of evaluation images and posts in pixels; None = as they are.
        n_shards: Tars of posts that are taken.
        seed: Of the planted copies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    evalset = _evalset(folder / "evalset", webposts / "evalset", size)
    _posts(folder, webposts, size, n_shards)
    pictures = {p.relative_to(evalset).as_posix(): p for p in sorted(evalset.rglob("*.jpg"))}
    (folder / "planted").mkdir(exist_ok=True)
    for number, transform in enumerate(TRANSFORMS):
        out = folder / "planted" / f"{transform}.tar"
        if not out.exists():
            plant(out, transform, pictures, n, first_key=(900 + number) * 1_000_000, seed=seed)
    if not (folder / "rare/rare.tar").exists():
        _rare(folder, n_shards)
    return folder


def plant(out: Path, transform: str, pictures: dict[str, Path], n: int, first_key: int, seed: int = SEED) -> None:
    """Write a tar of n copies, beside it the truth; strengths are uniform, images are drawn without repeat."""
    rng = np.random.default_rng([seed, crc32(transform.encode())])
    names = sorted(pictures)
    order = [names[i] for i in rng.permutation(len(names))]
    rows: list[dict[str, Any]] = []

    def members() -> Iterator[tuple[str, bytes]]:
        for number in range(n):
            key, own = f"{first_key + number:09d}", np.random.default_rng([seed, crc32(transform.encode()), number])
            strength = float(own.random())
            n_tiles = leaks_layouts.tiles_of(strength) if transform == "collage" else 1
            chosen = [order[(number + 97 * i) % len(order)] for i in range(n_tiles)]
            name, data, edits = copy_of([pictures[c] for c in chosen], transform, strength, own)
            rows.extend(
                {"key": key, "eval_image_id": c, "transform": transform, "strength": strength, "edits": edits}
                for c in chosen
            )
            yield f"{key}.{name}", data

    _write_tar(out, members())
    pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), out.with_suffix(".parquet"))


def copy_of(paths: list[Path], transform: str, strength: float, rng: Rng) -> tuple[str, bytes, str]:
    """One copy: how its file name ends, its bytes, and the edits it went through."""
    if transform == "identity":
        return _same_pixels(paths[0], rng)
    pictures = [read(path) for path in paths]
    if transform == "collage":
        return *_saved(leaks_layouts.collage(pictures, strength, rng), transform, rng), f"{len(paths)} tiles"
    if transform != "chain":
        return *_saved(EDITS[transform](pictures[0], strength, rng), transform, rng), transform
    chosen = rng.choice(list(EDITS), int(rng.integers(2, 5)), replace=False).tolist()
    chosen.sort(key=lambda name: name in _LAST)
    picture = pictures[0]
    for name in chosen:
        picture = EDITS[name](picture, 0.7 * float(rng.random()), rng)
    return *_saved(picture, chosen[-1], rng), "+".join(chosen)


def read(path: Path) -> Pixels:
    """The picture of a file, RGB."""
    return np.asarray(Image.open(path).convert("RGB"))


def _same_pixels(path: Path, rng: Rng) -> tuple[str, bytes, str]:
    """The same bytes, the same JPEG with a comment, or its pixels in a format that loses nothing."""
    data, how = path.read_bytes(), ("bytes", "comment", "png", "webp")[int(rng.integers(4))]
    if how == "bytes":
        return "jpg", data, how
    if how == "comment":
        note = b"saved by phone"
        return "jpg", data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:], how
    options: dict[str, Any] = {"lossless": True, "exact": True} if how == "webp" else {}
    return how, _encoded(read(path), how.upper(), **options), how


def _saved(picture: Pixels, last: str, rng: Rng) -> tuple[str, bytes]:
    """In the file format of some program; a third went through a lossy WebP or another JPEG before."""
    if last in _SAVED_BY_THEMSELVES:
        return "jpg", _encoded(picture, "JPEG", quality=95)
    if rng.random() < 1 / 3:
        kind = "WEBP" if rng.random() < 0.5 else "JPEG"
        picture = through(picture, kind, quality=int(rng.integers(60, 96)))
    kind, quality = rng.choice(["JPEG", "WEBP", "PNG"], p=[0.85, 0.1, 0.05]), int(rng.integers(70, 96))
    if kind == "PNG":
        return "png", _encoded(picture, "PNG")
    if kind == "JPEG" and rng.random() < 0.5:
        code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return "jpg", code[1].tobytes()
    return ("jpg" if kind == "JPEG" else "webp"), _encoded(picture, str(kind), quality=quality)


def _encoded(picture: Pixels, kind: str, **options: Any) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, kind, **options)
        return file.getvalue()


def _evalset(out: Path, source: Path, size: int | None) -> Path:
    if out.exists():
        return out
    if size is None:
        out.symlink_to(source)
        return out
    partial = out.with_name("evalset.partial")
    for path in sorted(source.rglob("*.jpg")):
        target = partial / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_at_size(path.read_bytes(), size))
    return partial.rename(out)


def _at_size(data: bytes, size: int) -> bytes:
    """The JPEG with its longer side so many pixels long; what cannot be read stays as it is."""
    try:
        picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return data
    factor = size / max(picture.shape[:2])
    rng = np.random.default_rng(crc32(data))
    return _encoded(fit(picture, picture.shape[1] * factor, picture.shape[0] * factor, rng), "JPEG", quality=92)


def _posts(folder: Path, webposts: Path, size: int | None, n_shards: int) -> None:
    """The posts by uid, leaks apart from the others."""
    if (folder / "leaked/leaked.tar").exists():
        return
    rows = duckdb.execute(
        "SELECT shard, uid, eval_file IS NOT NULL OR key IN (SELECT key FROM read_csv($2, all_varchar = true)) "
        "FROM read_parquet($1) WHERE shard < $3 ORDER BY shard, uid",
        [str(webposts / "truth/images.parquet"), str(webposts / "truth/extra_copies.csv"), n_shards],
    ).fetchall()
    (folder / "posts").mkdir(exist_ok=True)
    (folder / "leaked").mkdir(exist_ok=True)
    leaked: list[tuple[str, bytes]] = []
    for shard in range(n_shards):
        own = [(f"{uid:09d}", leak) for s, uid, leak in rows if s == shard]
        kept: list[tuple[str, bytes]] = []
        for number, members in enumerate(_records(webposts / f"corpus/shard-{shard:05d}.tar")):
            uid, leak = own[number]
            for extension, data in members:
                resized = _at_size(data, size) if size and extension == "jpg" else data
                (leaked if leak else kept).append((f"{uid}.{extension}", resized))
        _write_tar(folder / f"posts/posts-{shard}.tar", kept)
    _write_tar(folder / "leaked/leaked.tar", leaked)


def _records(path: Path) -> Iterator[list[tuple[str, bytes]]]:
    """Members of a tar that stand together under one key; a repeated extension begins the next record."""
    key, members = "", list[tuple[str, bytes]]()
    with tarfile.open(path) as tar:
        for info in tar:
            stem, _, extension = info.name.partition(".")
            file = tar.extractfile(info)
            if members and (stem != key or extension in [e for e, _ in members]):
                yield members
                members = []
            key = stem
            members.append((extension, file.read() if file else b""))
    yield members


def _rare(folder: Path, n_shards: int) -> None:
    """One of the planted copies for every thousand posts, each of another kind."""
    (folder / "rare").mkdir(exist_ok=True)
    rng = np.random.default_rng(n_shards)
    tars = [folder / "planted" / f"{name}.tar" for name in rng.permutation(TRANSFORMS)[: max(round(0.9 * n_shards), 1)]]
    chosen: list[tuple[str, bytes]] = []
    for path in tars:
        with tarfile.open(path) as tar:
            infos = tar.getmembers()
            info = infos[int(rng.integers(len(infos)))]
            file = tar.extractfile(info)
            chosen.append((info.name, file.read() if file else b""))
    _write_tar(folder / "rare/rare.tar", chosen)


def _write_tar(out: Path, members: Iterable[tuple[str, bytes]]) -> None:
    partial = out.with_suffix(".partial")
    with tarfile.open(partial, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    partial.rename(out)
