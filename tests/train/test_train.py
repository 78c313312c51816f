import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from curate.errors import InputError, ParameterError, TrainingError
from curate.train import checkpoint as checkpoints
from curate.train.checkpoint import open_checkpoint
from curate.train.data import ManifestDataset, TrainingImages
from curate.train.manifest import from_tables, open_manifest
from curate.train.metrics import read_metrics
from curate.train.recipe import TrainRecipe
from curate.train.sampler import Position, batches
from curate.train.train import plan_run, train
from tests.train.corpus import class_rows, manifest_rows

RECIPE = TrainRecipe(model="resnet8", image_size_px=16, batch_size=16, steps=24, lr=0.05, augment="flip_shift")


def losses(folder):
    return [entry["loss"] for entry in read_metrics(folder)]


def weights(folder):
    return (open_checkpoint(folder).folder / "model.safetensors").read_bytes()


class Stop(Exception):  # noqa: N818
    pass


def stop_at(step):
    def progress(done, total):
        if done >= step:
            raise Stop

    return progress


def test_a_model_learns_and_says_so(manifest, tmp_path):
    told = []
    done = train(manifest, RECIPE, tmp_path / "run", progress=lambda *at: told.append(at))
    found = losses(tmp_path / "run")
    assert [entry["step"] for entry in read_metrics(tmp_path / "run")] == list(range(1, 25))
    assert np.mean(found[-4:]) < 0.6 * np.mean(found[:4])
    assert (done.n_steps, done.n_images_seen, done.n_damaged) == (24, 24 * 16, 0)
    assert done.final_loss == pytest.approx(np.mean(found))  # fewer than 50 steps: all of them
    assert told[-1] == (24, 24)
    assert open_checkpoint(tmp_path / "run").run.class_keys == manifest.class_keys


def test_a_finished_run_is_not_repeated(manifest, tmp_path):
    first = train(manifest, RECIPE, tmp_path / "run", max_steps=4)
    assert train(manifest, RECIPE, tmp_path / "run", max_steps=4, progress=stop_at(0)) == first


@pytest.mark.parametrize("augment", ["flip_shift", "flip_crop"])
def test_resuming_gives_the_same_losses_and_bytes(manifest, tmp_path, augment):
    recipe = TrainRecipe(**{**vars(RECIPE), "augment": augment, "model": "resnet8"})
    whole = train(manifest, recipe, tmp_path / "whole", n_threads=1, checkpoint_every=6)
    for step in (10, 20):
        with pytest.raises(Stop):
            train(manifest, recipe, tmp_path / "cut", n_threads=2, checkpoint_every=6, progress=stop_at(step))
    resumed = train(manifest, recipe, tmp_path / "cut", n_threads=2, checkpoint_every=6)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert (resumed.final_loss, resumed.n_images_seen) == (whole.final_loss, whole.n_images_seen)


