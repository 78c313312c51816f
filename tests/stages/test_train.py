from datetime import datetime

import pyarrow as pa
import pytest

from curate.errors import MissingInputError, ParameterError
from curate.schema import check_rows, conform, table_schema
from curate.stages.evaluate import STAGE as EVALUATE
from curate.stages.evaluate import EvaluateParams, evaluate, known_leaks, leaked_ids
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
        "eval_sets": rows_of("eval_sets", {**{name: column[0] for name, column in sets.items()}, "added_at": NOW}),
    }


def rows_of(name, *rows):
    return pa.Table.from_pylist(list(rows), schema=table_schema(name).arrow)


def copies(*pairs):
    alike = {"eval_set": "val", "method": "sha256", "similarity": 1.0}
    return rows_of("near_duplicates", *({"image_id": i, "eval_image_id": e, **alike} for i, e in pairs))


def seen(given, folder):
    """As the runner presents them: what is not given is empty."""
    return MemoryTables(given, empty=[name for name in EVALUATE.optional if name not in given], folder=folder)


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

    without = {name: rows for name, rows in tables.items() if name != "manifest"}
    given = seen({**without, "training_runs": runs}, tmp_path)
    found = conform(evaluate(given, EvaluateParams(on=("val",)))["evaluations"], "evaluations")
    check_rows(found, "evaluations")
    assert set(found.column("metric").to_pylist()) == {"top1", "top5", "top1_class_mean", "top5_class_mean", "coverage"}
    assert evaluate(given, EvaluateParams())["evaluations"].to_pylist() == found.to_pylist()
    with pytest.raises(MissingInputError, match="Did you mean 'val'"):
        evaluate(given, EvaluateParams(on=("vall",)))
    with pytest.raises(ParameterError, match="no run_id 'x'"):
        evaluate(given, EvaluateParams(run_id="x"))


@pytest.fixture
def run_rows(tables, recipe, tmp_path):
    return run_train(tables, tmp_path, recipe=recipe, max_steps=1)


def test_leaks_are_counted_where_the_model_saw_them(tables, run_rows, tmp_path):
    trained_on = tables["manifest"]["image_id"].to_pylist()
    found = copies((trained_on[0], "e0000"), (trained_on[1], "e0000"), (trained_on[2], "e0005"), ("elsewhere", "e0007"))
    given = {**tables, "training_runs": run_rows, "near_duplicates": found}
    rows = conform(evaluate(seen(given, tmp_path), EvaluateParams(on=("val",)))["evaluations"], "evaluations")
    check_rows(rows, "evaluations")
    n = {(r["metric"], r["class_key"]): r["n_images"] for r in rows.to_pylist()}
    assert (n["top1", ""], n["top1_clean", ""], n["top1_lower", ""]) == (40, 38, 40)
    assert {"top5_clean", "top5_lower", "top1_class_mean_clean", "top5_class_mean_lower"} <= {m for m, _ in n}


def test_leaked_ids(tables, caplog):
    trained_on = tables["manifest"]["image_id"].to_pylist()
    split = pa.array(["val", *["train"] * 59])
    tables["manifest"] = tables["manifest"].set_column(tables["manifest"].column_names.index("split"), "split", split)
    tables["near_duplicates"] = copies((trained_on[0], "e1"), (trained_on[5], "e2"), ("elsewhere", "e3"))
    with seen(tables, None).connect() as con:
        assert leaked_ids(con, "val") == ["e1", "e2", "e3"]
        assert leaked_ids(con, "val", "m1") == known_leaks(con, "val", "m1") == ["e2"]
        assert leaked_ids(con, "other") == []
        assert known_leaks(con, "val", "m9") == ["e1", "e2", "e3"]
        assert "manifest m9 is not in this workspace" in caplog.text
        assert known_leaks(con, "other", "m1") is None
        assert "run 'curate dedup --against other'" in caplog.text


def test_a_set_that_was_compared_and_did_not_leak(tables, run_rows, tmp_path):
    threshold = {"eval_set": "val", "encoder": "", "asked_precision": 0.99, "evidence": "model", "n_images": 60,
                 "n_compared": 0, "n_hits": 0, "expected_false": 0.0, "n_reviewed": 0,
                 "n_reviewed_wrong": 0}  # fmt: skip
    given = {**tables, "training_runs": run_rows, "duplicate_thresholds": rows_of("duplicate_thresholds", threshold)}
    rows = evaluate(seen(given, tmp_path), EvaluateParams())["evaluations"].to_pylist()
    values = {(r["metric"], r["class_key"]): (r["value"], r["n_images"]) for r in rows}
    assert values["top1", ""] == values["top1_clean", ""] == values["top1_lower", ""]


def test_a_set_without_its_images_cannot_be_evaluated(tables, run_rows, tmp_path):
    shared = {"eval_set": "shared", "root": "/x.parquet", "format": "export", "n_images": 1, "added_at": NOW}
    image = {"eval_set": "shared", "eval_image_id": "a", "uri": "", "byte_offset": 0, "byte_length": 0,
             "class_key": "u:0", "status": "ok"}  # fmt: skip
    tables["eval_sets"] = [tables["eval_sets"], rows_of("eval_sets", shared)]
    tables["eval_images"] = [tables["eval_images"], rows_of("eval_images", image)]
    given = seen({**tables, "training_runs": run_rows}, tmp_path)
    with pytest.raises(MissingInputError, match="eval set shared: it was shared without its images"):
        evaluate(given, EvaluateParams(on=("shared",)))
    assert set(evaluate(given, EvaluateParams())["evaluations"]["eval_set"].to_pylist()) == {"val"}


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
