import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from curate.errors import FormatError, MissingInputError, ParameterError, UntrustedFileError
from curate.vision import builtin, networks
from curate.vision.encoders import check_trust, encoder_id, load_encoder, normalise
from curate.vision.networks import load_from_library, load_open_clip, load_timm, load_torchvision, weights_sha256


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
        check_trust(f"file:{path}@sha256:1234{0:060}", trust=True)
    with pytest.raises(ParameterError, match="'1234' is no SHA-256.*64 hex digits"):
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
    for network, _ in (load_torchvision("resnet18", pretrained=False), load_timm("resnet18", pretrained=False)):
        with torch.inference_mode():
            assert network.forward(torch.zeros(1, 3, network.size_px, network.size_px)).shape == (1, 512)


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


def test_weights_that_the_cache_holds_are_checked_against_their_name(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"something else")
    with pytest.raises(UntrustedFileError, match="its name says f37072fd"):
        load_torchvision("resnet18")


def test_weights_of_a_library_can_be_pinned(monkeypatch):
    torch.manual_seed(0)
    made = load_torchvision("resnet18", pretrained=False)
    monkeypatch.setattr(networks, "load_torchvision", lambda _: made)
    digest = weights_sha256(made[1])
    assert load_from_library("torchvision", "resnet18", digest) is made[0]
    made[1].conv1.weight.data[0, 0, 0, 0] += 1e-3
    with pytest.raises(UntrustedFileError, match=f"not {digest} as pinned"):
        load_from_library("torchvision", "resnet18", digest)
    pinned = {encoder_id(f"torchvision:resnet18@sha256:{pin}") for pin in (digest, digest[::-1])}
    assert len(pinned | {encoder_id("torchvision:resnet18")}) == 3
    assert all(name.startswith("torchvision:resnet18#") for name in pinned)


def test_the_builtin_encoder_is_a_network_like_others():
    encoder = load_encoder("builtin", device="cpu")
    assert (encoder.name, encoder.dim) == (encoder_id("builtin"), builtin.DIM)
    images = [picture(seed) for seed in range(20)]
    vectors = encoder.encode([encoder.preprocess(image) for image in images])
    np.testing.assert_allclose(vectors, [builtin.describe(image) for image in images], atol=1e-5)
    np.testing.assert_array_equal(vectors[7:8], encoder.encode([encoder.preprocess(images[7])]))
