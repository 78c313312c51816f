"""Train on an exported manifest from Python: with the package's own loop, and with a loop of your own.

    python examples/train_from_manifest.py MANIFEST_DIR OUT_DIR

MANIFEST_DIR is what `curate build-manifest --out DIR` or `curate demo` wrote.
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import curate
from curate.train.data import Manifest, ManifestDataset
from curate.train.metrics import read_metrics
from curate.train.recipe import load_recipe
from curate.train.train import train


def own_loop(manifest: Manifest, device: str = "cpu", n_steps: int = 20) -> None:
    """A manifest is a torch dataset: image and soft target, as cross_entropy takes it."""
    dataset = ManifestDataset(manifest, image_size_px=48, transform=lambda image: image.float() / 255)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 5, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(32, len(manifest.class_keys)),
    ).to(device)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for step, (images, targets) in zip(range(n_steps), DataLoader(dataset, 64, shuffle=True), strict=False):
        loss = torch.nn.functional.cross_entropy(model(images.to(device)), targets.to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        print(f"step {step}: loss {loss.item():.3f}")


def main(folder: str, out: str) -> None:
    manifest = curate.open_manifest(folder)
    print(f"{len(manifest):,} images of {len(manifest.class_keys)} classes: {', '.join(manifest.class_names[:5])} …")

    surest = manifest.where("p_correct >= 0.9")  # any SQL condition over the manifest's columns
    print(f"{len(surest):,} of them with p_correct of 0.9 or more")

    own_loop(manifest)

    recipe = load_recipe("quickstart", steps=100)
    done = train(manifest, recipe, Path(out), progress=lambda step, total: print(f"\r{step}/{total}", end=""))
    print(f"\nloss {read_metrics(done.folder)[0]['loss']:.3f} → {done.final_loss:.3f}, checkpoint in {done.folder}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
