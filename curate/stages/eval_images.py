"""Evaluation sets as embed and dedup need them: where their images lie, and the copies planted of them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import InputError, MissingInputError
from curate.stage import StoredPart, Tables

log = logging.getLogger(__name__)

PLANTS = 40
"""Copies planted per kind of change and half, where nobody says otherwise."""

_COLUMNS = ("eval_image_id", "uri", "byte_offset", "byte_length", "sha256", "phash")


@dataclass(frozen=True)
class EvalImages:
    """The undamaged images of one eval set, sorted by id.

    Attributes:
        name: Of the set.
        ids: Their eval_image_id.
        paths: The files that hold them; '' where only vectors are shared.
        offsets: First byte of each.
        lengths: Bytes of each.
        digests: SHA-256 of each.
        codes: Perceptual hashes, 0 where there is none; uint64.
    """

    name: str
    ids: list[str]
    paths: list[str]
    offsets: list[int]
    lengths: list[int]
    digests: list[str]
    codes: Any


def read_eval_images(tables: Tables, name: str) -> EvalImages:
    """One eval set.

    Args:
        tables: eval_images and eval_sets.
        name: Its name.
    """
    import numpy as np

    images = tables.arrow("eval_images", ["eval_set", "status", *_COLUMNS])
    images = images.filter(pc.and_(pc.equal(images["eval_set"], name), pc.equal(images["status"], "ok")))
    images = images.sort_by("eval_image_id")
    sets = tables.arrow("eval_sets", ["eval_set", "root"])
    root = dict(zip(sets["eval_set"].to_pylist(), sets["root"].to_pylist(), strict=True)).get(name, "")
    paths = [str(Path(root, uri)) if uri else "" for uri in images["uri"].to_pylist()]
    codes = images["phash"].fill_null(0).to_numpy().astype(np.uint64)
    ids, _, offsets, lengths, digests, _ = (images[column].to_pylist() for column in _COLUMNS)
    return EvalImages(name, ids, paths, offsets, lengths, digests, codes)


def parts_of_set(parts: Iterable[StoredPart], name: str, known: Iterable[str], prefix: str = "") -> list[StoredPart]:
    """The parts of a table that may hold rows of one eval set.

    add-evalset names its parts SET/…, embed PREFIX/SET/…. A part that is named otherwise may belong to any set.

    Args:
        parts: Of eval_images or a table made from it.
        name: The set.
        known: All sets.
        prefix: What stands before the set's name.
    """
    others = tuple(f"{prefix}{other}/" for other in known if other != name)
    return [part for part in parts if part.n_rows and not part.name.startswith(others)]


def read_verified(path: str, offset: int, length: int, digest: str) -> bytes:
    """The bytes of an image, and no others.

    Raises:
        MissingInputError: They are not there any more.
        InputError: They have changed since they were ingested.
    """
    from curate.vision.decode import read_range

    data = read_range(path, offset, length)
    if sha256(data).hexdigest() != digest:
        where = f"{path}, {length} bytes from byte {offset}"
        raise InputError("the bytes are not those that were ingested", where=where, fix="Ingest the source again.")
    return data


def plan_of(images: EvalImages, n_per_kind: int) -> pa.Table:
    """Copies to be planted of the images of a set whose files are known: eval_image_id, transform, half, strength."""
    from curate.vision.planting import plan_plants

    plants = [plant for plant in plan_plants(images.ids, n_per_kind) if images.paths[plant.image]]
    return pa.table({
        "eval_image_id": pa.array([images.ids[plant.image] for plant in plants], pa.string()),
        "transform": pa.array([plant.transform for plant in plants], pa.string()),
        "half": pa.array([plant.half for plant in plants], pa.string()),
        "strength": pa.array([plant.strength for plant in plants], pa.float64()),
    })  # fmt: skip


def planted_copy(images: EvalImages, place: int, transform: str, strength: float) -> bytes | None:
    """A planted copy as a file; None where the images of the set cannot be read.

    Args:
        images: The set.
        place: Which image of it is copied.
        transform: Kind of change, see vision/planting.py.
        strength: In [0, 1].
    """
    from curate.vision.planting import plant_copy

    try:
        own = eval_pixels(images, place)
        other = eval_pixels(images, (place + 1) % len(images.ids)) if transform == "collage" else own
    except MissingInputError as error:
        log.warning("eval set %s: %s", images.name, error)
        return None
    return plant_copy(own, transform, strength, images.digests[place], other)


def eval_pixels(images: EvalImages, place: int, min_size_px: int | None = None) -> Any:
    """Pixels of one image of a set, uint8 H × W × 3.

    Raises:
        MissingInputError: Its file is not there, or the set was shared without its images.
    """
    from curate.vision.decode import decode

    if not images.paths[place]:
        raise MissingInputError("the set was shared without its images", where=f"eval set {images.name}")
    data = read_verified(images.paths[place], images.offsets[place], images.lengths[place], images.digests[place])
    # The bytes were accepted when the set was added: no limit is needed again.
    return decode(data, min_size_px=min_size_px, max_pixels=1 << 62).pixels


def missing_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table in the order of a schema, columns that it lacks as NULL."""
    columns = [table[f.name] if f.name in table.column_names else pa.nulls(table.num_rows, f.type) for f in schema]
    return pa.table(columns, names=schema.names).cast(schema)