def test_a_killed_run_goes_on(exported, tmp_path):
    recipe = "TrainRecipe(model='resnet8', image_size_px=16, batch_size=16, steps=40, lr=0.05, augment='flip_shift')"
    program = (
        "from curate.train.manifest import open_manifest\n"
        "from curate.train.recipe import TrainRecipe\n"
        "from curate.train.train import train\n"
        f"train(open_manifest({str(exported)!r}), {recipe}, {str(tmp_path / 'run')!r}, checkpoint_every=3,\n"
        "      n_compute_threads=1, progress=lambda done, total: print(done, flush=True))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert [child.stdout.readline().strip() for _ in range(4)] == ["1", "2", "3", "4"]
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    n_done = open_checkpoint(tmp_path / "run").progress.step
    with (tmp_path / "run" / "metrics.jsonl").open("a") as out:
        out.write('{"step": 39, "lo')  # as if killed while writing
    manifest, recipe = open_manifest(exported), TrainRecipe(**{**vars(RECIPE), "steps": 40})
    train(manifest, recipe, tmp_path / "run", checkpoint_every=3)
    train(manifest, recipe, tmp_path / "whole", checkpoint_every=3)
    assert n_done % 3 == 0
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_only_complete_checkpoints_count(manifest, tmp_path, caplog):
    with pytest.raises(Stop):
        train(manifest, RECIPE, tmp_path / "run", checkpoint_every=5, progress=stop_at(15))
    steps = sorted(path.name for path in (tmp_path / "run").glob("step-*"))
    assert steps == ["step-00000010", "step-00000015"]
    (tmp_path / "run" / ".step-00000020.tmp").mkdir()
    (tmp_path / "run" / "step-00000015" / "optimizer.safetensors").write_bytes(b"cut off")
    assert checkpoints.latest(tmp_path / "run").progress.step == 10
    assert "the checkpoint before it is used" in caplog.text
    train(manifest, RECIPE, tmp_path / "run", checkpoint_every=5)
    train(manifest, RECIPE, tmp_path / "whole")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


@pytest.mark.parametrize("other", ["recipe", "manifest", "steps"])
def test_a_checkpoint_of_another_run_is_refused(manifest, tmp_path, other):
    train(manifest, RECIPE, tmp_path / "run", max_steps=2)
    recipe = TrainRecipe(**{**vars(RECIPE), "lr": 0.01}) if other == "recipe" else RECIPE
    rows = manifest.where("class_ids[1] < 2") if other == "manifest" else manifest
    differs = {"recipe": "recipe", "manifest": "manifest_digest", "steps": "n_steps"}[other]
    before = weights(tmp_path / "run")
    with pytest.raises(TrainingError, match=differs):
        train(rows, recipe, tmp_path / "run", max_steps=3 if other == "steps" else 2)
    assert weights(tmp_path / "run") == before


@pytest.mark.parametrize("lr", [1e30])
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(manifest, tmp_path, lr):
    recipe = TrainRecipe(**{**vars(RECIPE), "lr": lr, "warmup": 0.0})
    with pytest.raises(TrainingError, match="not finite at step") as caught:
        train(manifest, recipe, tmp_path / "run", checkpoint_every=1)
    step = int(str(caught.value).split("step ")[1].split(".")[0])
    last = checkpoints.latest(tmp_path / "run")
    assert (last.progress.step if last else 0) < step
    assert len(read_metrics(tmp_path / "run")) >= step
    assert not list((tmp_path / "run").glob(".*.tmp"))


def damaged_manifest(tmp_path, n_damaged):
    rows = manifest_rows(tmp_path / "posts", n=400)
    content = bytearray((tmp_path / "posts" / "pack.bin").read_bytes())
    for i in range(n_damaged):
        start = rows.column("byte_offset")[i].as_py()
        content[start : start + 20] = b"x" * 20
    (tmp_path / "posts" / "pack.bin").write_bytes(content)
    return from_tables("m1", rows, class_rows(), {"posts": tmp_path / "posts"})


def test_damaged_images_are_left_out_counted_and_listed(tmp_path):
    manifest = damaged_manifest(tmp_path, 2)
    one_epoch = TrainRecipe(**{**vars(RECIPE), "steps": None, "epochs": 1.0})
    done = train(manifest, one_epoch, tmp_path / "run")
    damaged = open_checkpoint(tmp_path / "run").progress.damaged
    assert done.n_damaged == len(damaged) == 2
    assert done.n_images_seen == 398
    assert all("no image" in reason for reason in damaged.values())


def test_too_many_damaged_images_stop_the_run(tmp_path):
    with pytest.raises(TrainingError, match=r"\d of 400 images cannot be read.*For example image"):
        train(damaged_manifest(tmp_path, 60), RECIPE, tmp_path / "run")


def test_missing_bytes_stop_the_run(manifest, tmp_path):
    (tmp_path / "posts" / "pack.bin").unlink()
    with pytest.raises(TrainingError, match=r"cannot be read.*pack.bin"):
        train(manifest, RECIPE, tmp_path / "run")


@pytest.mark.parametrize("augment", ["none", "flip", "flip_shift", "flip_crop"])
def test_batches_depend_on_neither_threads_nor_cache_nor_row_order(manifest, augment, monkeypatch):
    recipe = TrainRecipe(**{**vars(RECIPE), "augment": augment})
    monkeypatch.setattr("curate.train.data.CACHE_BYTES", 0)
    plain = TrainingImages(manifest, recipe, n_threads=1)
    monkeypatch.undo()
    cached = TrainingImages(manifest, recipe, n_threads=3)
    repeats = manifest.rows.column("repeat_factor").to_numpy()
    stream = batches(plain.words, repeats, 0, 16, Position())
    for _ in range(8):
        batch = next(stream)
        one, other = plain.load(batch), cached.load(batch)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)
    plain.close()
    cached.close()


