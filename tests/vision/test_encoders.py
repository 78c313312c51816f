import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageEnhance

from curate.errors import FormatError, MissingInputError, ParameterError, UntrustedFileError
from curate.vision import builtin
from curate.vision.encoders import check_trust, encoder_id, load_encoder, normalise
from curate.vision.networks import load_open_clip, load_timm, load_torchvision
from curate.vision.vectors import column_vectors, read_vectors


def picture(seed, width=160, height=120):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    fine = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    layers = [Image.fromarray(layer).resize((width, height), Image.Resampling.BICUBIC) for layer in (coarse, fine)]
    return np.asarray(Image.blend(layers[0], layers[1], 0.3))


class Mean(torch.nn.Module):
    def __init__(self, tail=()):
        super().__init__()
        self.tail = tail
        self.mix = torch.nn.Conv2d(3, 7, 5, stride=4)

    def forward(self, x):
        x = self.mix(x)
        return x if self.tail == "map" else x.mean((2, 3), keepdim=self.tail == "pooled")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Paths of small exported networks, by kind."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    made = {"plain": folder / "plain.pt2", "fixed": folder / "fixed.pt2"}
    shape = {"x": {0: torch.export.Dim("batch", min=1, max=512)}}
    torch.export.save(torch.export.export(Mean(), (torch.zeros(2, 3, 48, 48),), dynamic_shapes=shape), made["plain"])
    torch.export.save(torch.export.export(Mean("pooled"), (torch.zeros(5, 3, 48, 48),)), made["fixed"])
    made["map"] = folder / "map.pt2"
    torch.export.save(torch.export.export(Mean("map"), (torch.zeros(4, 3, 48, 48),)), made["map"])
    made["weights"] = folder / "weights.pt"
    torch.save(Mean().state_dict(), made["weights"])
    return made


def test_a_name_tells_the_content_and_needs_no_loading(exported, tmp_path):
    name = encoder_id(f"file:{exported['plain']}")
    assert name.startswith("file:plain.pt2#")
    assert len(name.partition("#")[2]) == 12
    copy = tmp_path / "plain.pt2"
    copy.write_bytes(exported["plain"].read_bytes())
    assert encoder_id(f"file:{copy}") == name
    copy.write_bytes(copy.read_bytes() + b"x")
    assert encoder_id(f"file:{copy}") != name
    assert encoder_id("builtin").startswith("builtin#")
    assert encoder_id("timm:resnet18") != encoder_id("timm:resnet34")


@pytest.mark.parametrize("spec", ["buitlin", "builtin:x", "file:", "nowhere:x", "timm"])
def test_unknown_encoders_name_what_there_is(spec):
    with pytest.raises(MissingInputError, match=r"Did you mean|Known"):
        encoder_id(spec)


def test_a_foreign_program_needs_trust_or_its_digest(exported):
    path = exported["plain"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UntrustedFileError, match=f"--trust or pin it.*@sha256:{digest}"):
        load_encoder(f"file:{path}")
    with pytest.raises(UntrustedFileError, match="not 1234"):
        check_trust(f"file:{path}@sha256:1234", trust=True)
    assert load_encoder(f"file:{path}@sha256:{digest}", device="cpu").dim == 7
    with pytest.raises(MissingInputError, match="cannot be read"):
        load_encoder("file:/no/such.pt2", trust=True)


@pytest.mark.parametrize("kind", ["plain", "fixed"])
def test_an_exported_network(exported, kind):
    encoder = load_encoder(f"file:{exported[kind]}", trust=True, device="cpu")
    assert encoder.size_px == 48
    images = np.stack([encoder.preprocess(picture(seed)) for seed in range(23)])
    vectors = encoder.encode(images)
    assert vectors.shape == (23, 7)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for cut in (1, 4, 16):
        pieces = [encoder.encode(images[i : i + cut]) for i in range(0, 23, cut)]
        np.testing.assert_array_equal(np.concatenate(pieces), vectors)


def test_torchscript_runs_too(tmp_path):
    path = tmp_path / "net.pt"
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.trace(Mean(), torch.zeros(1, 3, 224, 224)), path)
    encoder = load_encoder(f"file:{path}", trust=True, device="cpu", batch_size=2)
    assert (encoder.dim, encoder.size_px, encoder.batch_size) == (7, 224, 2)


def test_what_is_no_encoder_is_refused(exported, tmp_path):
    with pytest.raises(FormatError, match="not one vector each"):
        load_encoder(f"file:{exported['map']}", trust=True, device="cpu")
    with pytest.raises(FormatError, match="bare weights are not enough"):
        load_encoder(f"file:{exported['weights']}", trust=True)
    (tmp_path / "junk.pt2").write_bytes(b"junk")
    with pytest.raises(FormatError, match="no exported network"):
        load_encoder(f"file:{tmp_path / 'junk.pt2'}", trust=True)
    with pytest.raises(ParameterError, match="no device 'gpu'"):
        load_encoder(f"file:{exported['plain']}", trust=True, device="gpu")


