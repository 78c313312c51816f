"""The descriptor that needs no download: what a small network learnt about copies, beside a block made by hand.

The network learnt from procedural images alone; its weights ship with the package (data/builtin.safetensors, made by
examples/train_descriptor). data/builtin.md says what the descriptor is good at and where it fails.

Learnt block: a stem and three stages of one residual block, batch norms folded in, pooled by a generalised mean (GeM,
Radenović et al., TPAMI 2018), and one linear layer that whitens. Hand-made block, which knows colours better:

    layout      lowest frequencies of luma and of two opponent colours (DCT), as perceptual hashes use them
    edges       histograms of gradient direction on a 4 x 4 grid (Dalal and Triggs, CVPR 2005), unsigned
    texture     energy of gradients by direction at three scales, over the whole image
    colours     histogram of opponent colours over the whole image

Each hand-made group is centred, power-normalised (Perronnin et al., ECCV 2010), scaled to length 1 and weighted, so
that a dot product of two descriptors is a weighted mean of five correlations.

Dimension letters: N images, H = W = SIZE_PX, C channels, D descriptor.
"""

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.errors import MissingInputError
from curate.vision.networks import Network

if TYPE_CHECKING:
    from torch import Tensor

VERSION = "builtin 3"
"""Raised whenever the same image would give another vector."""

SIZE_PX = 72
"""Side of the square that the whole image is squeezed to; a multiple of 4."""

DIM = 192 + 256
"""D, length of a descriptor: learnt block, then hand-made block."""

HAND_SHARE = 0.3
"""Weight of the hand-made block in a dot product."""

WEIGHTS = Path(__file__).parent / "data" / "builtin.safetensors"
"""Weights, float16: convolutions with biases, and the last layer D × C with its bias."""

_MEAN, _STD = 0.5, 0.25
_N_STAGES, _N_POOLED, _SMALLEST = 3, 2, 1e-4
_NOTHING = 5e-3  # what rounding leaves of the groups of a flat image is less
_LUMA_DCT, _CHROMA_DCT, _EDGE_BINS, _TEXTURE_BINS, _GRID, _COLOURS = 7, 4, 8, 4, 4, 6
_WEIGHTS = {"layout": 0.35, "edges": 0.35, "texture": 0.1, "colours": 0.2}
_POWERS = {"layout": 0.75, "edges": 0.5, "texture": 0.5, "colours": 0.5}


