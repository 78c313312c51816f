"""Image encoders: pixels to L2-normalised descriptors, all behind one small dataclass.

    builtin                    hand-made descriptor, no download, see builtin.py
    file:PATH                  an exported network: torch.export (.pt2) or TorchScript (.pt)
    file:PATH@sha256:HEX       the same, pinned: runs without `trust`
    torchvision:NAME           weights that the library calls its default
    timm:NAME
    open_clip:NAME/TAG
    vectors:PATH               no network: vectors computed elsewhere, see vectors.py

The whole image is squeezed to the network's square input. For finding copies that beats a centre crop, which
loses what a crop, border or collage has moved.

Dimension letters: N images, H height, W width, D descriptor.
"""

import importlib.metadata
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.errors import FormatError, MissingInputError, ParameterError, UntrustedFileError, nearest
from curate.vision import builtin

if TYPE_CHECKING:
    from curate.vision.networks import Network

log = logging.getLogger(__name__)

KINDS = ("builtin", "file", "open_clip", "timm", "torchvision", "vectors")
_PACKAGES = {"torchvision": "torchvision", "timm": "timm", "open_clip": "open_clip_torch"}
_DEFAULT_BLOCK = {"cpu": 16, "cuda": 256}


@dataclass(frozen=True)
class Encoder:
    """A ready image encoder.

    Attributes:
        name: As in the tables: label, '#', 12 hex digits of the digest of weights and preprocessing.
        dim: D, length of a descriptor.
        device: Where it runs: 'cpu' or 'cuda'.
        size_px: Short side, in pixels, that a reduced-size decode should keep.
        batch_size: Images per forward pass.
        preprocess: uint8 RGB image H × W × 3 to the array that `encode` stacks; safe to call from threads.
        encode: N stacked arrays to float32 N × D, rows of length 1. A row of zeros where the network gave nothing
            usable (NaN, infinite or zero).
    """

    name: str
    dim: int
    device: str
    size_px: int
    batch_size: int
    preprocess: Callable[[NDArray[np.uint8]], NDArray[Any]]
    encode: Callable[[NDArray[Any]], NDArray[np.float32]]


def encoder_id(spec: str) -> str:
    """The name that an encoder bears in the tables, found without loading it.

    Args:
        spec: An encoder as on the command line, see the top of this file.

    Returns:
        Label and digest. For a file the digest is over its content; for a library's model over its name and the
        library's version, which fixes the weights that a name stands for.

    Raises:
        MissingInputError: No such kind of encoder, or no such file.
        MissingExtraError: Its library is not installed.
    """
    kind, rest = split_spec(spec)
    if kind == "builtin":
        return _name("builtin", builtin.VERSION)
    if kind == "vectors":
        from curate.vision.vectors import vector_files

        return _name(f"vectors:{Path(rest).name}", *(file_sha256(path) for path in vector_files(Path(rest))))
    if kind == "file":
        path, _ = split_pin(rest)
        return _name(f"file:{path.name}", file_sha256(path), "squeeze bilinear")
    try:
        version = importlib.metadata.version(_PACKAGES[kind])
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingInputError(f"encoder '{spec}' needs the package {_PACKAGES[kind]}") from error
    return _name(spec, version, "squeeze bilinear")


def load_encoder(spec: str, *, trust: bool = False, device: str = "auto", batch_size: int | None = None) -> Encoder:
    """Load an encoder.

    Args:
        spec: An encoder as on the command line, see the top of this file.
        trust: Run a `file:` whose digest is not pinned.
        device: 'cpu', 'cuda', or 'auto': CUDA where there is a device.
        batch_size: Images per forward pass; None = 16 on the CPU, 256 on CUDA. Every pass has exactly that many, the
            last one padded, so that a vector never depends on what else was in the batch.

    Raises:
        MissingInputError: No such encoder, file or weights.
        UntrustedFileError: A foreign file that is neither trusted nor pinned.
        FormatError: The file is no exported network, or not one from images to vectors.
    """
    kind, rest = split_spec(spec)
    name = encoder_id(spec)
    if kind == "builtin":
        log.warning("untrained descriptor: builtin compares colours, edges and coarse layout, and knows no objects")
        return Encoder(name, builtin.DIM, "cpu", 2 * builtin.SIZE_PX, 64, builtin.describe, normalise)
    if kind == "vectors":
        raise ParameterError(f"'{spec}' holds vectors, it cannot encode images")
    from curate.vision.networks import load_file, load_from_library

    if kind == "file":
        check_trust(spec, trust)
        network = load_file(split_pin(rest)[0])
    else:
        network = load_from_library(kind, rest)
    return _torch_encoder(name, network, _resolve_device(device), batch_size)


