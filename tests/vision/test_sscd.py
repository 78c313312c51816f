import hashlib

import pytest
import torch

from curate.errors import FormatError, MissingInputError, UntrustedFileError
from curate.vision import sscd
from curate.vision.encoders import encoder_id, load_encoder


class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 7, 5, stride=4)

    def forward(self, x):
        return self.mix(x).mean((2, 3))


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """The file of an SSCD model in torch.hub's cache, made here."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = sscd.cached_file("sscd_disc_large")
    assert str(path) == f"{torch.hub.get_dir()}/checkpoints/sscd_disc_large.torchscript.pt"
    path.parent.mkdir(parents=True)
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.trace(Mean(), torch.zeros(1, 3, 320, 320)), path)
    return path


def test_sscd_runs_pinned_or_trusted(cached, monkeypatch):
    digest = hashlib.sha256(cached.read_bytes()).hexdigest()
    with pytest.raises(UntrustedFileError, match=f"sscd:sscd_disc_large@sha256:{digest}"):
        load_encoder("sscd:sscd_disc_large")
    names = set()
    for spec, trust in ((f"sscd:sscd_disc_large@sha256:{digest}", False), ("sscd:sscd_disc_large", True)):
        encoder = load_encoder(spec, trust=trust, device="cpu", batch_size=1)
        assert (encoder.dim, encoder.size_px) == (7, 320)
        names.add(encoder.name)
    assert len(names) == 1
    monkeypatch.setitem(sscd.PINS, "sscd_disc_large", digest)
    assert load_encoder("sscd:sscd_disc_large", device="cpu", batch_size=1).name in names
    cached.write_bytes(cached.read_bytes() + b"x")
    with pytest.raises(UntrustedFileError, match=f"not {digest} as pinned"):
        load_encoder("sscd:sscd_disc_large", trust=True)


def test_sscd_is_downloaded_against_its_digest(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(sscd, "_URL", f"file://{tmp_path}/")
    (tmp_path / "sscd_disc_mixup.torchscript.pt").write_bytes(b"not what was published")
    with pytest.raises(MissingInputError, match="weights of sscd:sscd_disc_mixup cannot be had: invalid hash value"):
        load_encoder("sscd:sscd_disc_mixup")
    assert not sscd.cached_file("sscd_disc_mixup").exists()
    digest = hashlib.sha256(b"not what was published").hexdigest()
    with pytest.raises(FormatError, match="no exported network"):
        load_encoder(f"sscd:sscd_disc_mixup@sha256:{digest}")
    assert sscd.cached_file("sscd_disc_mixup").is_file()


def test_sscd_models_without_a_known_digest(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingInputError, match="SHA-256 of sscd:sscd_disc_blur is not known.*Pin it"):
        load_encoder("sscd:sscd_disc_blur", trust=True)
    with pytest.raises(MissingInputError, match="Did you mean 'sscd_disc_mixup'"):
        encoder_id("sscd:sscd_disc_mixdown")
    # A name needs no file where the digest is known.
    assert encoder_id("sscd:sscd_disc_mixup") == encoder_id(
        f"sscd:sscd_disc_mixup@sha256:{sscd.PINS['sscd_disc_mixup']}"
    )