def network() -> Network:
    """The descriptor as a network, on the CPU until it is moved.

    It takes RGB in [0, 1] less 0.5 and divided by 0.25, N × 3 × SIZE_PX × SIZE_PX, and gives N × DIM, length 1.

    Raises:
        MissingInputError: The package was installed without its weights.
    """
    import torch
    from safetensors.torch import load_file

    if not WEIGHTS.is_file():
        raise MissingInputError("no weights of the built-in descriptor", where=str(WEIGHTS), fix="Reinstall curate.")
    weights = {name: values.float() for name, values in load_file(str(WEIGHTS)).items()}
    for name, values in weights.items():
        if values.ndim == 4:  # as the images lie, N × H × W × 3
            weights[name] = values.contiguous(memory_format=torch.channels_last)

    def move(device: str, memory_format: Any = None) -> None:
        del memory_format  # the kernels lie as they should
        weights.update({name: values.to(device) for name, values in weights.items()})

    def forward(images: Any) -> Any:
        learnt = torch.nn.functional.normalize(learnt_block(weights, images).float())
        with torch.autocast(images.device.type, enabled=False):
            made = hand_block(images.float() * _STD + _MEAN)
        return torch.cat([learnt * math.sqrt(1 - HAND_SHARE), made * math.sqrt(HAND_SHARE)], 1)

    return Network(forward, move, SIZE_PX, mean=(_MEAN,) * 3, std=(_STD,) * 3)


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe one image by itself; many are faster through `network`, and may differ in the last bits.

    Args:
        pixels: uint8 RGB, H × W × 3, any size.

    Returns:
        float32 of length DIM; its length is 1.
    """
    import torch

    small = Image.fromarray(pixels).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)
    image = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        return np.asarray(_network().forward((image - _MEAN) / _STD)[0].numpy())


@cache
def _network() -> Network:
    return network()


def learnt_block(weights: "dict[str, Tensor]", images: "Tensor") -> "Tensor":
    """The trained network.

    Args:
        weights: As in the file, as float32.
        images: Float, N × 3 × H × W, (RGB in [0, 1] − 0.5) / 0.25.

    Returns:
        N × 192, of any length.
    """
    import torch
    from torch.nn.functional import conv2d, linear, relu

    def convolve(x: "Tensor", name: str, stride: int = 1) -> "Tensor":
        kernel = weights[f"{name}.weight"]
        return conv2d(x, kernel, weights[f"{name}.bias"], stride, kernel.shape[-1] // 2)

    centred = images - images.mean((2, 3), keepdim=True)
    contrast = centred.pow(2).mean((1, 2, 3), keepdim=True).sqrt()
    x = relu(convolve(centred / (contrast + 0.1), "stem", 2))
    pooled = []
    for stage in range(_N_STAGES):
        x = relu(convolve(x, f"down.{stage}", 2))
        x = relu(x + convolve(relu(convolve(x, f"first.{stage}")), f"second.{stage}"))
        positive = x.float().clamp(min=_SMALLEST)
        pooled.append((positive * positive * positive).mean((2, 3)).pow(1.0 / 3.0))
    return linear(torch.cat(pooled[-_N_POOLED:], 1), weights["head.weight"], weights["head.bias"])


def hand_block(images: "Tensor") -> "Tensor":
    """Layout, edges, texture and colours.

    Args:
        images: float32 RGB in [0, 1], N × 3 × H × W.

    Returns:
        N × 256, rows of length 1.
    """
    import torch

    red, green, blue = images.unbind(1)
    luma, opponents = images.mean(1), ((red - green) / 2, (red + green) / 4 - blue / 2)
    groups = {
        "layout": _layout(luma, opponents),
        "edges": _edges(luma),
        "texture": _texture(luma),
        "colours": _colours(*opponents),
    }
    return torch.cat([math.sqrt(_WEIGHTS[name]) * _unit(values, _POWERS[name]) for name, values in groups.items()], 1)


def _unit(values: "Tensor", power: float) -> "Tensor":
    """Signed power, then length 1; nothing to see gives a constant direction instead of none."""
    powered = values.sign() * values.abs().pow(power)
    length = powered.norm(dim=1, keepdim=True)
    found: Tensor = (powered / length.clamp(min=_NOTHING)).where(length >= _NOTHING, values.shape[1] ** -0.5)
    return found


def _layout(luma: "Tensor", opponents: "tuple[Tensor, Tensor]") -> "Tensor":
    import torch

    low = [_low_frequencies(luma, _LUMA_DCT)[:, 1:], *(_low_frequencies(part, _CHROMA_DCT) for part in opponents)]
    return torch.cat(low, 1)


def _low_frequencies(channel: "Tensor", n: int) -> "Tensor":
    """N × H × W to the first n × n coefficients of its orthonormal DCT-II, N × n²."""
    import torch

    side = channel.shape[-1]
    row, column = torch.arange(n, device=channel.device)[:, None], torch.arange(side, device=channel.device)[None, :]
    cosines = math.sqrt(2 / side) * torch.cos(math.pi * row * (2 * column + 1) / (2 * side))
    cosines[0] /= math.sqrt(2)
    return (cosines @ channel @ cosines.T).flatten(1)


def _energies(luma: "Tensor", n_bins: int) -> "Tensor":
    """Gradient magnitude by direction (mod 180°), N × n_bins × H × W, shared between the two nearest bins."""
    import torch

    dy, dx = torch.gradient(luma, dim=(1, 2))
    place = torch.remainder(torch.atan2(dy, dx) / math.pi, 1.0) * n_bins
    off = (place[:, None] - torch.arange(n_bins, device=luma.device)[:, None, None]).abs()
    return torch.hypot(dx, dy)[:, None] * (1 - torch.minimum(off, n_bins - off)).clamp(min=0)


def _edges(luma: "Tensor") -> "Tensor":
    side = luma.shape[-1] // _GRID
    energies = _energies(luma, _EDGE_BINS).reshape(-1, _EDGE_BINS, _GRID, side, _GRID, side)
    cells = energies.sum((3, 5)).flatten(1)
    return cells - cells.mean(1, keepdim=True)


def _texture(luma: "Tensor") -> "Tensor":
    import torch

    totals = []
    for _ in range(3):
        totals.append(_energies(luma, _TEXTURE_BINS).mean((2, 3)))
        half = luma.shape[-1] // 2
        luma = luma.reshape(-1, half, 2, half, 2).mean((2, 4))
    found = torch.cat(totals, 1)
    return found - found.mean(1, keepdim=True)


def _colours(first: "Tensor", second: "Tensor") -> "Tensor":
    """Histogram over a 6 x 6 grid of opponent colours, finer near grey, shared between neighbouring bins."""
    import torch

    bins = torch.arange(_COLOURS, device=first.device)
    shares = []
    for channel in (first, second):
        place = (channel.sign() * (2 * channel.abs()).sqrt() + 1) / 2 * (_COLOURS - 1)
        shares.append((1 - (place.flatten(1)[..., None] - bins).abs()).clamp(min=0))
    return (shares[0].transpose(1, 2) @ shares[1] / shares[0].shape[1]).flatten(1) - 1 / _COLOURS**2
