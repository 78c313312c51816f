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


def flat(mode, colour, size=(24, 20)):
    return Image.new(mode, size, colour)


PALETTE = flat("RGB", (200, 100, 50)).quantize(4)
# What is stored, how, the colour that must come out, and what is remarked.
STORED = {
    "palette png": (PALETTE, "png", {}, (200, 100, 50), ""),
    "palette gif": (PALETTE, "gif", {}, (200, 100, 50), ""),
    "palette bmp": (PALETTE, "bmp", {}, (200, 100, 50), ""),
    "palette tiff": (PALETTE, "tiff", {}, (200, 100, 50), ""),
    "two levels png": (flat("1", 1), "png", {}, (255, 255, 255), ""),
    "two levels bmp": (flat("1", 0), "bmp", {}, (0, 0, 0), ""),
    "fax tiff": (flat("1", 1), "tiff", {"compression": "group4"}, (255, 255, 255), ""),
    "grey png": (flat("L", 90), "png", {}, (90, 90, 90), ""),
    "grey jpeg": (flat("L", 90), "jpeg", {}, (90, 90, 90), ""),
    "grey pgm": (flat("L", 90), "ppm", {}, (90, 90, 90), ""),
    "rgb jpeg": (flat("RGB", (200, 100, 50)), "jpeg", {"keep_rgb": True, "quality": 95}, (200, 100, 50), ""),
    "progressive jpeg": (flat("RGB", (200, 100, 50)), "jpeg", {"progressive": True}, (200, 100, 50), ""),
    "full chroma jpeg": (flat("RGB", (200, 100, 50)), "jpeg", {"subsampling": 0}, (200, 100, 50), ""),
    "cmyk jpeg": (flat("CMYK", (0, 0, 0, 105)), "jpeg", {}, (150, 150, 150), "CMYK"),
    "cmyk tiff": (flat("CMYK", (0, 0, 0, 105)), "tiff", {}, (150, 150, 150), "CMYK"),
    "lzw tiff": (flat("RGB", (200, 100, 50)), "tiff", {"compression": "tiff_lzw"}, (200, 100, 50), ""),
    "jpeg tiff": (flat("L", 90), "tiff", {"compression": "jpeg"}, (90, 90, 90), ""),
    "16 bit png": (flat("I;16", 90 << 8), "png", {}, (90, 90, 90), "more than 8 bits"),
    "16 bit tiff": (flat("I;16", 90 << 8), "tiff", {}, (90, 90, 90), "more than 8 bits"),
    "16 bit pgm": (flat("I", 90 << 8), "ppm", {}, (90, 90, 90), "more than 8 bits"),
    "32 bit tiff": (flat("I", 90 << 8), "tiff", {}, (90, 90, 90), "more than 8 bits"),
    "alpha png": (flat("RGBA", (200, 100, 50, 0)), "png", {}, (255, 255, 255), "transparency, white laid under"),
    "alpha webp": (flat("RGBA", (0, 0, 0, 128)), "webp", {"lossless": True}, (127,) * 3, "transparency"),
    "alpha tiff": (flat("RGBA", (0, 0, 0, 128)), "tiff", {}, (127,) * 3, "transparency"),
    "grey alpha png": (flat("LA", (0, 128)), "png", {}, (127,) * 3, "transparency"),
    "clear colour png": (flat("RGB", (9, 8, 7)), "png", {"transparency": (9, 8, 7)}, (255,) * 3, "transparency"),
    "clear gif": (PALETTE, "gif", {"transparency": PALETTE.getpixel((0, 0))}, (255,) * 3, "transparency"),
}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_every_mode_becomes_rgb(name):
    image, format, options, colour, remark = STORED[name]
    decoded = decode(encoded(image, format, **options))
    assert decoded.pixels.shape == (20, 24, 3)
    assert np.abs(decoded.pixels.astype(int) - colour).max() <= 3
    assert decoded.remark.startswith(remark) and bool(decoded.remark) == bool(remark)
    grey = decode(encoded(image, format, **options), grey=True).pixels
    assert grey.shape == (20, 24)
    assert np.abs(grey - np.dot(colour, [0.299, 0.587, 0.114])).max() <= 3


def test_the_decoder_is_named():
    assert decode(encoded(picture(), "jpeg")).decoder == "libjpeg-turbo"
    assert decode(encoded(picture().convert("L"), "jpeg", progressive=True)).decoder == "libjpeg-turbo"
    assert decode(encoded(picture().convert("CMYK"), "jpeg")).decoder == "pillow"
    for kind in FORMATS[1:]:
        assert decode(encoded(picture(64, 64), kind)).decoder == "pillow"


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue")]
    for kind in ("gif", "webp", "png"):
        decoded = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert decoded.pixels[10, 10, 0] > 200
        assert "several frames" in decoded.remark


