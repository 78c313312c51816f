"""From web posts to a torch batch, cell by cell, through the Python API.

Open it in an editor that knows '# %%' cells, or run it: python examples/notebook_style.py
It generates a few hundred posts and works in ./notebook-demo; on a second run everything is reused.
"""

# %% A corpus to play with: drawn pictures with noisy hashtags, whose truth is known
from pathlib import Path

from torch.utils.data import DataLoader

import curate
from curate.demo.corpus import generate
from curate.train.data import ManifestDataset

folder = Path("notebook-demo")
corpus = generate(folder / "corpus", tiny=True)
print(f"{corpus.n_posts} posts in {corpus.posts}, {corpus.n_eval_images} eval images in {corpus.evalset}")

# %% Stages run by name, with the parameters of the command line
workspace = curate.open(folder / "workspace", create=True)
print(workspace.run("ingest", sources=[corpus.posts]))
print(workspace.run("add-evalset", sets=[{"name": "evalset", "path": corpus.evalset}]))

# %% What came in: every table is a DuckDB relation
print(workspace.sql("SELECT status, format, count(*) AS n FROM images GROUP BY ALL ORDER BY ALL"))
print(workspace.sql("SELECT raw_label, count(*) AS n FROM raw_labels GROUP BY ALL ORDER BY n DESC, raw_label LIMIT 5"))

# %% Labels to classes. One worker: processes would want the 'if __name__ == "__main__":' that cells cannot have
workspace.run("map-labels", classes=corpus.classes, n_workers=1)
workspace.run("build-hierarchy")
print(workspace.sql("SELECT name, depth, n_images_direct FROM classes WHERE n_images_direct > 0 ORDER BY name"))

# %% Copies, and how well labels fit
workspace.run("embed", encoder=["builtin"])
workspace.run("dedup", against=["evalset"])
workspace.run("score-labels")
workspace.run("estimate-noise")
print(workspace.sql("SELECT eval_set, method, count(*) AS n_copies FROM near_duplicates GROUP BY ALL ORDER BY ALL"))
print(workspace.sql("SELECT name, n_images, precision, ci_low, ci_high FROM label_stats ORDER BY precision"))

# %% Select: labels that are estimated to be 80 % right
print(workspace.run("build-manifest", min_precision=0.8))
print(workspace.sql("SELECT rule, count(*) AS n FROM exclusions GROUP BY ALL ORDER BY rule"))

# %% The same as Arrow, for whatever comes next
manifest_rows = workspace.arrow("manifest")
print(manifest_rows.schema.names, manifest_rows.num_rows)

# %% A manifest is a folder that needs no workspace, and a torch dataset
manifest = curate.open_manifest(workspace.export_manifest())
dataset = ManifestDataset(manifest, image_size_px=48, transform=lambda image: image.float() / 255)
images, targets = next(iter(DataLoader(dataset, batch_size=16, shuffle=True)))
print(f"{len(manifest)} images of {len(manifest.class_keys)} classes")
print(f"one batch: images {tuple(images.shape)}, targets {tuple(targets.shape)}")
print("labels:", ", ".join(manifest.class_names[i] for i in targets.argmax(dim=1).tolist()))
