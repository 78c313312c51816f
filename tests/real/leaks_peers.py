"""The same images through what people use today: perceptual hashes and a bare cosine."""

import io
import subprocess
import time
from pathlib import Path

import duckdb
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Best = dict[str, list[tuple[str, float]]]
_FILES = """
SELECT i.image_id, s.root || '/' || i.uri, i.byte_offset, i.byte_length
FROM images AS i JOIN sources AS s USING (source) WHERE status = 'ok' ORDER BY 2, 3
"""
_EVAL_FILES = """
SELECT i.eval_image_id, s.root || '/' || i.uri, i.byte_offset, i.byte_length FROM eval_images AS i
JOIN eval_sets AS s USING (eval_set) WHERE status = 'ok' ORDER BY 1
"""
_IMAGEDEDUP = """
import sys, time, numpy as np
from curate.vision.torchvision_ops import load_torchvision
load_torchvision()
from imagededup.methods import PHash
hasher, file = PHash(verbose=False), np.load(sys.argv[1])
pictures = [file[name] for name in file.files]
started = time.process_time()
codes = [hasher.encode_image(image_array=picture) for picture in pictures]
print(time.process_time() - started, *codes)
"""


def pictures(con: duckdb.DuckDBPyConnection, question: str) -> list[tuple[str, NDArray[np.uint8]]]:
    """Every readable picture with its id; question is one of the two above."""
    found = []
    for identifier, path, offset, length in con.execute(question).fetchall():
        with Path(path).open("rb") as file:
            file.seek(offset or 0)
            data = file.read(length if length is not None else -1)
        found.append((identifier, np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))))
    return found


def imagehash_codes(images: list[tuple[str, NDArray[np.uint8]]]) -> tuple[NDArray[np.uint64], float]:
    """imagehash.phash of each, 64 bits, and the processor time that it took."""
    started = time.process_time()
    codes = [int(str(imagehash.phash(Image.fromarray(picture))), 16) for _, picture in images]
    return np.array(codes, np.uint64), time.process_time() - started


def imagededup_codes(
    images: list[tuple[str, NDArray[np.uint8]]], python: str, folder: Path
) -> tuple[NDArray[np.uint64], float]:
    """imagededup's PHash of each, by an interpreter that has it, and the processor time that it took."""
    file = folder / "pictures.npz"
    np.savez(file, **{f"{number:06d}": picture for number, (_, picture) in enumerate(images)})
    command = [python, "-W", "ignore", "-c", _IMAGEDEDUP, str(file)]
    spent, *codes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    file.unlink()
    return np.array([int(code, 16) for code in codes], np.uint64), float(spent)


def nearest_codes(ids: list[str], codes: NDArray[np.uint64], names: list[str], index: NDArray[np.uint64]) -> Best:
    """The three nearest evaluation images of each image by Hamming distance; the score is 64 less the distance."""
    distances = np.bitwise_count(codes[:, None] ^ index[None]).astype(np.int64)
    return _nearest(ids, 64.0 - distances, names)


def nearest_vectors(con: duckdb.DuckDBPyConnection) -> Best:
    """Likewise by the cosine of the workspace's descriptors, evaluation images as they are."""
    rows = con.execute("SELECT image_id, vector FROM embeddings ORDER BY image_id").fetchnumpy()
    own = con.execute("SELECT eval_image_id, vector FROM eval_embeddings WHERE view = '' ORDER BY 1").fetchnumpy()
    cosines = np.stack(rows["vector"]) @ np.stack(own["vector"]).T
    return _nearest(list(rows["image_id"]), cosines, list(own["eval_image_id"]))


def best_by_score(con: duckdb.DuckDBPyConnection) -> Best:
    """Likewise by the score of the workspace's own comparison; equal bytes come first."""
    best: Best = {}
    for image, name, score in con.execute(
        "SELECT image_id, eval_image_id, CASE WHEN same_bytes THEN 1e9 ELSE score END AS s FROM duplicate_candidates "
        "WHERE s IS NOT NULL ORDER BY image_id, s DESC, eval_image_id"
    ).fetchall():
        best.setdefault(image, []).append((name, score))
    return best


def _nearest(ids: list[str], scores: NDArray[np.float64], names: list[str]) -> Best:
    tops = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    return {image: [(names[j], float(scores[i, j])) for j in tops[i]] for i, image in enumerate(ids)}


def hashes(con: duckdb.DuckDBPyConnection, peer_python: str | None, folder: Path) -> dict[str, tuple[Best, float]]:
    """By name of a method: the nearest evaluation images, and images hashed per second of processor time, undecoded."""
    corpus, own = pictures(con, _FILES), pictures(con, _EVAL_FILES)
    both, ids, names = corpus + own, [i for i, _ in corpus], [i for i, _ in own]
    coded = {"imagehash phash": imagehash_codes(both)}
    if peer_python:
        coded["imagededup PHash"] = imagededup_codes(both, peer_python, folder)
    return {
        name: (nearest_codes(ids, codes[: len(ids)], names, codes[len(ids) :]), len(both) / max(spent, 1e-9))
        for name, (codes, spent) in coded.items()
    }
