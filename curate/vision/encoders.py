"""Image encoders: pixels to L2-normalised descriptors, all behind one small dataclass.

    builtin                    no download, see builtin.py
    file:PATH                  an exported network: torch.export (.pt2) or TorchScript (.pt)
    sscd:NAME                  copy-detection networks of Pizzi et al., see sscd.py
    torchvision:NAME           weights that the library calls its default
    timm:NAME
    open_clip:NAME/TAG
    vectors:PATH               no network: vectors computed elsewhere, see vectors.py

    torchvision:NAME+rmac      R-MAC pooling of the last feature map, see pooling.py; also timm:NAME+rmac
    …@sha256:HEX               pinned: the digest of the file (file:, sscd:) or of the loaded weights (libraries)

The whole image is squeezed to the network's square input. For finding copies that beats a centre crop, which
loses what a crop, border or collage has moved.

Dimension letters: N images, H height, W width, D descriptor.
"""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.errors import MissingInputError, ParameterError, UntrustedFileError, nearest
from curate.vision import builtin
from curate.vision.specs import file_sha256, split_pin, split_spec

if TYPE_CHECKING:
    from curate.vision.networks import Network

VIEWS = ("", "hflip")
"""How an eval image is looked at: as it is, and mirrored left to right; a copy may be either."""

_PACKAGES = {"torchvision": "torchvision", "timm": "timm", "open_clip": "open_clip_torch"}
_PREPARED = "squeeze bilinear"


@dataclass(frozen=True)
class Encoder:
    """A ready image encoder.

    Attributes:
        name: As in the tables: label, '#', 12 hex digits of the digest of weights and preprocessing.
        dim: D, length of a descriptor.
        device: Where it runs: 'cpu' or 'cuda'.
        size_px: Short side, in pixels, that a reduced-size decode should keep.
        batch_size: Images per forward pass.
        preprocess: uint8 RGB image H × W × 3 to what `encode` takes; safe to call from threads.
        encode: N of them to float32 N × D, rows of length 1; safe to call from threads. A row of zeros where the
            network gave nothing usable (NaN, infinite or zero).
        n_streams: How many calls of `encode` at once keep the device busy.
        bare: One pass of the network over a batch that lies ready on the device, to the end; for measuring. None
            where there is no network.
    """

    name: str
    dim: int
    device: str
    size_px: int
    batch_size: int
    preprocess: Callable[[NDArray[np.uint8]], NDArray[Any]]
    encode: Callable[[Sequence[NDArray[Any]] | NDArray[Any]], NDArray[np.float32]]
    n_streams: int = 1
    bare: Callable[[], None] | None = None


def encoder_id(spec: str) -> str:
    """The name that an encoder bears in the tables, found without loading it.

    Args:
        spec: An encoder as on the command line, see the top of this file.

    Returns:
        Label and digest. For a file the digest is over its content. For a library's model it is over its name, the
        library's version, which says where the weights come from, and the pin, where there is one.

    Raises:
        MissingInputError: No such kind of encoder, or no such file.
        MissingExtraError: Its library is not installed.
    """
    kind, rest = split_spec(spec)
    if kind == "builtin":
        return _name("builtin", builtin.VERSION, file_sha256(builtin.WEIGHTS))
    if kind == "vectors":
        from curate.vision.vectors import vectors_digest

        return _name(f"vectors:{Path(rest).name}", vectors_digest(Path(rest)))
    bare, pin = split_pin(rest)
    if kind == "file":
        return _name(f"file:{Path(bare).name}", file_sha256(Path(bare)), _PREPARED)
    if kind == "sscd":
        from curate.vision.sscd import SIZE_PX, digest_of

        return _name(f"sscd:{bare}", digest_of(bare, pin), f"{_PREPARED} {SIZE_PX}")
    try:
        version = importlib.metadata.version(_PACKAGES[kind])
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingInputError(f"encoder '{spec}' needs the package {_PACKAGES[kind]}") from error
    return _name(f"{kind}:{bare}", version, *([pin] if pin else []), _PREPARED)


