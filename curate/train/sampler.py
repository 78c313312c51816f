"""The order of an epoch, and every random number of training, as functions of (seed, epoch, image).

Nothing is drawn from a generator that moves on: image, epoch and seed alone decide, so that neither row order, nor
shards, nor threads, nor a resumed run change what a model sees.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.errors import FormatError

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

ORDER, REPEAT, FLIP, SHIFT_X, SHIFT_Y, AREA, ASPECT = range(7)
"""What a random number is for: independent streams for each."""


def image_words(image_ids: list[str]) -> UInt64s:
    """The 128 bits of each image_id as numbers.

    Args:
        image_ids: N ids of 32 hex digits.

    Returns:
        (N, 2) uint64.

    Raises:
        FormatError: An id is not 32 hex digits.
    """
    try:
        if any(len(image_id) != 32 for image_id in image_ids):
            raise ValueError
        raw = bytes.fromhex("".join(image_ids))
    except ValueError:
        raise FormatError("an image_id is not 32 hex digits", where="manifest") from None
    return np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def uniform(
    words_N2: UInt64s, seed: int, epoch_N: Int64s | int, copy_N: Int64s | int, purpose: int
) -> npt.NDArray[np.float64]:
    """One number in [0, 1) per image, by hashing (SplitMix64, Steele et al. 2014).

    Args:
        words_N2: (N, 2) uint64 from `image_words`.
        seed: Seed of the run.
        epoch_N: Epoch, from 0.
        copy_N: Which showing of the image within the epoch, from 0.
        purpose: One of ORDER … ASPECT.

    Returns:
        (N,) float64; multiples of 2^-53.
    """
    return (_hash(words_N2, seed, epoch_N, copy_N, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def epoch_order(words_N2: UInt64s, repeats_N: npt.NDArray[np.float64], seed: int, epoch: int) -> tuple[Int64s, Int64s]:
    """Every image of an epoch, in random order.

    An image with repeat factor r is shown floor(r) times and once more with probability r - floor(r) (stochastic
    rounding, as LVIS's repeat-factor sampling; Gupta et al. 2019), so r = 1 for all gives an exact permutation.

    Args:
        words_N2: (N, 2) uint64 from `image_words`, rows in the order of image_id (ties in the hash keep it).
        repeats_N: (N,) repeat factors of at least 1.
        seed: Seed of the run.
        epoch: Epoch, from 0.

    Returns:
        (M,) rows into the manifest and (M,) which showing of that image each is, from 0.
    """
    whole = np.floor(repeats_N)
    extra = uniform(words_N2, seed, epoch, 0, REPEAT) < repeats_N - whole
    n_shown = whole.astype(np.int64) + extra
    rows = np.repeat(np.arange(len(repeats_N), dtype=np.int64), n_shown)
    copies = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(n_shown) - n_shown, n_shown)
    order = np.argsort(_hash(words_N2[rows], seed, epoch, copies, ORDER), kind="stable")
    return rows[order], copies[order]


@dataclass(frozen=True)
class Position:
    """How far training has come: `offset` images of `epoch` have been shown."""

    epoch: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes:
        rows: (B,) rows into the manifest.
        copies: (B,) which showing of the image in its epoch, from 0.
        epochs: (B,) epoch of each; a batch may end one epoch and begin the next.
        end: Position after this batch.
    """

    rows: Int64s
    copies: Int64s
    epochs: Int64s
    end: Position


def batches(
    words_N2: UInt64s, repeats_N: npt.NDArray[np.float64], seed: int, batch_size: int, start: Position
) -> Iterator[Batch]:
    """Batches without end, all of the same size: the epochs one after another, cut every `batch_size` images.

    Args:
        words_N2: As in `epoch_order`.
        repeats_N: As in `epoch_order`.
        seed: Seed of the run.
        batch_size: Images per batch.
        start: Where to go on; the batches are those that an uninterrupted run would have seen.
    """
    epoch, offset = start.epoch, start.offset
    rows, copies = epoch_order(words_N2, repeats_N, seed, epoch)
    while True:
        pieces: list[tuple[Int64s, Int64s, Int64s]] = []
        missing = batch_size
        while missing:
            if offset == len(rows):
                epoch, offset = epoch + 1, 0
                rows, copies = epoch_order(words_N2, repeats_N, seed, epoch)
            taken = slice(offset, offset + missing)
            n = len(rows[taken])
            pieces.append((rows[taken], copies[taken], np.full(n, epoch, np.int64)))
            offset, missing = offset + n, missing - n
        taken_rows, taken_copies, epochs = (np.concatenate(column) for column in zip(*pieces, strict=True))
        yield Batch(taken_rows, taken_copies, epochs, Position(epoch, offset))


def _hash(words_N2: UInt64s, seed: int, epoch_N: Int64s | int, copy_N: Int64s | int, purpose: int) -> UInt64s:
    state = words_N2[:, 0]
    for word in (words_N2[:, 1], seed, epoch_N, copy_N, purpose):
        state = _mix(state ^ _mix(np.broadcast_to(np.asarray(word, dtype=np.uint64), state.shape)))
    return state


def _mix(x: UInt64s) -> UInt64s:
    """SplitMix64's increment and finaliser; overflow is meant and wraps."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
