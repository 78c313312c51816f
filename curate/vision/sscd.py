"""SSCD, descriptors trained for finding copies (Pizzi et al., CVPR 2022), as TorchScript files of its authors.

A TorchScript file is a program, so that none runs whose SHA-256 is not pinned, here or by the user, unless the user
trusts it. Digests here are those that several independent projects state for the authors' address; where nobody
states one, none is made up.
"""

import os
from pathlib import Path

from curate.errors import MissingInputError, UntrustedFileError, nearest
from curate.vision.networks import IMAGENET_MEAN, IMAGENET_STD, Network, load_file, weights_of
from curate.vision.specs import file_sha256

SIZE_PX = 320
"""Side of the square that images are squeezed to, as the authors recommend for batches (their skew_320)."""

PINS = {
    "sscd_disc_mixup": "9f26bd4c848cc19b73d2ae92eea6e04886f61a7b764ceb7a13aeee62e6a6db56",
    "sscd_disc_large": "",
    "sscd_disc_advanced": "",
    "sscd_disc_blur": "",
    "sscd_imagenet_mixup": "",
    "sscd_imagenet_advanced": "",
    "sscd_imagenet_blur": "",
}
"""SHA-256 of each file, in hex; '' where it is not known. The authors recommend disc_mixup, and disc_large as slower
and more accurate."""

_URL = "https://dl.fbaipublicfiles.com/sscd-copy-detection/"


def cached_file(name: str) -> Path:
    """Where torch.hub keeps the file, found without importing torch.

    Raises:
        MissingInputError: There is no such model.
    """
    if name not in PINS:
        raise MissingInputError(f"SSCD has no model '{name}'", fix=nearest(name, sorted(PINS)))
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub" / "checkpoints" / _file_name(name)


def digest_of(name: str, pin: str) -> str:
    """The SHA-256 that names the encoder: what is pinned, else that of the file in the cache.

    Args:
        name: One of PINS.
        pin: By the user; '' = none.

    Raises:
        MissingInputError: No such model, or neither a pin nor a file.
    """
    path = cached_file(name)
    if pin or PINS[name]:
        return pin or PINS[name]
    if not path.is_file():
        fix = f"Pin it (sscd:{name}@sha256:HEX), or put {_URL}{_file_name(name)} there and pass --trust."
        raise MissingInputError(f"the SHA-256 of sscd:{name} is not known", where=str(path), fix=fix)
    return file_sha256(path)


def load_sscd(name: str, pin: str) -> Network:
    """Load a model, downloaded where the cache lacks it.

    Args:
        name: One of PINS.
        pin: By the user; '' = none. `check_trust` has judged it.

    Raises:
        MissingInputError: It cannot be downloaded.
        UntrustedFileError: The file is not what is pinned.
        FormatError: It is no TorchScript.
    """
    path, digest = cached_file(name), digest_of(name, pin)
    if not path.is_file():
        import torch

        path.parent.mkdir(parents=True, exist_ok=True)
        with weights_of(f"sscd:{name}"):
            torch.hub.download_url_to_file(_URL + path.name, str(path), hash_prefix=digest, progress=False)
    if file_sha256(path) != digest:
        raise UntrustedFileError(f"its SHA-256 is {file_sha256(path)}, not {digest} as pinned", where=str(path))
    network = load_file(path)
    return Network(network.forward, network.to, SIZE_PX, IMAGENET_MEAN, IMAGENET_STD)


def _file_name(name: str) -> str:
    return f"{name}.torchscript.pt"
