"""Training batches: originals, copies of them, and images in which several are joined."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from textures import SIDE, Image, Rng
from torch.utils.data import Dataset
from transforms import copy, join, squeeze

N_BASES, N_JOINED = 64, 20
"""Pictures in a batch, each as original and as copy; and joined images, each of two to four of them."""


def native(rng: Rng, image: Image) -> Image:
    """The picture in proportions that a photograph might have."""
    shape = np.exp(rng.normal(0, 0.22))
    return cv2.resize(image, (int(SIDE * np.sqrt(shape)), int(SIDE / np.sqrt(shape))))


def joined(rng: Rng, images: list[Image], draw: object, side: int) -> Image:
    """Joins copies of images; half of them copied with no more than one transform, the others as they are."""
    parts = [copy(rng, image, draw, most=1) if rng.random() < 0.5 else image for image in images]
    return join(rng, parts, side)


@dataclass
class Batches(Dataset):
    """Batch number i, always the same one.

    Attributes:
        files: .npy files of uint8 pictures.
        seed: Of the random numbers.
        n: Number of batches.
        side: Of the images, in pixels.
    """

    files: tuple[str, ...]
    seed: int
    n: int
    side: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """uint8 N × side × side × 3, and which pictures are in which image: float32 N × N_BASES."""
        cv2.setNumThreads(1)
        rng, side = np.random.default_rng((self.seed, step)), self.side
        stores = [np.load(file, mmap_mode="r") for file in self.files]
        sizes = [len(store) for store in stores]
        epoch, place = divmod(step, sum(sizes) // N_BASES)
        order = np.random.default_rng((self.seed, -1 % 2**32, epoch)).permutation(sum(sizes))
        chosen = order[place * N_BASES : (place + 1) * N_BASES]
        bases = []
        for place in chosen:
            store = int(np.searchsorted(np.cumsum(sizes), place, side="right"))
            bases.append(native(rng, np.asarray(stores[store][place - sum(sizes[:store])])))

        def draw() -> Image:
            store = stores[rng.integers(len(stores))]
            return np.asarray(store[rng.integers(len(store))])

        images = [squeeze(base if rng.random() < 0.5 else copy(rng, base, draw, most=2), side) for base in bases]
        images += [squeeze(copy(rng, base, draw), side) for base in bases]
        inside = [np.eye(N_BASES, dtype=np.float32)] * 2
        for _ in range(N_JOINED):
            members = rng.choice(N_BASES, int(rng.choice([2, 3, 4], p=(0.55, 0.1, 0.35))), replace=False)
            images.append(joined(rng, [bases[m] for m in members], draw, side))
            inside.append(np.isin(np.arange(N_BASES), members).astype(np.float32)[None])
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.concatenate(inside))
