from datetime import datetime

import pyarrow as pa
import pytest

from curate.errors import MissingInputError, ParameterError
from curate.schema import check_rows, conform
from curate.stages.evaluate import EvaluateParams, evaluate
from curate.stages.train import TrainParams, train
from tests.tables import MemoryTables
from tests.train.corpus import class_rows, eval_rows, manifest_rows

YAML = "model: resnet8\nimage_size_px: 16\nbatch_size: 16\nsteps: 12\nlr: 0.05\naugment: flip_shift\n"
NOW = datetime(2020, 1, 1)


@pytest.fixture
def tables(tmp_path):
    sources = {"source": ["posts"], "root": [str(tmp_path / "posts")], "format": ["folder"], "added_at": [NOW]}
    sets = {"eval_set": ["val"], "root": [str(tmp_path / "val")], "format": ["folder"], "n_images": [40]}
    return {
        "manifest": manifest_rows(tmp_path / "posts"),
        "manifest_classes": class_rows(),
        "sources": pa.table(sources),
        "eval_images": eval_rows(tmp_path / "val"),
        "eval_sets": pa.table({**sets, "n_expected": pa.array([None], pa.int64()), "added_at": [NOW]}),
    }


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "tiny.yaml").write_text(YAML)
    return str(tmp_path / "tiny.yaml")


def run_train(tables, folder, **params):
    folder.mkdir(exist_ok=True)
    rows = conform(
        train(MemoryTables(tables, folder=folder), TrainParams(n_compute_threads=1, **params))["training_runs"],
        "training_runs",
    )
    check_rows(rows, "training_runs")
    return rows


def test_training_then_evaluating(tables, recipe, tmp_path):
    runs = run_train(tables, tmp_path, recipe=recipe)
    row = runs.to_pylist()[0]
    assert row["checkpoint"] == f"runs/{row['run_id']}"
    assert (tmp_path / row["checkpoint"] / "metrics.jsonl").is_file()
    assert (row["recipe"], row["n_steps"], row["n_images_seen"]) == ("tiny", 12, 12 * 16)

    given = MemoryTables({**tables, "training_runs": runs}, folder=tmp_path)
    found = conform(evaluate(given, EvaluateParams(on=("val",)))["evaluations"], "evaluations")
    check_rows(found, "evaluations")
    assert set(found.column("metric").to_pylist()) == {"top1", "top5", "top1_class_mean", "top5_class_mean", "coverage"}
    assert evaluate(given, EvaluateParams())["evaluations"].to_pylist() == found.to_pylist()
    with pytest.raises(MissingInputError, match="Did you mean 'val'"):
        evaluate(given, EvaluateParams(on=("vall",)))
    with pytest.raises(ParameterError, match="no run_id 'x'"):
        evaluate(given, EvaluateParams(run_id="x"))


def test_rows_do_not_depend_on_order_or_place(tables, recipe, tmp_path):
    first = run_train(tables, tmp_path / "a", recipe=recipe, max_steps=3, device="cpu")
    rows = tables["manifest"].take(list(reversed(range(60))))
    other = run_train(
        {**tables, "manifest": [rows.slice(0, 25), rows.slice(25)]}, tmp_path / "b", recipe=recipe, max_steps=3
    )
    assert first.to_pylist() == other.to_pylist()
    assert run_train(tables, tmp_path / "a", recipe=recipe, max_steps=3, seed=4).to_pylist() != first.to_pylist()


def test_several_manifests_need_a_choice(tables, recipe, tmp_path):
    for name in ("manifest", "manifest_classes"):
        again = pa.array(["m2"] * tables[name].num_rows)
        tables[name] = [tables[name], tables[name].set_column(0, "manifest_id", again)]
    with pytest.raises(ParameterError, match="m1, m2"):
        run_train(tables, tmp_path, recipe=recipe)
    with pytest.raises(ParameterError, match="no manifest_id 'm3'"):
        run_train(tables, tmp_path, recipe=recipe, manifest_id="m3")
    chosen = run_train(tables, tmp_path, recipe=recipe, manifest_id="m2", max_steps=1)
    assert chosen.column("manifest_id").to_pylist() == ["m2"]


def test_a_filter_makes_another_run(tables, recipe, tmp_path):
    everything = run_train(tables, tmp_path, recipe=recipe, max_steps=1).to_pylist()[0]
    some = run_train(tables, tmp_path, recipe=recipe, max_steps=1, where="image_id > '4'").to_pylist()[0]
    assert everything["run_id"] != some["run_id"]
