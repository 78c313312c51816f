"""Describing many images: they are decoded ahead of the network, so that it never waits while decoding keeps up.

Threads of one pool decode and resize; threads of another each run passes of the network, as many at once as keep the
device busy. A few batches are under way at any time, so that memory does not grow with the number of images.

Dimension letters: N images, D descriptor.
"""

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.vision.encoders import Encoder

Prepare = Callable[[int], NDArray[Any] | None]
"""The i-th image as `Encoder.encode` takes it; None where there is nothing to see."""

_IMAGES_AT_ONCE = 8  # that one thread prepares without coming back
_IMAGES_AHEAD = 32  # where batches are small, so that one slow image keeps nobody waiting


@dataclass
class Spent:
    """Where the time went, in seconds, over all calls of a `Describer`.

    Attributes:
        n_images: Images that were prepared.
        working: Inside calls.
        waiting: Of the threads that run the network, for images.
        network: Of the same threads, in the network.
        preparing: Processor time of the threads that prepare.
    """

    n_images: int = 0
    working: float = 0.0
    waiting: float = 0.0
    network: float = 0.0
    preparing: float = 0.0


class Describer:
    """An encoder with the threads that feed it. Calls may come from several threads."""

    def __init__(self, encoder: Encoder, decoders: ThreadPoolExecutor) -> None:
        """Set up.

        Args:
            encoder: The encoder.
            decoders: Threads that prepare images, shared between describers.
        """
        self.encoder, self.spent = encoder, Spent()
        self._decoders = decoders
        self._streams = _streams(encoder)

    def describe(self, prepare: Prepare, n_images: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Describe images.

        Args:
            prepare: Gives the images; called from many threads.
            n_images: How many there are.

        Returns:
            index_N: Which ones could be described, ascending; vectors_ND: float32, of length 1.

        Raises:
            Exception: Whatever `prepare` raises.
        """
        start = time.perf_counter()
        step = self.encoder.batch_size
        ahead = 2 * self.encoder.n_streams + max(1, _IMAGES_AHEAD // step)
        done: list[tuple[list[int], NDArray[np.float32]]] = []
        under_way: deque[Future[Any]] = deque()
        try:
            for first in range(0, n_images, step):
                under_way.append(self._start(prepare, range(first, min(first + step, n_images))))
                if len(under_way) > ahead:
                    done.append(self._finish(under_way.popleft()))
            while under_way:
                done.append(self._finish(under_way.popleft()))
        finally:
            for future in under_way:
                future.cancel()
        self.spent.n_images += n_images
        self.spent.working += time.perf_counter() - start
        index_N = np.array([place for places, _ in done for place in places], np.int64)
        vectors_ND = np.concatenate([np.zeros((0, self.encoder.dim), np.float32), *(rows for _, rows in done)])
        usable_N = vectors_ND.any(axis=1)
        return index_N[usable_N], vectors_ND[usable_N]

    def bare_speed(self, seconds: float = 3.0) -> float:
        """Images a second of the network alone, over batches that lie ready; the better of two ways to run it.

        Args:
            seconds: How long each way is tried: as many passes at once as `describe` runs, and one that may use all
                processors.
        """
        bare = self.encoder.bare
        if bare is None:
            return 0.0
        side_by_side = _passes(bare, self._streams, self.encoder.n_streams, seconds)
        with ThreadPoolExecutor(1) as alone:
            return self.encoder.batch_size * max(side_by_side, _passes(bare, alone, 1, seconds))

    def _start(self, prepare: Prepare, block: range) -> "Future[Any]":
        pieces = [block[i : i + _IMAGES_AT_ONCE] for i in range(0, len(block), _IMAGES_AT_ONCE)]
        prepared = [self._decoders.submit(_prepare_some, prepare, piece) for piece in pieces]
        return self._streams.submit(_encode_block, self.encoder, prepared)

    def _finish(self, future: "Future[Any]") -> tuple[list[int], NDArray[np.float32]]:
        places, rows, preparing, waiting, network = future.result()
        self.spent.preparing += preparing
        self.spent.waiting += waiting
        self.spent.network += network
        return places, rows


def n_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def profile_report(describer: Describer, elapsed: float, bare: float) -> str:
    """One line on where the time went.

    Args:
        describer: What did the work.
        elapsed: Seconds since it was first asked to, writing included.
        bare: What `Describer.bare_speed` gave.
    """
    encoder, spent = describer.encoder, describer.spent
    speed = spent.n_images / elapsed
    threads = encoder.n_streams * elapsed
    per_image, writing = spent.preparing / max(1, spent.n_images), max(0.0, 1 - spent.working / elapsed)
    text = (
        f"{spent.n_images} images, {speed:.1f} a second: waiting for decode {spent.waiting / threads:.0%}, network "
        f"{spent.network / threads:.0%}, writing {writing:.0%}. Decoding and resizing take {1e3 * per_image:.2f} ms of "
        f"a processor per image."
    )
    if bare:
        shape = " x ".join(map(str, (encoder.batch_size, encoder.size_px, encoder.size_px)))
        text += (
            f" Bare network, {shape} pixels on {encoder.device}: {bare:.1f} images a second; ratio {speed / bare:.2f}"
        )
    if bare and encoder.device == "cpu":
        text += f", of at most {1 / (1 + per_image * bare / n_processors()):.2f} where both share the processors"
    return text


def _prepare_some(prepare: Prepare, places: range) -> tuple[list[tuple[int, NDArray[Any]]], float]:
    start = time.thread_time()
    found = [(place, image) for place in places if (image := prepare(place)) is not None]
    return found, time.thread_time() - start


def _encode_block(encoder: Encoder, prepared: list[Future[Any]]) -> tuple[list[int], Any, float, float, float]:
    start = time.perf_counter()
    pieces = [future.result() for future in prepared]
    ready = time.perf_counter()
    images = [image for piece, _ in pieces for image in piece]
    rows_ND = encoder.encode([pixels for _, pixels in images]) if images else np.zeros((0, encoder.dim), np.float32)
    preparing = sum(seconds for _, seconds in pieces)
    return [place for place, _ in images], rows_ND, preparing, ready - start, time.perf_counter() - ready


def _streams(encoder: Encoder) -> ThreadPoolExecutor:
    """Threads that run the network: on the CPU each of them on one processor."""
    if encoder.device != "cpu" or encoder.bare is None:
        return ThreadPoolExecutor(encoder.n_streams, thread_name_prefix="network")
    from curate.vision.forward import single_threaded_pool

    return single_threaded_pool(encoder.n_streams)


def _passes(work: Callable[[], None], threads: ThreadPoolExecutor, n_threads: int, seconds: float) -> float:
    """Calls a second, from so many threads."""

    def run(end: float) -> int:
        n = 0
        while time.perf_counter() < end:
            work()
            n += 1
        return n

    list(threads.map(lambda _: work(), range(2 * n_threads)))  # first passes are slow
    start = time.perf_counter()
    n = sum(threads.map(run, [start + seconds] * n_threads))
    return n / (time.perf_counter() - start)
