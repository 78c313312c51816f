"""Pooling of a convolutional network's last feature map into one vector.

Dimension letters: N images, C channels, S side of a square map.
"""

from collections.abc import Callable
from typing import Any

from curate.errors import ParameterError

LEVELS = 3
"""Scales of R-MAC's regions, as its authors use."""


def rmac_regions(side: int, levels: int = LEVELS) -> list[tuple[int, int, int]]:
    """Regions of R-MAC on a square map (Tolias, Sicre and Jegou, ICLR 2016): top, left and side.

    At level l they are squares of side 2S / (l + 1), laid l by l, evenly, so that neighbours share about 40 %.

    Args:
        side: S, at least 1.
        levels: Number of scales; scales whose squares would vanish are left out.
    """
    regions = []
    for level in range(1, levels + 1):
        width = 2 * side // (level + 1)
        step = (side - width) / (level - 1) if level > 1 else 0.0
        places = [int(index * step) for index in range(level)]
        regions += [(top, left, width) for top in places for left in places if width]
    return regions


def rmac(maps_NCSS: Any) -> Any:
    """R-MAC: the maximum of every channel in each region, scaled to length 1, added up, scaled to length 1.

    Without the whitening of the paper, which would have to be learnt.

    Args:
        maps_NCSS: Tensor N x C x S x S.

    Returns:
        Tensor N x C, float32.
    """
    from torch.nn.functional import normalize

    maps_NCSS = maps_NCSS.float()
    total = maps_NCSS.new_zeros(maps_NCSS.shape[:2])
    for top, left, width in rmac_regions(maps_NCSS.shape[-1]):
        region = maps_NCSS[:, :, top : top + width, left : left + width]
        total = total + normalize(region.amax(dim=(2, 3)), dim=1)
    return normalize(total, dim=1)


def trunk_of(model: Any, name: str) -> Any:
    """The convolutional part of a torchvision model: what comes before its pooling.

    Raises:
        ParameterError: It has no such part.
    """
    from torch import nn

    if hasattr(model, "features"):
        return model.features
    children = dict(model.named_children())
    if "avgpool" not in children or "AuxLogits" in children or "aux1" in children:
        raise ParameterError(f"{name} has no feature map for R-MAC", fix="Take a ResNet, for one.")
    return nn.Sequential(*list(children.values())[: list(children).index("avgpool")])


def rmac_of(trunk: Any, size_px: int, name: str) -> Callable[[Any], Any]:
    """A trunk and R-MAC over what it gives.

    Args:
        trunk: From images to maps.
        size_px: Side of the images.
        name: For errors.

    Raises:
        ParameterError: It does not give square maps.
    """
    import torch

    with torch.inference_mode():
        shape = tuple(trunk(torch.zeros(1, 3, size_px, size_px)).shape)
    if len(shape) != 4 or shape[2] != shape[3]:
        raise ParameterError(f"{name} has no feature map for R-MAC: it gives {shape}", fix="Take a ResNet, for one.")
    return lambda images: rmac(trunk(images))
