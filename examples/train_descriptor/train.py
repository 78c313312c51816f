"""Trains the descriptor: python train.py OUT_FOLDER STEPS SEED PICTURES.npy... [--held-out FILE.npy]."""

import argparse
import copy as copying
import math
import time
from pathlib import Path

import torch
from batches import Batches
from measure import held_out_set, recall
from model import DIM, Descriptor
from torch import Tensor
from torch.nn.functional import normalize, softplus
from torch.utils.data import DataLoader

TEMPERATURE, KOLEO, EMA = 0.07, 1.0, 0.995
WARMUP, DECAY, QUEUE_FROM = 150, 0.03, 0.5


def loss(vectors: Tensor, inside: Tensor, queue: Tensor) -> tuple[Tensor, Tensor]:
    """InfoNCE between images that share a picture, and KoLeo (Pizzi et al., CVPR 2022, with partial positives).

    Args:
        vectors: N × D, length 1.
        inside: N × B, 1 where picture b is in image n.
        queue: Q × D, vectors of earlier batches: of other pictures, nearly always.
    """
    shared, several = inside @ inside.T > 0, inside.sum(1) > 1
    positive = shared & ~(several[:, None] & several[None, :])
    positive.fill_diagonal_(False)
    scores, far = vectors @ vectors.T / TEMPERATURE, vectors @ queue.T / TEMPERATURE
    others = torch.cat([scores.masked_fill(shared, -torch.inf), far], 1).logsumexp(1, keepdim=True)
    each = softplus(others - scores)  # −log(e^s / (e^s + Σ e^others)), for every positive on its own
    weight = positive / torch.sqrt(inside.sum(1)[:, None] * inside.sum(1)[None, :])
    contrast = (each * weight).sum() / weight.sum()
    nearest = torch.cat([scores.masked_fill(shared, -torch.inf), far], 1).max(1).values * TEMPERATURE
    spread = -torch.log((2 - 2 * nearest[~several]).clamp(min=1e-6)).mean() / 2
    return contrast, spread


def images(batch: Tensor) -> Tensor:
    """uint8 N × H × W × 3 to what the network takes."""
    return (batch.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25


def follow(ema: Descriptor, model: Descriptor, step: int) -> None:
    """Moves the averaged weights towards the current ones."""
    rate = min(EMA, (step + 1) / (step + 10))
    with torch.no_grad():
        for mean, now in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            mean.lerp_(now, 1 - rate) if mean.is_floating_point() else mean.copy_(now)


def rate_at(step: int, progress: float) -> float:
    """Linear warm-up, then half a cosine: the share of the peak learning rate."""
    return min(1, (step + 1) / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * progress))


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("out", Path), ("steps", int), ("seed", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--held-out", default=None)
    parser.add_argument("--start", default=None, help="weights to go on from")
    parser.add_argument("--side", type=int, default=72, help="pixels")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--queue", type=int, default=0, help="vectors of earlier batches as more negatives")
    parser.add_argument("--every", type=int, default=300, help="steps between checkpoints")
    parser.add_argument("--minutes", type=float, default=math.inf, help="end sooner on a slow machine")
    return parser.parse_args()


def optimiser_of(model: Descriptor, rate: float) -> torch.optim.AdamW:
    """AdamW that decays kernels and matrices, not biases and norms."""
    wide = [p for p in model.parameters() if p.ndim > 1]
    narrow = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": wide, "weight_decay": DECAY}, {"params": narrow, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def main() -> None:
    args = options()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    model = Descriptor().to(memory_format=torch.channels_last)
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True))
    ema, optimiser = copying.deepcopy(model).eval(), optimiser_of(model, args.rate)
    held_out = held_out_set(args.held_out, args.side) if args.held_out else None
    batches = Batches(tuple(args.pictures), args.seed, args.steps, args.side)
    queue, start = torch.zeros(0, DIM), time.monotonic()
    for step, (batch, inside) in enumerate(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)):
        progress = max(step / args.steps, (time.monotonic() - start) / 60 / args.minutes)
        if progress >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = args.rate * rate_at(step, progress)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = normalize(model(images(batch)))
        contrast, spread = loss(vectors, inside, queue if progress > QUEUE_FROM else queue[:0])
        optimiser.zero_grad()
        (contrast + KOLEO * spread).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        follow(ema, model, step)
        queue = torch.cat([vectors.detach()[inside.sum(1) == 1], queue])[: args.queue]
        if step % 50 == 49:
            took = time.monotonic() - start
            print(f"step {step + 1} {took:.0f} s contrast {contrast:.3f} koleo {spread:.3f}", flush=True)
        if step % args.every == args.every - 1:
            torch.save(ema.state_dict(), args.out / f"step_{step + 1:05d}.pt")
            if held_out:
                print("held out", recall(ema, *held_out)[1], flush=True)
    torch.save(ema.state_dict(), args.out / "last.pt")


if __name__ == "__main__":
    main()
