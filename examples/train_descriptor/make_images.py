"""Fills a file with procedural pictures: python make_images.py OUT.npy COUNT SEED."""

import sys
import time

import cv2
import numpy as np
from scenes import Pool, picture
from textures import SIDE


def main(out: str, count: int, seed: int) -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    pictures = np.lib.format.open_memmap(out, "w+", np.uint8, (count, SIDE, SIDE, 3))
    pool, start = Pool(rng), time.monotonic()
    for place in range(count):
        pictures[place] = picture(rng, pool)
        if place % 2000 == 1999:
            print(f"{place + 1} pictures, {(place + 1) / (time.monotonic() - start):.0f} a second", flush=True)
    pictures.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
