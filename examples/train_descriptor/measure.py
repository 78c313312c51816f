"""Recall of held-out procedural copies: of every copy, is its original the nearest of all held-out pictures?"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from transforms import TRANSFORMS, copy, join, squeeze

N_QUERIES, N_PICTURES = 600, 2000


def held_out_set(file: str, side: int, n: int = N_PICTURES) -> tuple[NDArray[np.uint8], ...]:
    """Originals and copies, uint8 N × side × side × 3, and which original each copy is of.

    Every transform alone, several at once, and collages of four, in equal parts.
    """
    cv2.setNumThreads(1)
    rng, store = np.random.default_rng(5), np.load(file, mmap_mode="r")[:n]

    def draw() -> NDArray[np.uint8]:
        return np.asarray(store[rng.integers(len(store))])

    copies, owners = [], []
    kinds = [*TRANSFORMS, "several", "collage"]
    for query in range(N_QUERIES):
        owner, kind = int(rng.integers(len(store))), kinds[query % len(kinds)]
        if kind == "several":
            found = copy(rng, store[owner], draw)
        elif kind == "collage":
            parts = [np.asarray(store[owner]), draw(), draw(), draw()]
            found = join(rng, [parts[k] for k in rng.permutation(4)], side)
        else:
            found = kind(rng, np.asarray(store[owner]), draw)
        copies.append(squeeze(found, side))
        owners.append(owner)
    return np.stack([squeeze(image, side) for image in store]), np.stack(copies), np.array(owners)


def vectors(
    network: Callable[[torch.Tensor], torch.Tensor], pictures: NDArray[np.uint8], length_1: bool = True
) -> NDArray[np.float32]:
    """Vectors of uint8 pictures N × side × side × 3: N × D."""
    blocks = torch.from_numpy(pictures).permute(0, 3, 1, 2).split(64)
    with torch.inference_mode():
        every = torch.cat([network((block.float() / 255 - 0.5) / 0.25) for block in blocks])
    return (torch.nn.functional.normalize(every) if length_1 else every).numpy()


def recall(
    network: Callable[[torch.Tensor], torch.Tensor],
    originals: NDArray[np.uint8],
    copies: NDArray[np.uint8],
    owners: NDArray[np.int64],
) -> tuple[float, str]:
    """Rank-1 recall; and it in words, with rank-5 recall and rank-1 recall by transform."""
    scores = vectors(network, copies) @ vectors(network, originals).T
    own = scores[np.arange(len(owners)), owners]
    rank = (scores > own[:, None]).sum(1)
    names = [*(maker.__name__ for maker in TRANSFORMS), "several", "collage"]
    parts = ", ".join(f"{name} {np.mean(rank[k :: len(names)] == 0):.2f}" for k, name in enumerate(names))
    first = float(np.mean(rank == 0))
    return first, f"rank-1 {first:.3f} rank-5 {np.mean(rank < 5):.3f} ({parts})"
