import io
import tarfile

import imagehash
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.vision.decode import DecodeError, decode
from curate.vision.phash import MIN_SIZE_PX, _lanczos, hamming, phash, shrink


def textured(seed, height, width):
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def test_bits_and_order_are_those_of_imagehash():
    greys = np.stack([textured(seed, 32, 32) for seed in range(200)])
    # At 32 × 32 imagehash resizes nothing.
    expected = [str(imagehash.phash(Image.fromarray(grey))) for grey in greys]
    assert [f"{value:016x}" for value in phash(greys)] == expected


def test_shrinking_is_pillow_lanczos():
    for seed, (height, width) in enumerate([(90, 120), (127, 300), (40, 33), (20, 16), (32, 32)]):
        grey = textured(seed, height, width)
        pillow = np.asarray(Image.fromarray(grey).resize((32, 32), Image.Resampling.LANCZOS)).astype(int)
        difference = np.abs(shrink(grey) - pillow)
        assert difference.mean() < 1
        assert difference.max() <= 5  # the passes come in the other order, each is clipped; long sides are halved first


def shrunk_by_integers(grey):
    """The definition: pairs averaged, rows and then columns weighed, each result rounded half to even and clipped."""

    def halved(values):
        step = 1
        while len(values) >= 160:
            values, step = (values[0 : len(values) // 2 * 2 : 2] + values[1::2] + 1) >> 1, step * 2
        return values, step

    def weighed(values, extent):
        sums = _lanczos(len(values), extent).astype(np.int64) @ values
        below, rest = sums >> 15, sums & 32767
        return np.clip(below + ((rest > 16384) | ((rest == 16384) & (below % 2 == 1))), 0, 255)

    height, width = grey.shape
    values, step_y = halved(grey.astype(np.int64))
    values, step_x = halved(values.T)
    return weighed(weighed(values.T, height / step_y).T, width / step_x).T


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 5), st.integers(0, 2**32), st.booleans())
def test_shrinking_is_exact_alone_and_among_others(height, width, n, seed, harsh):
    greys = np.random.default_rng(seed).integers(0, 256, (n, height, width), dtype=np.uint8)
    if harsh:
        greys = np.where(greys < 128, np.uint8(0), np.uint8(255))
    together = shrink(greys)
    assert together.shape == (n, 32, 32)
    assert together.dtype == np.uint8
    for grey, small in zip(greys, together, strict=True):
        assert np.array_equal(small, shrink(grey))
    assert np.array_equal(together[0], shrunk_by_integers(greys[0]))


def test_many_images_are_shrunk_in_pieces():
    greys = np.random.default_rng(0).integers(0, 256, (90, 140, 140), dtype=np.uint8)
    assert np.array_equal(shrink(greys), np.stack([shrink(grey) for grey in greys]))
    assert shrink(greys[:0]).shape == (0, 32, 32)
    assert np.array_equal(shrink(greys[:, ::2, ::-1]), shrink(np.ascontiguousarray(greys[:, ::2, ::-1])))


def test_shrinking_takes_any_shape():
    for height, width in [(1, 1), (1, 5000), (5000, 2), (129, 128), (1000, 20_000)]:
        assert np.all(shrink(np.full((height, width), 77, np.uint8)) == 77)


def test_a_flat_picture_hashes_to_its_first_bit():
    flat = np.full((3, 32, 32), [[[0]], [[128]], [[255]]], np.uint8)
    assert phash(flat).tolist() == [0, 1 << 63, 1 << 63]


def test_a_hash_does_not_depend_on_its_batch():
    greys = np.stack([textured(seed, 32, 32) for seed in range(300)])
    together = phash(np.concatenate([greys] * 15))
    assert np.array_equal(together[:300], together[-300:])
    assert together[:300].tolist() == [phash(grey[None])[0] for grey in greys]
    assert phash(np.empty((0, 32, 32), np.uint8)).shape == (0,)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_hamming_counts_bits(values):
    a = np.array(values, np.uint64)
    assert hamming(a, a).max() == 0
    assert hamming(a, ~a).min() == 64
    assert hamming(a[:, None], a[None, :]).tolist() == [[(x ^ y).bit_count() for y in values] for x in values]


def test_reduced_decodes_stay_near_imagehash_on_photographs(data):
    distances, sizes = [], []
    with tarfile.open(data / "webposts" / "corpus" / "shard-00003.tar") as tar:
        members = [member for member in tar if member.name.endswith(".jpg")][::4]
        stored = [tar.extractfile(member).read() for member in members]
    for path in sorted((data / "formats" / "mixed_images").glob("ukbench00120*.jpg")):
        stored.append(path.read_bytes())
    for content in stored:
        try:
            decoded = decode(content, min_size_px=MIN_SIZE_PX, grey=True)
        except DecodeError:
            continue
        with Image.open(io.BytesIO(content)) as image:
            if "A" in image.mode or "transparency" in image.info or "EXIF" in decoded.remark:
                continue  # imagehash sees these otherwise: black under the transparency, lying on the side
            expected = imagehash.phash(image.convert("RGB"))
        ours = phash(shrink(decoded.pixels)[None])
        distances.append(int(hamming(ours, np.array([int(str(expected), 16)], np.uint64))[0]))
        sizes.append(decoded.pixels.shape[0] < decoded.height)
    assert len(distances) > 200
    assert sum(sizes) > 50
    assert np.mean(distances) < 1