def test_rows_without_a_direction_become_zeros():
    rows = normalise(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [0, 0], [0, 0]])


def test_library_models_lose_their_classifier():
    for network, dim in ((load_torchvision("resnet18", pretrained=False), 512),
                         (load_timm("resnet18", pretrained=False), 512)):  # fmt: skip
        with torch.inference_mode():
            assert network.forward(torch.zeros(1, 3, network.size_px, network.size_px)).shape == (1, dim)


@pytest.mark.parametrize(
    ("load", "name"), [(load_timm, "resnet19"), (load_torchvision, "resnet19"), (load_open_clip, "ViT-B-32/laion")]
)
def test_unknown_library_models(load, name):
    with pytest.raises(MissingInputError, match="Did you mean"):
        load(name)


def test_missing_weights_are_one_clear_line(monkeypatch):
    from torchvision.models import ResNet18_Weights

    def no_network(*_args, **_kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", no_network)
    with pytest.raises(MissingInputError, match="weights of torchvision:resnet18 cannot be had: Name or service"):
        load_torchvision("resnet18")


def cosine(a, b):
    return float(builtin.describe(a) @ builtin.describe(b))


def test_the_builtin_descriptor_knows_copies(caplog):
    encoder = load_encoder("builtin")
    assert "untrained descriptor" in caplog.text
    original = picture(0)
    assert encoder.encode(np.stack([encoder.preprocess(original)])).shape == (1, builtin.DIM)
    image = Image.fromarray(original)
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=40)
    copies = {
        "jpeg": Image.open(packed),
        "resize": image.resize((90, 70)),
        "colour": ImageEnhance.Color(image).enhance(0.8),
        "brightness": ImageEnhance.Brightness(image).enhance(0.85),
        "crop": image.crop((6, 5, 154, 115)),
    }
    others = max(cosine(original, picture(seed)) for seed in range(1, 30))
    for name, copy in copies.items():
        assert cosine(original, np.asarray(copy)) > others + 0.1, name


def test_the_builtin_descriptor_of_odd_images_is_finite():
    for value, shape in ((0, (1, 1, 3)), (255, (3, 900, 3)), (128, (64, 64, 3))):
        vector = builtin.describe(np.full(shape, value, np.uint8))
        assert abs(np.linalg.norm(vector) - 1) < 1e-5


def test_vectors_from_parquet_and_npy(tmp_path):
    vectors = np.array([[3.0, 4.0], [0.0, 1e-30]], np.float32)
    keys = ["a", "b\u00e9"]
    pq.write_table(pa.table({"key": keys, "vector": list(vectors)}), tmp_path / "v.parquet")
    np.save(tmp_path / "v.npy", vectors.astype(np.float64))
    with pytest.raises(MissingInputError, match="v.keys.txt"):
        read_vectors(tmp_path / "v.npy")
    (tmp_path / "v.keys.txt").write_text("a\nb\u00e9\n", encoding="utf-8")
    for name in ("v.parquet", "v.npy"):
        found = read_vectors(tmp_path / name)
        assert found.row == {"a": 0, "b\u00e9": 1}
        np.testing.assert_allclose(found.vectors, [[0.6, 0.8], [0, 1]], atol=1e-6)
        assert encoder_id(f"vectors:{tmp_path / name}").startswith(f"vectors:{name}#")


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"key": ["a", "a"], "vector": [[1.0], [2.0]]}, "'a' occurs twice"),
        ({"key": ["a", "b"], "vector": [[1.0], [0.0]]}, "'b' has no direction: all zeros"),
        ({"key": ["a", "b"], "vector": [[1.0], [float("nan")]]}, "NaN"),
        ({"key": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "different lengths"),
        ({"key": ["a", "b"], "vector": [[1.0], None]}, "NULL"),
        ({"name": ["a"], "vector": [[1.0]]}, "no column key"),
        ({"key": ["a"], "vector": ["x"]}, "not a list"),
    ],
)
def test_unusable_vectors(tmp_path, columns, what):
    pq.write_table(pa.table(columns), tmp_path / "v.parquet")
    with pytest.raises(FormatError, match=what):
        read_vectors(tmp_path / "v.parquet")


def test_no_pickle_is_read(tmp_path):
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "v.keys.txt").write_text("a\n")
    with pytest.raises(FormatError, match="cannot be read"):
        read_vectors(tmp_path / "v.npy")


def test_half_precision_lists_come_back_with_length_one():
    vectors = np.random.default_rng(0).standard_normal((4, 100))
    halves = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    column = pa.array([None, *list(halves)], pa.list_(pa.float16()))
    rows, found = column_vectors(column)
    assert rows.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
