"""Writes a checkpoint as the package's weights.

python export.py CHECKPOINT.pt PICTURES.npy HELD_OUT.npy OUT.safetensors
"""

import sys
from pathlib import Path

import numpy as np
import torch
from measure import held_out_set, recall, vectors
from model import Descriptor
from safetensors.torch import save_file
from torch import Tensor, nn
from transforms import squeeze

from curate.vision.builtin import SIZE_PX, learnt_block

N_WHITENING = 4000
POWERS = (0.0, 0.5, 1.0)
"""How far the spectrum of the vectors is levelled: not at all, by its root, wholly. Held-out recall chooses."""


def fold(conv: nn.Sequential) -> tuple[Tensor, Tensor]:
    """A convolution and its batch norm as one convolution: weight and bias."""
    kernel, norm = conv[0], conv[1]
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return kernel.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def folded(model: Descriptor) -> dict[str, Tensor]:
    """Weights by the names that the package knows."""
    blocks = {"stem": model.stem}
    for name in ("down", "first", "second"):
        blocks |= {f"{name}.{stage}": block for stage, block in enumerate(getattr(model, name))}
    found = {}
    for name, block in blocks.items():
        found[f"{name}.weight"], found[f"{name}.bias"] = fold(block)
    scale = 1 / torch.sqrt(model.centre.running_var + model.centre.eps)
    found["head.weight"] = model.head.weight * scale[:, None]
    found["head.bias"] = -model.centre.running_mean * scale
    return {name: values.detach().clone() for name, values in found.items()}


def whitened(weights: dict[str, Tensor], pictures: np.ndarray, power: float) -> dict[str, Tensor]:
    """The last layer followed by centring, rotation onto the principal axes, and scaling of them."""
    images = np.stack([squeeze(picture, SIZE_PX) for picture in pictures])
    raw = vectors(lambda x: learnt_block(weights, x), images, length_1=False).astype(np.float64)
    values, axes = np.linalg.eigh(np.cov(raw.T))
    values = np.maximum(values[::-1], 1e-3 * values.max())
    turn = torch.from_numpy((axes[:, ::-1] * values ** (-power / 2)).T.copy()).float()
    middle = torch.from_numpy(raw.mean(0)).float()
    last = {"head.weight": turn @ weights["head.weight"], "head.bias": turn @ (weights["head.bias"] - middle)}
    return weights | last


def main(checkpoint: str, pictures: str, held_out: str, out: str) -> None:
    torch.set_num_threads(1)
    model = Descriptor()
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    plain, store = folded(model.eval()), np.load(pictures, mmap_mode="r")[:N_WHITENING]
    test, best = held_out_set(held_out, SIZE_PX), (-1.0, plain)
    for power in POWERS:
        half = {name: values.half() for name, values in whitened(plain, store, power).items()}
        used = {name: values.float() for name, values in half.items()}
        found, text = recall(lambda x, used=used: learnt_block(used, x), *test)
        print(f"power {power}: {text}", flush=True)
        best = max(best, (found, half), key=lambda pair: pair[0])
    save_file({name: values.contiguous() for name, values in best[1].items()}, out)
    print(f"{Path(out).stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
