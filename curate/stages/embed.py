"""embed: descriptors of all images, of the corpus and of the evaluation sets."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.schema import table_schema
from curate.stage import Part, ShardStage, Tables, Worker, param
from curate.stages.embed_planted import describe_planted, is_planted, planted_parts
from curate.stages.embed_shared import look_up_shared, shared_state
from curate.stages.eval_images import PLANTS, read_eval_images, read_verified

if TYPE_CHECKING:
    from curate.vision.encoders import Encoder
    from curate.vision.overlap import Describer
    from curate.vision.vectors import KeyedVectors

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 2048
_OUTPUTS = ("embeddings", "eval_embeddings", "planted_embeddings")
_NOTHING = {name: table_schema(name).arrow.empty_table() for name in _OUTPUTS}
# What a worker is fed; eval_set is '' for images of the corpus.
_WORK = pa.schema([
    (name, pa.string()) for name in ("encoder", "eval_set", "id", "view", "key", "path", "sha256")
] + [("byte_offset", pa.int64()), ("byte_length", pa.int64()), ("of_eval", pa.bool_())])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmbedParams:
    """Parameters of embed."""

    encoder: tuple[str, ...] = param(
        ("builtin",),
        help="builtin, file:PATH, sscd:NAME, torchvision:NAME, timm:NAME, open_clip:NAME/TAG or vectors:PATH; "
        "+rmac behind a CNN of torchvision or timm, @sha256:HEX behind what shall be pinned.",
    )
    trust: bool = param(False, help="Run file: and sscd: encoders whose digest is not pinned; they are programs.")
    device: str = param("auto", help="cpu, cuda, or auto: CUDA where there is a device.")
    batch_size: int | None = param(None, help="Images per forward pass; by default few on the CPU, 256 on CUDA.")
    max_pixels: int = param(100_000_000, help="Largest width x height of an image that is decoded.")
    profile: bool = param(False, help="Say how fast it is, beside the bare network, and what it waits for.")
    plants: int = param(PLANTS, help="Copies made of each eval set per kind of change and half, for dedup to find.")


def cut_parts(tables: Tables, params: EmbedParams) -> Iterable[Part]:
    """One part of work for every encoder and part of images or eval_images, and for the copies planted of a set.

    Raises:
        MissingInputError: No such encoder or file.
        UntrustedFileError: A file: encoder that is neither trusted nor pinned.
    """
    from curate.vision.encoders import check_trust, encoder_id
    from curate.vision.specs import split_spec

    for spec in dict.fromkeys(params.encoder):
        check_trust(spec, params.trust)
        name = encoder_id(spec)
        for table in ("images", "eval_images"):
            for part in tables.parts(table):
                depends = {"encoder": name, table: part.digest}
                depends |= shared_state(tables, part.name) if table == "eval_images" else {}
                yield Part(f"{name}/{table}/{part.name}", depends, partial(_load, tables, table, spec, part.path))
        if split_spec(spec)[0] != "vectors":
            yield from planted_parts(tables, spec, name, params.plants)


def _load(tables: Tables, table: str, spec: str, path: Path) -> pa.Table:
    """Rows of one part that have an image, with the path of the file that holds it; eval images in each view."""
    from curate.vision.encoders import views_of
    from curate.vision.specs import split_spec

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
    views = views_of(split_spec(spec)[0]) if of_eval else ("",)
    work = pa.table({
        "encoder": pa.array([spec] * rows.num_rows, pa.string()),
        "eval_set": rows[own] if of_eval else pa.array([""] * rows.num_rows, pa.string()),
        "id": rows[identifier], "key": pc.if_else(again, pa.scalar(None, pa.string()), rows[key]),
        "path": pa.array(paths, pa.string()), "sha256": rows["sha256"],
        "byte_offset": rows["byte_offset"], "byte_length": rows["byte_length"],
        "of_eval": pa.array([of_eval] * rows.num_rows, pa.bool_()),
    })  # fmt: skip
    seen_so = [work.append_column("view", pa.array([view] * rows.num_rows, pa.string())) for view in views]
    return pa.concat_tables(seen_so).select(_WORK.names).cast(_WORK)


def make_worker(tables: Tables, params: EmbedParams) -> Worker:
    """Encoders are loaded when the first part asks for them. Calls may come from several threads."""
    from curate.vision.encoders import encoder_id
    from curate.vision.overlap import n_processors

    decoders = ThreadPoolExecutor(n_processors(), thread_name_prefix="decode")
    load = cache(partial(_load_encoder, params, decoders))
    loading = Lock()

    def work(rows: pa.Table) -> dict[str, pa.Table]:
        if not rows.num_rows:
            return dict(_NOTHING)
        spec = rows["encoder"][0].as_py()
        if shared := look_up_shared(rows, encoder_id(spec)):
            return _results(rows, *shared, encoder_id(spec))
        with loading:
            loaded = load(spec)
        if is_planted(rows):
            images = read_eval_images(tables, rows["eval_set"][0].as_py())
            return _NOTHING | {"planted_embeddings": describe_planted(rows, images, loaded.encoder, decoders)}
        index_N, vectors_ND = loaded.describe(rows)
        return _results(rows, index_N, vectors_ND, encoder_id(spec))

    return work


@dataclass(frozen=True)
class _Loaded:
    """An encoder, None for vectors from elsewhere, and what it makes of rows: which it can describe, and vectors."""

    encoder: Any
    describe: Callable[[pa.Table], tuple[Any, Any]]


def _load_encoder(params: EmbedParams, decoders: ThreadPoolExecutor, spec: str) -> _Loaded:
    from curate.vision.encoders import load_encoder
    from curate.vision.overlap import Describer
    from curate.vision.specs import split_spec
    from curate.vision.vectors import open_vectors

    kind, rest = split_spec(spec)
    if kind == "vectors":
        return _Loaded(None, partial(_look_up, open_vectors(Path(rest)), rest))
    encoder = load_encoder(spec, trust=params.trust, device=params.device, batch_size=params.batch_size)
    describer = Describer(encoder, decoders)
    describe = partial(_describe, describer, params.max_pixels)
    return _Loaded(encoder, _profiled(describer, describe) if params.profile else describe)


def _look_up(vectors: "KeyedVectors", path: str, rows: pa.Table) -> tuple[Any, Any]:
    """Rows whose key the file has, and their vectors."""
    index_N, vectors_ND = vectors.look_up(rows["key"].to_pylist())
    if len(index_N) < rows.num_rows:
        log.warning("%s has no vector for %d of %d images", path, rows.num_rows - len(index_N), rows.num_rows)
    return index_N, vectors_ND


def _describe(describer: "Describer", max_pixels: int, rows: pa.Table) -> tuple[Any, Any]:
    """Rows that could be described, and their vectors."""
    columns = [rows[name].to_pylist() for name in ("path", "byte_offset", "byte_length", "sha256", "view")]
    prepare = partial(_prepare, describer.encoder, max_pixels, list(zip(*columns, strict=True)))
    return describer.describe(prepare, rows.num_rows)


def _profiled(describer: "Describer", describe: Callable[[pa.Table], Any]) -> Callable[[pa.Table], Any]:
    """Says after every call where the time went since the first one, beside the speed of the bare network."""
    from curate.vision.overlap import profile_report

    bare = describer.bare_speed()
    start = perf_counter()

    def profiled(rows: pa.Table) -> Any:
        found = describe(rows)
        elapsed = perf_counter() - start
        log.info("profile of %s: %s", describer.encoder.name, profile_report(describer, elapsed, bare))
        return found

    return profiled


def _prepare(encoder: "Encoder", max_pixels: int, images: list[tuple[str, int, int, str, str]], place: int) -> Any:
    """One image in one view as the encoder takes it; None where it does not decode."""
    from curate.vision.decode import DecodeError, decode
    from curate.vision.encoders import seen

    path, offset, length, digest, view = images[place]
    data = read_verified(path, offset, length, digest)
    try:
        pixels = decode(data, min_size_px=encoder.size_px, max_pixels=max_pixels).pixels
        return encoder.preprocess(seen(pixels, view))
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
    evaluation = pa.table({
        "eval_set": kept["eval_set"], "eval_image_id": kept["id"], "view": kept["view"], **shared,
    }).filter(of_eval)  # fmt: skip
    return _NOTHING | {"embeddings": corpus, "eval_embeddings": evaluation}


STAGE = ShardStage(
    name="embed",
    version=2,
    params=EmbedParams,
    reads=("images", "sources"),
    optional=("eval_images", "eval_sets"),
    writes=_OUTPUTS,
    parts=cut_parts,
    make_worker=make_worker,
    part_params=("max_pixels",),
    pool="device",
    batch_rows=_ROWS_AT_ONCE,
    doc="Compute descriptors of images and eval sets.",
)