def test_augmentation_differs_between_epochs(manifest):
    images = TrainingImages(manifest, RECIPE)
    stream = batches(images.words, np.ones(60), 0, 60, Position())
    first, second = next(stream), next(stream)
    a, b = images.load(first).images[np.argsort(first.rows)], images.load(second).images[np.argsort(second.rows)]
    same = sum(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert 0 <= same < 15
    images.close()


def test_only_the_train_split_is_trained_on(tmp_path):
    split = ["train"] * 40 + ["val"] * 20
    rows = manifest_rows(tmp_path / "posts", split=split, repeat_factor=[2.0] * 60)
    manifest = from_tables("m1", rows, class_rows(), {"posts": tmp_path / "posts"})
    assert plan_run(manifest, TrainRecipe(epochs=1, batch_size=16)).n_steps == 5


def test_the_same_run_has_the_same_id_wherever_it_lies(manifest):
    run = plan_run(manifest, RECIPE)
    assert plan_run(manifest, RECIPE).run_id == run.run_id
    assert (
        len(
            {
                run.run_id,
                plan_run(manifest, RECIPE, 5).run_id,
                plan_run(manifest.where("image_id > '3'"), RECIPE).run_id,
            }
        )
        == 3
    )


def test_devices_are_checked(manifest, tmp_path):
    with pytest.raises(ParameterError, match="unknown device"):
        train(manifest, RECIPE, tmp_path / "run", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match="no CUDA device"):
            train(manifest, RECIPE, tmp_path / "run", device="cuda")


def test_a_manifest_is_a_torch_dataset(manifest):
    dataset = ManifestDataset(manifest, image_size_px=12, transform=lambda image: image.float() / 255)
    images, targets = next(iter(DataLoader(dataset, batch_size=4, generator=torch.Generator())))
    assert images.shape == (4, 3, 12, 12)
    assert targets.shape == (4, 4)
    assert targets.argmax(dim=1).tolist() == [ids[0] for ids in manifest.rows.column("class_ids").to_pylist()[:4]]
    assert len(dataset) == 60
    assert torch.equal(dataset[-1][0], dataset[59][0])
    with pytest.raises(IndexError):
        dataset[60]


def test_the_dataset_names_what_it_cannot_read(manifest, tmp_path):
    (tmp_path / "posts" / "pack.bin").write_bytes(b"short")
    with pytest.raises(InputError, match=r"image [0-9a-f]{32} in .*pack.bin"):
        ManifestDataset(manifest)[0]


def test_metrics_are_plain_json(manifest, tmp_path):
    train(manifest, RECIPE, tmp_path / "run", max_steps=3)
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        assert set(json.loads(line)) == {"step", "loss", "lr", "images_per_s"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_cuda_learns_and_resumes(manifest, tmp_path):
    train(manifest, RECIPE, tmp_path / "whole", device="cuda")
    assert np.mean(losses(tmp_path / "whole")[-4:]) < 0.6 * np.mean(losses(tmp_path / "whole")[:4])
    with pytest.raises(Stop):
        train(manifest, RECIPE, tmp_path / "cut", device="cuda", checkpoint_every=6, progress=stop_at(10))
    train(manifest, RECIPE, tmp_path / "cut", device="cuda")
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), rel=0.05)