def load_encoder(spec: str, *, trust: bool = False, device: str = "auto", batch_size: int | None = None) -> Encoder:
    """Load an encoder.

    Args:
        spec: An encoder as on the command line, see the top of this file.
        trust: Run a program (`file:`, `sscd:`) whose digest is not pinned.
        device: 'cpu', 'cuda', or 'auto': CUDA where there is a device.
        batch_size: Images per forward pass; None = 4 of 224 pixels on the CPU, 256 on CUDA. Every pass has exactly
            that many, the last one padded, so that a vector never depends on what else was in the batch.

    Raises:
        MissingInputError: No such encoder, file or weights.
        UntrustedFileError: A foreign file that is neither trusted nor pinned, or weights that are not what was pinned.
        FormatError: The file is no exported network, or not one from images to vectors.
    """
    kind, rest = split_spec(spec)
    check_trust(spec, trust)
    name = encoder_id(spec)
    if kind == "vectors":
        raise ParameterError(f"'{spec}' holds vectors, it cannot encode images")
    from curate.vision.forward import torch_encoder

    return torch_encoder(name, _network(kind, rest), _resolve_device(device), batch_size)


def _network(kind: str, rest: str) -> "Network":
    """The network of an encoder whose digest is trusted or will be checked."""
    from curate.vision.networks import load_file, load_from_library

    if kind == "builtin":
        return builtin.network()
    bare, pin = split_pin(rest)
    if kind == "file":
        return load_file(Path(bare))
    if kind == "sscd":
        from curate.vision.sscd import load_sscd

        return load_sscd(bare, pin)
    return load_from_library(kind, bare, pin)


def check_trust(spec: str, trust: bool) -> None:
    """Refuse a program that nobody vouches for; kinds that bring weights only pass.

    Raises:
        UntrustedFileError: Neither trusted nor pinned, or its content is not what was pinned.
        MissingInputError: It is not there.
    """
    kind, rest = split_spec(spec)
    bare, pin = split_pin(rest)
    if kind == "sscd":
        from curate.vision.sscd import PINS, cached_file, digest_of

        path, _ = cached_file(bare), digest_of(bare, pin)
        pin = pin or PINS[bare]
        if not path.is_file():
            return  # digest_of knows a pin; the file is checked against it once it is downloaded
    elif kind == "file":
        path = Path(bare)
    else:
        return
    digest = file_sha256(path)
    if pin and pin != digest:
        raise UntrustedFileError(f"its SHA-256 is {digest}, not {pin} as pinned", where=str(path))
    if not pin and not trust:
        fix = f"If you know where it comes from, pass --trust or pin it: --encoder {kind}:{bare}@sha256:{digest}"
        raise UntrustedFileError("an exported network is a program, and it would be run", where=str(path), fix=fix)


def normalise(vectors_ND: NDArray[Any]) -> NDArray[np.float32]:
    """Rows scaled to length 1, in float64; a row without a direction (zero, NaN, infinite) becomes zeros."""
    wide_ND = vectors_ND.astype(np.float64)
    usable_N = np.isfinite(wide_ND).all(axis=1)
    wide_ND[~usable_N] = 0.0
    length_N = np.sqrt((wide_ND * wide_ND).sum(axis=1))
    length_N[length_N == 0.0] = 1.0
    return np.asarray(wide_ND / length_N[:, None], dtype=np.float32)


def views_of(kind: str) -> tuple[str, ...]:
    """The views that a kind of encoder can compute; vectors from elsewhere come in one."""
    return VIEWS[:1] if kind == "vectors" else VIEWS


def seen(pixels: NDArray[np.uint8], view: str) -> NDArray[np.uint8]:
    """Pixels H × W × 3 in one of VIEWS."""
    return np.ascontiguousarray(pixels[:, ::-1]) if view == "hflip" else pixels


def squeeze(pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """The whole image as a square, bilinear with antialiasing; its aspect ratio is not kept.

    Args:
        pixels: uint8, H × W × 3.
        size_px: Side of the square.
    """
    return np.asarray(Image.fromarray(pixels).resize((size_px, size_px), Image.Resampling.BILINEAR))


def _name(label: str, *facts: str) -> str:
    return f"{label}#{sha256(chr(10).join(facts).encode()).hexdigest()[:12]}"


def _resolve_device(device: str) -> str:
    if device not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"no device '{device}'", fix=nearest(device, ("auto", "cpu", "cuda")))
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise ParameterError("device 'cuda' was asked for, and torch sees none", fix="Use --device auto.")
    return "cpu"
