"""The network as it is trained; curate/vision/builtin.py holds it as it is used, batch norms folded in."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

WIDTHS = (24, 48, 96, 224)
DIM = 192


def conv(n_in: int, n_out: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, side, stride, side // 2, bias=False), nn.BatchNorm2d(n_out))


class Descriptor(nn.Module):
    """A stem, three stages of one residual block, GeM pooling of the last two, one linear layer with batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, WIDTHS[0], 5, 2)
        pairs = list(pairwise(WIDTHS))
        self.down = nn.ModuleList(conv(a, b, 3, 2) for a, b in pairs)
        self.first = nn.ModuleList(conv(b, b) for _, b in pairs)
        self.second = nn.ModuleList(conv(b, b) for _, b in pairs)
        for block in self.second:
            nn.init.zeros_(block[1].weight)
        self.head = nn.Linear(WIDTHS[-2] + WIDTHS[-1], DIM, bias=False)
        self.centre = nn.BatchNorm1d(DIM, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Float RGB N × 3 × H × W, (value − 0.5) / 0.25, to vectors N × DIM of any length."""
        x = relu(self.stem(standardised(x)))
        pooled = []
        for down, first, second in zip(self.down, self.first, self.second, strict=True):
            x = relu(down(x))
            x = relu(x + second(relu(first(x))))
            pooled.append(gem(x.float()))
        with torch.autocast("cpu", enabled=False):
            return self.centre(self.head(torch.cat(pooled[1:], 1)))


def standardised(x: Tensor) -> Tensor:
    """Every image less the mean of its channels, over its contrast: brightness and colour cast tell no copies."""
    x = x - x.mean((2, 3), keepdim=True)
    return x / (x.pow(2).mean((1, 2, 3), keepdim=True).sqrt() + 0.1)


def gem(x: Tensor) -> Tensor:
    """Generalised mean over places, exponent 3 (Radenović et al., TPAMI 2018)."""
    x = x.clamp(min=1e-4)
    return (x * x * x).mean((2, 3)).pow(1 / 3)