def split_spec(spec: str) -> tuple[str, str]:
    """'kind:rest' in two; `rest` is '' for the built-in one.

    Raises:
        MissingInputError: There is no such kind of encoder.
    """
    kind, colon, rest = spec.partition(":")
    if kind not in KINDS or (kind == "builtin") == bool(colon) or bool(colon) != bool(rest):
        known = [kind if kind == "builtin" else f"{kind}:…" for kind in KINDS]
        raise MissingInputError(f"no encoder '{spec}'", fix=nearest(spec, known))
    return kind, rest


def split_pin(rest: str) -> tuple[Path, str]:
    """'PATH@sha256:HEX' as path and hex digest; the digest is '' where there is none."""
    path, _, pin = rest.partition("@sha256:")
    return Path(path), pin.lower()


def check_trust(spec: str, trust: bool) -> None:
    """Refuse a `file:` encoder that nobody vouches for; other kinds pass.

    Raises:
        UntrustedFileError: Neither trusted nor pinned, or its content is not what was pinned.
    """
    kind, rest = split_spec(spec)
    if kind != "file":
        return
    path, pin = split_pin(rest)
    digest = file_sha256(path)
    if pin and pin != digest:
        raise UntrustedFileError(f"its SHA-256 is {digest}, not {pin} as pinned", where=str(path))
    if not pin and not trust:
        fix = f"If you know where it comes from, pass --trust or pin it: --encoder file:{path}@sha256:{digest}"
        raise UntrustedFileError("an exported network is a program, and it would be run", where=str(path), fix=fix)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hex.

    Raises:
        MissingInputError: There is no such file.
    """
    try:
        stat = path.stat()
        return _file_sha256(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise MissingInputError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


@cache
def _file_sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def normalise(vectors_ND: NDArray[Any]) -> NDArray[np.float32]:
    """Rows scaled to length 1, in float64; a row without a direction (zero, NaN, infinite) becomes zeros."""
    wide_ND = vectors_ND.astype(np.float64)
    usable_N = np.isfinite(wide_ND).all(axis=1)
    wide_ND[~usable_N] = 0.0
    length_N = np.sqrt((wide_ND * wide_ND).sum(axis=1))
    length_N[length_N == 0.0] = 1.0
    return np.asarray(wide_ND / length_N[:, None], dtype=np.float32)


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


def _torch_encoder(name: str, network: "Network", device: str, batch_size: int | None) -> Encoder:
    import torch

    network.to(device)
    block = network.fixed_batch or batch_size or _DEFAULT_BLOCK[device]
    mean = torch.tensor(network.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(network.std, device=device).view(1, 3, 1, 1)

    def forward(images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        padded = np.zeros((block, *images_NHWC.shape[1:]), np.uint8)
        padded[: len(images_NHWC)] = images_NHWC
        images = torch.from_numpy(padded)
        if device == "cuda":
            images = images.pin_memory().to(device, non_blocking=True)
        # N × H × W × 3 seen as N × 3 × H × W is the channels_last layout: nothing is copied.
        images_NCHW = (images.permute(0, 3, 1, 2).float().div_(255.0) - mean) / std
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            vectors = network.forward(images_NCHW)
        return _as_rows(vectors, name, block)[: len(images_NHWC)]

    def encode(images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        blocks = [forward(images_NHWC[i : i + block]) for i in range(0, len(images_NHWC), block)]
        return normalise(np.concatenate(blocks))

    dim = forward(np.zeros((1, network.size_px, network.size_px, 3), np.uint8)).shape[1]
    preprocess = partial(squeeze, size_px=network.size_px)
    return Encoder(name, dim, device, network.size_px, block, preprocess, encode)


def _as_rows(output: Any, name: str, n_images: int) -> NDArray[np.float32]:
    """A network's output as N × D; N × D × 1 × 1 (pooled, not flattened) is accepted."""
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) < 2 or shape[0] != n_images or any(side != 1 for side in shape[2:]):
        found = f"shape {shape}" if shape else type(output).__name__
        raise FormatError(
            f"gives {found} for {n_images} images, not one vector each",
            where=f"encoder {name}",
            fix="Export the network with pooling and without its classifier: N x D.",
        )
    rows: NDArray[np.float32] = output.detach().float().cpu().numpy().reshape(shape[0], shape[1])
    return rows
