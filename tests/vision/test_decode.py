import io
import pickle
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from curate.errors import InputError, MissingInputError
from curate.vision.decode import DecodeError, decode, read_range, sniff


def picture(width=60, height=40):
    """A smooth picture without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / width, 255 * y / height
    blue = 128 + 100 * np.sin(x / 9 + y / 13)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


FORMATS = ["jpeg", "png", "webp", "gif", "bmp", "tiff", "ppm", "avif", "jpeg2000", "ico"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_told_by_content_and_decoded(kind):
    image = picture(64, 64) if kind == "ico" else picture()
    data = encoded(image, kind)
    decoded = decode(data)
    assert sniff(data) == decoded.format == kind
    assert (decoded.width, decoded.height) == image.size
    assert decoded.pixels.shape == (image.height, image.width, 3)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.writeable
    assert np.abs(decoded.pixels.astype(int) - np.asarray(image)).mean() < 12


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        expected = ImageOps.exif_transpose(stored)
    decoded = decode(data)
    assert (decoded.width, decoded.height) == expected.size == decoded.pixels.shape[1::-1]
    assert np.abs(decoded.pixels.astype(int) - np.asarray(expected.convert("RGB"))).mean() < 3
    if kind != "tiff":  # Pillow turns these on its own
        assert ("EXIF orientation" in decoded.remark) == (orientation != 1)
    assert decode(data, min_size_px=10).pixels.shape[0] < expected.height or kind != "jpeg"


def test_transparency_lies_over_white():
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    half = Image.new("LA", (20, 20), (0, 128))
    assert decode(encoded(clear, "png")).pixels.min() == 255
    assert 120 <= decode(encoded(half, "png")).pixels.mean() <= 135
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    decoded = decode(encoded(palette, "png", transparency=0))
    assert decoded.pixels.min() == 255
    assert "transparency" in decoded.remark


def test_cmyk_is_converted_with_a_remark():
    decoded = decode(encoded(picture().convert("CMYK"), "jpeg"))
    assert decoded.remark == "CMYK"
    assert np.abs(decoded.pixels.astype(int) - np.asarray(picture())).mean() < 20


def test_sixteen_bits_become_eight():
    values = np.linspace(0, 65535, 1600).reshape(40, 40).astype(np.uint16)
    decoded = decode(encoded(Image.fromarray(values), "png"))
    assert np.array_equal(decoded.pixels[..., 0], values >> 8)
    assert decoded.remark == "more than 8 bits"
    floats = Image.fromarray((values / 65535).astype(np.float32))
    assert np.abs(decode(encoded(floats, "tiff")).pixels[..., 0].astype(int) - (values >> 8)).max() <= 1


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue")]
    for kind in ("gif", "webp", "png"):
        decoded = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert decoded.pixels[10, 10, 0] > 200
        assert "several frames" in decoded.remark


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("size", [(1000, 700), (700, 1000), (300, 140), (100, 50)])
def test_a_reduced_decode_keeps_the_short_side(kind, size):
    data = encoded(picture(*size), kind)
    decoded = decode(data, min_size_px=128)
    assert (decoded.width, decoded.height) == size
    short = min(decoded.pixels.shape[:2])
    assert min(128, min(size)) <= short <= min(size)
    if min(size) >= 512:
        assert short < 256


def test_grey_is_luma():
    for kind in ("jpeg", "png"):
        data = encoded(picture(), kind)
        grey = decode(data, grey=True).pixels
        assert grey.shape == (40, 60)
        luma = np.asarray(Image.fromarray(decode(data).pixels).convert("L")).astype(int)
        assert np.abs(grey - luma).max() <= 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (bytes(100), "no image: only zero bytes"),
        (b"\n <!DOCTYPE html><html>404</html>", "no image: an HTML page"),
        (b"\xef\xbb\xbf<html>", "no image: an HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image: an SVG drawing"),
        (b'{"error": 404}', "no image: JSON"),
        (b"%PDF-1.4", "no image: a PDF document"),
        (b"8\xf2\xafg\xce\xb1", "no image: no known image format"),
        (b"\x00\x00\x00\x18ftypheic", "format heic is not supported"),
        (b"\x89PNG\r\n\x1a\n", "damaged png: header cannot be read"),
        (b"\xff\xd8\xff\xe0", "damaged jpeg: header cannot be read"),
    ],
)
def test_what_is_no_image_says_why(data, reason):
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert caught.value.what == reason
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "bmp", "tiff", "ppm", "avif"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_damaged(kind, share):
    data = encoded(picture(200, 150), kind)
    for options in ({}, {"min_size_px": 128, "grey": True}):
        with pytest.raises(DecodeError) as caught:
            decode(data[: int(len(data) * share)], **options)
        assert caught.value.format == kind


def test_a_jpeg_that_lost_its_middle_is_damaged():
    data = encoded(picture(200, 150), "jpeg")
    with pytest.raises(DecodeError, match="damaged jpeg"):
        decode(data[: len(data) // 2] + b"\xff\xd9")


def test_bytes_after_the_end_do_no_harm():
    for kind in ("jpeg", "png", "gif"):
        assert decode(encoded(picture(), kind) + b"<!-- cached -->").width == 60


def test_too_many_pixels_are_refused_before_decoding():
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    with pytest.raises(DecodeError, match="too many pixels: 30000 x 30000") as caught:
        decode(header)
    assert (caught.value.width, caught.value.height) == (30_000, 30_000)
    for kind in FORMATS:
        data = encoded(picture(64, 64), kind)
        assert decode(data, max_pixels=64 * 64).width == 64
        with pytest.raises(DecodeError, match="too many pixels: 64 x 64"):
            decode(data, max_pixels=64 * 64 - 1)


def test_a_tracking_pixel_is_remarked():
    assert decode(encoded(Image.new("RGB", (1, 1)), "gif")).remark == "tiny: 1 x 1 pixels"


_SEEDS = [encoded(picture(24, 16), kind) for kind in ("jpeg", "png", "webp", "gif", "tiff", "bmp", "ppm")]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6))
def test_mangled_bytes_raise_nothing_else(data, changes):
    mangled = bytearray(data)
    for place, value in changes:
        mangled[place % len(mangled)] = value
    try:
        decoded = decode(bytes(mangled), max_pixels=1_000_000)
    except DecodeError as error:
        assert error.what
    else:
        assert decoded.pixels.shape[2] == 3


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"II*\x00", b"RIFF1234WEBP", b"P6\n"])
)
def test_any_bytes_raise_nothing_else(data, magic):
    try:
        decode(magic + data, max_pixels=1_000_000)
    except DecodeError as error:
        assert error.what


def test_warning_filters_survive_threads():
    before = list(warnings.filters)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = [encoded(picture(), "png"), encoded(picture(), "jpeg", exif=exif)]

    def work():
        for i in range(40):
            decode(data[i % 2])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_an_error_survives_a_process_border():
    error = pickle.loads(pickle.dumps(DecodeError("empty file", where="a.jpg")))
    assert str(error) == "a.jpg: empty file"


def test_read_range(tmp_path):
    path = tmp_path / "shard.tar"
    path.write_bytes(bytes(range(100)))
    assert read_range(path, 10, 5) == bytes(range(10, 15))
    assert read_range(str(path), 0, 0) == b""
    with pytest.raises(MissingInputError, match="ends at byte 100"):
        read_range(path, 90, 20)
    with pytest.raises(MissingInputError, match="cannot be read"):
        read_range(tmp_path / "none", 0, 1)


def test_real_files_by_content(data):
    """Files whose names are wrong on purpose."""
    folder = data / "formats" / "formats_images"
    found = {path.name: decode(path.read_bytes()).format for path in sorted(folder.iterdir())}
    assert found["ukbench09380.svg"] == found["ukbench09380.png"] == found["ukbench09380.bmp"] == "jpeg"
    assert found["ukbench09380.webp"] == "webp"
    assert found["marbles.pbm"] == found["baboon.pgm"] == found["Iggy.1024.ppm"] == "ppm"
    assert found["copyleft.tiff"] == "tiff"
    mixed = data / "formats" / "mixed_images"
    with pytest.raises(DecodeError, match="no known image format"):
        decode((mixed / "ukbench09268_corrupt.jpg").read_bytes())
    turned = decode((mixed / "ukbench09268.jpg").read_bytes())
    assert (turned.width, turned.height) == (480, 640)
