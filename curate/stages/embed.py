"""embed: descriptors of all images, of the corpus and of the evaluation sets."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InputError
from curate.stage import Part, ShardStage, Tables, Worker, param

if TYPE_CHECKING:
    from curate.vision.encoders import Encoder

log = logging.getLogger(__name__)

_DECODE_THREADS = 8
_ROWS_AT_ONCE = 512
# What a worker is fed; eval_set is '' for images of the corpus.
_WORK = pa.schema([
    (name, pa.string()) for name in ("encoder", "eval_set", "id", "key", "path", "sha256")
] + [("byte_offset", pa.int64()), ("byte_length", pa.int64()), ("of_eval", pa.bool_())])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmbedParams:
    """Parameters of embed."""

    encoder: tuple[str, ...] = param(
        ("builtin",), help="builtin, file:PATH, torchvision:NAME, timm:NAME, open_clip:NAME/TAG or vectors:PATH."
    )
    trust: bool = param(False, help="Run file: encoders whose digest is not pinned; they are programs.")
    device: str = param("auto", help="cpu, cuda, or auto: CUDA where there is a device.")
    batch_size: int | None = param(None, help="Images per forward pass; by default 16 on the CPU, 256 on CUDA.")
    max_pixels: int = param(100_000_000, help="Largest width x height of an image that is decoded.")


def cut_parts(tables: Tables, params: EmbedParams) -> Iterable[Part]:
    """One part of work for every encoder and part of images or eval_images.

    Raises:
        MissingInputError: No such encoder or file.
        UntrustedFileError: A file: encoder that is neither trusted nor pinned.
    """
    from curate.vision.encoders import check_trust, encoder_id

    for spec in dict.fromkeys(params.encoder):
        check_trust(spec, params.trust)
        name = encoder_id(spec)
        for table in ("images", "eval_images"):
            for part in tables.parts(table):
                depends = {"encoder": name, table: part.digest}
                yield Part(f"{name}/{table}/{part.name}", depends, partial(_load, tables, table, spec, part.path))


def _load(tables: Tables, table: str, spec: str, path: Path) -> pa.Table:
    """Rows of one part that have an image, with the path of the file that holds it."""
    of_eval = table == "eval_images"
    own, identifier, home = ("eval_set", "eval_image_id", "eval_sets") if of_eval else ("source", "image_id", "sources")
    key = identifier if of_eval else "key"
    columns = list(dict.fromkeys([own, identifier, key, "uri", "byte_offset", "byte_length", "sha256", "status"]))
    if not of_eval:
        columns.append("occurrence")
    rows = pq.read_table(path, columns=columns)
    rows = rows.filter(pc.equal(rows["status"], "ok"))
    homes = tables.arrow(home, [own, "root"])
    roots = dict(zip(homes[own].to_pylist(), homes["root"].to_pylist(), strict=True))
    owners, uris = rows[own].to_pylist(), rows["uri"].to_pylist()
    paths = [str(Path(roots[owner], uri)) for owner, uri in zip(owners, uris, strict=True)]
    # A key that comes back names another image: vectors joined by key belong to the first one only.
    again = pa.array([False] * rows.num_rows) if of_eval else pc.greater(rows["occurrence"], 0)
    return pa.table({
        "encoder": pa.array([spec] * rows.num_rows, pa.string()),
        "eval_set": rows[own] if of_eval else pa.array([""] * rows.num_rows, pa.string()),
        "id": rows[identifier], "key": pc.if_else(again, pa.scalar(None, pa.string()), rows[key]),
        "path": pa.array(paths, pa.string()), "sha256": rows["sha256"],
        "byte_offset": rows["byte_offset"], "byte_length": rows["byte_length"],
        "of_eval": pa.array([of_eval] * rows.num_rows, pa.bool_()),
    }).cast(_WORK)  # fmt: skip


def make_worker(_tables: Tables, params: EmbedParams) -> Worker:
    """Encoders are loaded when the first part asks for them."""
    from curate.vision.encoders import encoder_id, load_encoder, split_spec
    from curate.vision.vectors import read_vectors

    threads = ThreadPoolExecutor(_DECODE_THREADS, thread_name_prefix="decode")
    loaded: dict[str, Callable[[pa.Table], tuple[Any, Any]]] = {}

    def describer(spec: str) -> Callable[[pa.Table], tuple[Any, Any]]:
        kind, rest = split_spec(spec)
        if kind == "vectors":
            return partial(_look_up, read_vectors(Path(rest)), rest)
        encoder = load_encoder(spec, trust=params.trust, device=params.device, batch_size=params.batch_size)
        return partial(_encode, encoder, threads, params.max_pixels)

    def work(rows: pa.Table) -> dict[str, pa.Table]:
        if not rows.num_rows:
            return _results(rows, np.zeros(0, np.intp), np.zeros((0, 1), np.float32), "")
        spec = rows["encoder"][0].as_py()
        if spec not in loaded:
            loaded[spec] = describer(spec)
        index_N, vectors_ND = loaded[spec](rows)
        return _results(rows, index_N, vectors_ND, encoder_id(spec))

    return work


def _look_up(vectors: Any, path: str, rows: pa.Table) -> tuple[Any, Any]:
    """Rows whose key the file has, and their vectors."""
    found = [(i, vectors.row[key]) for i, key in enumerate(rows["key"].to_pylist()) if key in vectors.row]
    if len(found) < rows.num_rows:
        log.warning("%s has no vector for %d of %d images", path, rows.num_rows - len(found), rows.num_rows)
    index_N, row_N = np.array(found, np.intp).reshape(-1, 2).T
    return index_N, vectors.vectors[row_N]


def _encode(encoder: "Encoder", threads: ThreadPoolExecutor, max_pixels: int, rows: pa.Table) -> tuple[Any, Any]:
    """Rows that could be described, and their vectors; the next images are decoded while the network runs."""
    columns = [rows[name].to_pylist() for name in ("path", "byte_offset", "byte_length", "sha256")]
    prepare = partial(_prepare, encoder, max_pixels)
    step = encoder.batch_size
    index_N: list[int] = []
    vectors: list[Any] = []
    for start, prepared in _ahead(threads, prepare, list(zip(*columns, strict=True)), step):
        good = [i for i, image in enumerate(prepared) if image is not None]
        if good:
            rows_ND = encoder.encode(np.stack([prepared[i] for i in good]))
            index_N.extend(start + i for i in good)
            vectors.append(rows_ND)
    vectors_ND = np.concatenate(vectors) if vectors else np.zeros((0, encoder.dim), np.float32)
    usable_N = np.any(vectors_ND, axis=1)
    if not np.all(usable_N):
        log.warning("%s gave %d images no usable vector", encoder.name, np.count_nonzero(~usable_N))
    return np.array(index_N, np.intp)[usable_N], vectors_ND[usable_N]


def _ahead(
    threads: ThreadPoolExecutor, prepare: Callable[..., Any], images: list[tuple[Any, ...]], step: int
) -> Iterator[tuple[int, list[Any]]]:
    """Batches of prepared images, with the place of the first; one batch is prepared ahead."""
    following: list[Future[Any]] = [threads.submit(prepare, *image) for image in images[:step]]
    for start in range(0, len(images), step):
        current = following
        following = [threads.submit(prepare, *image) for image in images[start + step : start + 2 * step]]
        try:
            yield start, [future.result() for future in current]
        except BaseException:
            for future in following:
                future.cancel()
            raise


def _prepare(encoder: "Encoder", max_pixels: int, path: str, offset: int, length: int, digest: str) -> Any:
    """One image as the encoder takes it; None where it does not decode."""
    from curate.vision.decode import DecodeError, decode, read_range

    data = read_range(path, offset, length)
    if sha256(data).hexdigest() != digest:
        where = f"{path}, {length} bytes from byte {offset}"
        raise InputError("the bytes are not those that were ingested", where=where, fix="Ingest the source again.")
    try:
        return encoder.preprocess(decode(data, min_size_px=encoder.size_px, max_pixels=max_pixels).pixels)
    except DecodeError as error:
        log.warning("no embedding for %s, %d bytes from byte %d: %s", path, length, offset, error)
        return None


def _results(rows: pa.Table, index_N: Any, vectors_ND: Any, encoder: str) -> dict[str, pa.Table]:
    """The rows of both tables; one of them stays empty."""
    kept = rows.take(pa.array(index_N))
    halves = np.ascontiguousarray(vectors_ND, dtype=np.float16)
    offsets = pa.array(np.arange(len(halves) + 1) * halves.shape[1], pa.int32())
    shared = {
        "encoder": pa.array([encoder] * kept.num_rows, pa.string()),
        "vector": pa.ListArray.from_arrays(offsets, pa.array(halves.ravel(), pa.float16())),
        "sha256": kept["sha256"],
    }
    of_eval = kept["of_eval"]
    corpus = pa.table({"image_id": kept["id"], **shared}).filter(pc.invert(of_eval))
    evaluation = pa.table({"eval_set": kept["eval_set"], "eval_image_id": kept["id"], **shared}).filter(of_eval)
    return {"embeddings": corpus, "eval_embeddings": evaluation}


STAGE = ShardStage(
    name="embed",
    version=1,
    params=EmbedParams,
    reads=("images", "sources"),
    optional=("eval_images", "eval_sets"),
    writes=("embeddings", "eval_embeddings"),
    parts=cut_parts,
    make_worker=make_worker,
    part_params=("max_pixels",),
    pool="device",
    batch_rows=_ROWS_AT_ONCE,
    doc="Compute descriptors of images and eval sets.",
)
