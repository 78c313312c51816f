import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from curate.vision.encoders import Encoder, normalise
from curate.vision.forward import single_threaded_pool
from curate.vision.networks import Network
from curate.vision.overlap import Describer, profile_report


def plain(encode=None, n_streams=2):
    """An encoder without a network: vectors are the images."""
    return Encoder("plain#0", 3, "cpu", 4, 5, lambda x: x, encode or (lambda x: normalise(np.stack(x))), n_streams)


def image(place):
    return None if place % 7 == 3 else np.array([place + 1.0, 1.0, place % 3])


@pytest.fixture
def decoders():
    with ThreadPoolExecutor(3) as threads:
        yield threads


@pytest.mark.parametrize("n_streams", [1, 2, 5])
@pytest.mark.parametrize("n_images", [0, 1, 5, 203])
def test_images_keep_their_order(decoders, n_streams, n_images):
    def prepare(place):
        time.sleep(0.001 * (place % 5 == 0))
        return image(place)

    index, vectors = Describer(plain(n_streams=n_streams), decoders).describe(prepare, n_images)
    wanted = [place for place in range(n_images) if image(place) is not None]
    assert index.tolist() == wanted
    assert vectors.dtype == np.float32
    if wanted:
        np.testing.assert_array_equal(vectors, normalise(np.stack([image(place) for place in wanted])))
    assert vectors.shape == (len(wanted), 3)


def test_vectors_without_a_direction_are_left_out(decoders):
    index, vectors = Describer(plain(), decoders).describe(lambda place: np.full(3, float(place % 2)), 20)
    assert index.tolist() == list(range(1, 20, 2))
    assert len(vectors) == 10


def test_few_images_are_under_way_and_more_than_one_batch(decoders):
    seen, most, lock = {"prepared": 0, "described": 0}, [], threading.Lock()

    def prepare(place):
        with lock:
            seen["prepared"] += 1
            most.append(seen["prepared"] - seen["described"])
        return image(place)

    def encode(images):
        time.sleep(0.002)
        with lock:
            seen["described"] += 5
        return normalise(np.stack(images))

    Describer(plain(encode), decoders).describe(prepare, 600)
    assert 10 < max(most) <= 5 * (2 * 2 + 32 // 5 + 2)


def test_errors_stop_the_work(decoders):
    asked = []

    def prepare(place):
        asked.append(place)
        if place == 11:
            raise OSError("gone")
        return image(place)

    describer = Describer(plain(), decoders)
    with pytest.raises(OSError, match="gone"):
        describer.describe(prepare, 10_000)
    assert len(asked) < 100
    assert len(describer.describe(image, 8)[0]) == 7


def test_torch_runs_on_one_processor_only_there():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with single_threaded_pool(4) as pool:
            assert set(pool.map(lambda _: torch.get_num_threads(), range(20))) == {1}
            assert torch.get_num_threads() == 3
            with ThreadPoolExecutor(1) as other:
                assert other.submit(lambda: torch.rand(9).sum() and torch.get_num_threads()).result() == 3
    finally:
        torch.set_num_threads(before)


def convolution():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, 4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(392, 6))
    return Network(net, net.to, 32)


def test_the_bits_do_not_depend_on_threads(decoders):
    from curate.vision.forward import torch_encoder

    pixels = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    found = []
    for n_threads in (1, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        encoder = torch_encoder("net#0", convolution(), "cpu", 8)
        torch.set_num_threads(before)
        assert encoder.n_streams == n_threads
        found.append(Describer(encoder, decoders).describe(lambda place: pixels[place], 50)[1])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), 1, atol=1e-6)


def test_the_report_adds_up(decoders):
    from curate.vision.forward import torch_encoder

    describer = Describer(torch_encoder("net#0", convolution(), "cpu", 8), decoders)
    start = time.perf_counter()
    describer.describe(lambda place: np.zeros((32, 32, 3), np.uint8), 64)
    elapsed = time.perf_counter() - start
    spent = describer.spent
    assert spent.n_images == 64
    assert spent.waiting + spent.network <= describer.encoder.n_streams * elapsed
    bare = describer.bare_speed(0.05)
    text = profile_report(describer, elapsed, bare)
    assert "64 images" in text
    assert f"{bare:.1f} images a second; ratio {64 / elapsed / bare:.2f}, of at most" in text
    assert "Bare" not in profile_report(Describer(plain(), decoders), elapsed, 0.0)
