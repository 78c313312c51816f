"""Residual networks: small ones for small images, torchvision's for photographs."""

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch's own documentation uses)
from torch import Tensor, nn

from curate.errors import RecipeError, nearest

SMALL = {f"resnet{depth}": (depth - 2) // 6 for depth in (8, 14, 20, 32, 44, 56, 110)}
TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def build_model(name: str, n_classes: int, image_size_px: int, seed: int) -> nn.Module:
    """A network with initial weights drawn from the seed; torch's global random state stays as it is.

    Args:
        name: One of SMALL or TORCHVISION.
        n_classes: C.
        image_size_px: Side of the images. From 48 px on, a small network's first convolution has stride 2, so that
            its first stage works on about the 32 px (24 to 32) that it was designed for.
        seed: Seed of the run.

    Returns:
        Maps uint8 images (B, 3, S, S) to (B, C) scores.

    Raises:
        RecipeError: No such model.
    """
    if name not in (*SMALL, *TORCHVISION):
        raise RecipeError(f"no model '{name}'", fix=nearest(name, (*SMALL, *TORCHVISION)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in SMALL:
            body: nn.Module = SmallResNet(SMALL[name], n_classes, stem_stride=2 if image_size_px >= 48 else 1)
        else:
            from curate.vision.torchvision_ops import load_torchvision  # seconds to import, seldom needed

            body = getattr(load_torchvision().models, name)(num_classes=n_classes)
        return Classifier(body)


class Classifier(nn.Module):
    """A network behind the normalisation of its input: uint8 pixels in, scores out.

    Args:
        body: Maps normalised float images (B, 3, S, S) to scores (B, C).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", 255 * torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of uint8 images."""
        scores: Tensor = self.body((images.float() - self.mean) / self.std)
        return scores


class SmallResNet(nn.Module):
    """The 6n+2-layer residual network for small images (He et al. 2016, section 4.2): widths 16, 32, 64.

    Shortcuts that change the width are 1x1 convolutions.

    Args:
        n: Blocks per stage.
        n_classes: C.
        stem_stride: Stride of the first convolution.
    """

    def __init__(self, n: int, n_classes: int, stem_stride: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stem_stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        widths = [16] * n + [32] * n + [64] * n
        strides = [2 if i in (n, 2 * n) else 1 for i in range(3 * n)]
        self.blocks = nn.Sequential(
            *(_Block(before, after, s) for before, after, s in zip([16, *widths], widths, strides, strict=False))
        )
        self.head = nn.Linear(64, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, C) of normalised images (B, 3, S, S)."""
        x = self.blocks(F.relu(self.norm(self.stem(x))))
        scores: Tensor = self.head(x.mean(dim=(2, 3)))
        return scores


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Identity() if before == after else nn.Sequential(
            nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))
