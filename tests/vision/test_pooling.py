import numpy as np
import pytest
import torch

from curate.errors import ParameterError
from curate.vision.encoders import encoder_id
from curate.vision.networks import load_timm, load_torchvision
from curate.vision.pooling import rmac, rmac_regions, trunk_of


def slow_rmac(maps, levels=3):
    """R-MAC of one square map C x S x S, as the paper puts it: a loop over scales, regions and channels."""
    n_channels, side, _ = maps.shape
    total = np.zeros(n_channels)
    for level in range(1, levels + 1):
        width = int(np.floor(2 * side / (level + 1)))
        for row in range(level):
            for column in range(level):
                top, left = (
                    0 if level == 1 else int(np.floor(place * (side - width) / (level - 1))) for place in (row, column)
                )
                region = maps[:, top : top + width, left : left + width]
                vector = np.array([region[channel].max() for channel in range(n_channels)], np.float64)
                total += vector / np.linalg.norm(vector)
    return total / np.linalg.norm(total)


@pytest.mark.parametrize("side", [2, 7, 10, 12])
def test_rmac_is_the_slow_one(side):
    maps = np.random.default_rng(side).random((3, 11, side, side)).astype(np.float32)
    np.testing.assert_allclose(rmac(torch.from_numpy(maps)).numpy(), [slow_rmac(one) for one in maps], rtol=1e-5)
    regions = rmac_regions(side)
    assert len(regions) == (14 if side > 1 else 1)
    assert all(top >= 0 and top + width <= side and left >= 0 and left + width <= side for top, left, width in regions)
    for width in {width for _, _, width in regions}:
        reach = [top + width for top, _, w in regions if w == width]
        assert max(reach) == side


@pytest.mark.parametrize(("load", "name", "dim"), [(load_torchvision, "resnet18", 512), (load_timm, "resnet18", 512),
                                                   (load_torchvision, "mobilenet_v3_small", 576)])  # fmt: skip
def test_rmac_of_a_library_model(load, name, dim):
    network, _ = load(f"{name}+rmac", pretrained=False)
    network.to("cpu", memory_format=torch.channels_last)
    with torch.inference_mode():
        vectors = network.forward(torch.rand(2, 3, network.size_px, network.size_px))
    assert vectors.shape == (2, dim)
    np.testing.assert_allclose(vectors.norm(dim=1), 1, atol=1e-5)
    assert encoder_id(f"torchvision:{name}+rmac") != encoder_id(f"torchvision:{name}")


def test_rmac_needs_a_feature_map():
    with pytest.raises(ParameterError, match="no feature map.*197, 192"):
        load_timm("vit_tiny_patch16_224+rmac", pretrained=False)
    with pytest.raises(ParameterError, match="no feature map"):
        trunk_of(torch.nn.Sequential(torch.nn.Flatten()), "flat")