def test_the_first_page_and_a_first_frame_that_is_smaller_than_its_canvas():
    pages = [Image.new("RGB", (30, 20), "red"), Image.new("RGB", (50, 50), "blue")]
    decoded = decode(encoded(pages[0], "tiff", save_all=True, append_images=pages[1:]))
    assert (decoded.width, decoded.height) == (30, 20)
    assert decoded.pixels[10, 10].tolist() == [255, 0, 0]
    assert decoded.remark == "several frames, first one used"
    gif = bytearray(encoded(Image.new("RGB", (30, 20), "red"), "gif"))
    gif[6:10] = (60).to_bytes(2, "little") + (40).to_bytes(2, "little")
    decoded = decode(bytes(gif))
    assert (decoded.width, decoded.height) == (60, 40) == decoded.pixels.shape[1::-1]
    assert decoded.pixels[10, 10, 0] > 250 and decoded.pixels[10, 10, 1] == 0


def segment(marker, content):
    return b"\xff" + bytes([marker]) + (len(content) + 2).to_bytes(2, "big") + content


def jpeg_with(*before):
    plain = encoded(picture(), "jpeg")
    return plain[:2] + b"".join(before) + plain[2:]


def exif_segment(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return segment(0xE1, exif.tobytes())


def test_exif_is_found_wherever_a_jpeg_may_hold_it():
    comment, profile = segment(0xFE, b"\xff\xda is no scan here"), segment(0xE2, bytes(65_533))
    for before in [(), (comment,), (comment, profile), (b"\xff",), (b"\xff\xff\xff",)]:
        decoded = decode(jpeg_with(*before, exif_segment(6)), grey=True)
        assert (decoded.width, decoded.height) == (40, 60), before
        assert decoded.decoder == "libjpeg-turbo"


def test_what_only_looks_like_exif_turns_nothing():
    broken = segment(0xE1, b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    for before in (segment(0xFE, b"Exif\x00\x00 is what a comment may say"), broken, exif_segment(9)):
        assert decode(jpeg_with(before)).remark == ""
    assert decode(encoded(picture(), "jpeg") + exif_segment(6)).remark == ""


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


def _seeds():
    small, frames = picture(24, 16), [Image.new("RGB", (12, 8), colour) for colour in ("red", "blue")]
    exif = Image.Exif()
    exif[0x0112] = 6
    found = [encoded(picture(32, 32) if kind == "ico" else small, kind) for kind in FORMATS]
    found += [encoded(frames[0], kind, save_all=True, append_images=frames[1:]) for kind in ("gif", "webp", "png")]
    found += [encoded(small, kind, exif=exif) for kind in ("jpeg", "png", "webp", "tiff")]
    found += [encoded(*STORED[name][:2], **STORED[name][2]) for name in ("cmyk jpeg", "16 bit png", "palette bmp")]
    return [*found, encoded(small, "jpeg", progressive=True), encoded(small, "tiff", compression="tiff_deflate")]


_SEEDS = _seeds()


def decode_or_refuse(data, **options):
    try:
        decoded = decode(data, max_pixels=1_000_000, **options)
    except DecodeError as error:
        assert error.what
    else:
        assert decoded.pixels.ndim == (2 if options.get("grey") else 3)
        assert decoded.pixels.dtype == np.uint8


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6))
def test_mangled_bytes_raise_nothing_else(data, changes):
    mangled = bytearray(data)
    for place, value in changes:
        mangled[place % len(mangled)] = value
    decode_or_refuse(bytes(mangled))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_SEEDS), st.integers(0, 100_000), st.booleans())
def test_flipped_bits_and_cuts_raise_nothing_else(data, place, cut):
    place %= 8 * len(data)
    mangled = bytearray(data[: place // 8 + 1] if cut else data)
    mangled[place // 8] ^= 1 << place % 8
    decode_or_refuse(bytes(mangled), min_size_px=4, grey=True)


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
    found = {path.name: decode(path.read_bytes()) for path in sorted(folder.iterdir())}
    kinds = {name: decoded.format for name, decoded in found.items()}
    assert kinds["ukbench09380.svg"] == kinds["ukbench09380.png"] == kinds["ukbench09380.bmp"] == "jpeg"
    assert kinds["ukbench09380.webp"] == "webp"
    assert kinds["marbles.pbm"] == kinds["baboon.pgm"] == kinds["Iggy.1024.ppm"] == "ppm"
    assert kinds["copyleft.tiff"] == "tiff"
    assert all((d.decoder == "libjpeg-turbo") == (d.format == "jpeg") for d in found.values())
    for decoded in found.values():
        assert decoded.pixels.shape == (decoded.height, decoded.width, 3)
        assert decoded.pixels.std() > 5
    mixed = data / "formats" / "mixed_images"
    with pytest.raises(DecodeError, match="no known image format"):
        decode((mixed / "ukbench09268_corrupt.jpg").read_bytes())
    turned = decode((mixed / "ukbench09268.jpg").read_bytes())
    assert (turned.width, turned.height) == (480, 640)
    opaque = decode((data / "formats" / "alpha_channel_image.png").read_bytes())
    with Image.open(data / "formats" / "alpha_channel_image.png") as image:
        assert np.array_equal(opaque.pixels, np.asarray(image.convert("RGB")))
