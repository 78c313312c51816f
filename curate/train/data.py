"""From manifest rows to batches of pixels and targets."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from curate.errors import InputError, TrainingError
from curate.train.augment import Pixels, crop_box, flip, shift
from curate.train.loss import soft_targets
from curate.train.manifest import Manifest, from_tables, open_manifest
from curate.train.recipe import TrainRecipe
from curate.train.sampler import AREA, ASPECT, FLIP, SHIFT_X, SHIFT_Y, Batch, image_words, uniform
from curate.vision.decode import decode, read_range

__all__ = ["Manifest", "ManifestDataset", "TrainingImages", "from_tables", "load_ahead", "open_manifest", "read_square"]

CACHE_BYTES = 2**30
"""Decoded images are kept in memory when all of them fit into so much."""

_AHEAD = 2  # batches prepared while one is trained on


def read_square(path: Path, offset: int, length: int, size_px: int, share: float = 1.0) -> Pixels:
    """Read an image as a square: its centre, scaled.

    Args:
        path: File that holds the bytes.
        offset: First byte.
        length: Number of bytes.
        size_px: S.
        share: Side of the centre square as a share of the image's short side.

    Returns:
        (S, S, 3) uint8 RGB.

    Raises:
        InputError: The bytes cannot be read, or are no image.
    """
    pixels = decode(read_range(path, offset, length), min_size_px=int(size_px / share + 0.5)).pixels
    height, width = pixels.shape[:2]
    side = min(height, width) * share
    left, top = (width - side) / 2, (height - side) / 2
    return _resized(pixels, (left, top, left + side, top + side), size_px)


def _resized(pixels: Pixels, box: tuple[float, float, float, float], size_px: int) -> Pixels:
    scaled = Image.fromarray(pixels).resize((size_px, size_px), Image.Resampling.BILINEAR, box)
    return np.asarray(scaled, dtype=np.uint8)


class ManifestDataset(Dataset[tuple[Any, Tensor]]):
    """A manifest as a torch dataset: image and soft target of each row, in the order of image_id.

    Works with any DataLoader and sampler. The target holds 1/k times its weight for each of an image's k labels, as
    `torch.nn.functional.cross_entropy` takes it.

    Args:
        manifest: The manifest.
        image_size_px: S.
        transform: Called with the (3, S, S) uint8 tensor; its result takes the image's place.

    Raises:
        InputError: On access, for an image that cannot be read; names image_id and file.
    """

    def __init__(
        self, manifest: Manifest, image_size_px: int = 224, transform: Callable[[Tensor], Any] | None = None
    ) -> None:
        self.manifest = manifest
        self.image_size_px = image_size_px
        self.transform = transform

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> tuple[Any, Tensor]:
        row = self.manifest.rows.slice(range(len(self))[index], 1).to_pylist()[0]
        path = self.manifest.roots[row["source"]] / row["uri"]
        try:
            pixels = read_square(path, row["byte_offset"], row["byte_length"], self.image_size_px)
        except InputError as error:
            raise InputError(str(error), where=f"image {row['image_id']} in {path}") from error
        image = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        target = soft_targets([row["class_ids"]], [row["label_weights"]], self.manifest.classes.num_rows)[0]
        return (self.transform(image) if self.transform else image), target


@dataclass(frozen=True)
class LoadedBatch:
    """What one step trains on.

    Attributes:
        images: (B, 3, S, S) uint8, channels last in memory; images that cannot be read are left out.
        targets: (B, C) float32.
        batch: The rows that were planned.
    """

    images: Tensor
    targets: Tensor
    batch: Batch


class TrainingImages:
    """The images of a manifest as a recipe wants them: read, decoded, augmented.

    What a batch looks like is a function of manifest, recipe and batch alone; neither the cache nor the number of
    threads changes it. An image that cannot be read is left out, and remembered in `damaged`.

    Args:
        manifest: The manifest.
        recipe: Says size, augmentation and seed.
        n_threads: Images decoded at once; None = one per processor.
        damaged: Images known to be unreadable, image_id to reason.

    Attributes:
        damaged: Images that could not be read, image_id to reason.
    """

    def __init__(
        self,
        manifest: Manifest,
        recipe: TrainRecipe,
        n_threads: int | None = None,
        damaged: Mapping[str, str] | None = None,
    ) -> None:
        self.manifest, self.recipe = manifest, recipe
        self.image_ids: list[str] = manifest.rows.column("image_id").to_pylist()
        self.words = image_words(self.image_ids)
        self.damaged = dict(damaged or {})
        self._decoders = ThreadPoolExecutor(n_threads or os.cpu_count() or 1)
        size, n_rows = recipe.image_size_px, len(manifest)
        fits = recipe.augment != "flip_crop" and n_rows * size * size * 3 <= CACHE_BYTES
        self._cache = np.empty((n_rows, size, size, 3), dtype=np.uint8) if fits else None
        self._cached = np.zeros(n_rows, dtype=bool)

    def load(self, batch: Batch) -> LoadedBatch:
        """Pixels and targets of a batch.

        Raises:
            TrainingError: More than 1 % of the manifest's images (and more than three) cannot be read.
        """
        squares = list(self._squares(batch))
        found = [(i, square) for i, square in enumerate(squares) if square is not None]
        if not found:
            raise TrainingError(f"none of the {len(squares)} images of a batch can be read", fix=self._first_damaged())
        readable = np.array([i for i, _ in found])
        pixels = self._augmented(np.stack([square for _, square in found]), batch, readable)
        labels = self.manifest.rows.select(["class_ids", "label_weights"]).take(pa.array(batch.rows[readable]))
        targets = soft_targets(
            labels.column("class_ids").to_pylist(),
            labels.column("label_weights").to_pylist(),
            self.manifest.classes.num_rows,
        )
        return LoadedBatch(torch.from_numpy(pixels).permute(0, 3, 1, 2), targets, batch)

    def close(self) -> None:
        """Stop the decoding threads."""
        self._decoders.shutdown(cancel_futures=True)

    def _squares(self, batch: Batch) -> Iterator[Pixels | None]:
        """A square per image of the batch; None where it cannot be read."""
        if self._cache is None:
            boxes = self._crops(batch) if self.recipe.augment == "flip_crop" else [None] * len(batch.rows)
            read: list[Pixels | str] = list(self._decoders.map(self._read, batch.rows.tolist(), boxes))
            self._note(zip(batch.rows.tolist(), read, strict=True))
            yield from (None if isinstance(square, str) else square for square in read)
            return
        missing = sorted({row for row in batch.rows.tolist() if not self._cached[row]})
        fresh = list(zip(missing, self._decoders.map(self._read, missing, [None] * len(missing)), strict=True))
        for row, square in fresh:
            if not isinstance(square, str):
                self._cache[row], self._cached[row] = square, True
        self._note(fresh)
        yield from (self._cache[row] if self._cached[row] else None for row in batch.rows.tolist())

    def _read(self, row: int, crop: tuple[float, float, float, float] | None) -> Pixels | str:
        """The image as a square, or why it cannot be read."""
        if self.image_ids[row] in self.damaged:
            return self.damaged[self.image_ids[row]]
        rows, size = self.manifest.rows, self.recipe.image_size_px
        place = {name: rows.column(name)[row].as_py() for name in ("source", "uri", "byte_offset", "byte_length")}
        path = self.manifest.roots[place["source"]] / place["uri"]
        try:
            if crop is None:
                return read_square(path, place["byte_offset"], place["byte_length"], size)
            # The smallest crop has half the side, which must still hold enough pixels.
            pixels = decode(read_range(path, place["byte_offset"], place["byte_length"]), min_size_px=2 * size).pixels
            return _resized(pixels, crop_box(pixels.shape[1], pixels.shape[0], *crop), size)
        except InputError as error:
            return str(error)

    def _note(self, read: Iterable[tuple[int, Pixels | str]]) -> None:
        self.damaged.update({self.image_ids[row]: reason for row, reason in read if isinstance(reason, str)})
        if len(self.damaged) > max(3, len(self.manifest) // 100):
            what = f"{len(self.damaged)} of {len(self.manifest)} images cannot be read"
            raise TrainingError(what, where=f"manifest {self.manifest.manifest_id}", fix=self._first_damaged())

    def _first_damaged(self) -> str:
        image_id = min(self.damaged)
        return f"For example image {image_id}: {self.damaged[image_id]}"

    def _draw(self, batch: Batch, purpose: int) -> npt.NDArray[np.float64]:
        return uniform(self.words[batch.rows], self.recipe.seed, batch.epochs, batch.copies, purpose)

    def _crops(self, batch: Batch) -> list[Any]:
        draws = [self._draw(batch, purpose).tolist() for purpose in (AREA, ASPECT, SHIFT_X, SHIFT_Y)]
        return list(zip(*draws, strict=True))

    def _augmented(self, pixels: Pixels, batch: Batch, readable: npt.NDArray[np.int64]) -> Pixels:
        """Flip and shift as the recipe says; the crop was made while reading."""
        if self.recipe.augment != "none":
            pixels = flip(pixels, self._draw(batch, FLIP)[readable] < 0.5)
        if self.recipe.augment == "flip_shift":
            pixels = shift(pixels, *(self._draw(batch, purpose)[readable] for purpose in (SHIFT_X, SHIFT_Y)))
        return pixels


def load_ahead(load: Callable[[Batch], LoadedBatch], batches: Iterable[Batch]) -> Generator[LoadedBatch, None, None]:
    """Batches in their order, the next ones prepared in the background."""
    pending: deque[Future[LoadedBatch]] = deque()
    with ThreadPoolExecutor(1) as background:
        try:
            for batch in batches:
                pending.append(background.submit(load, batch))
                if len(pending) > _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
