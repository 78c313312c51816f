import logging

import pytest

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.plan import Step
from curate.recipe import build_params
from curate.runner import run
from curate.stages.evalset import N_EXPECTED, STAGE
from curate.store import Workspace
from tests.stages.test_ingest import jpeg, query, write_image, write_tar


def add_evalset(folder, *specs):
    workspace = Workspace(folder, create=True)
    step = Step(STAGE, build_params(STAGE.params, {"sets": list(specs)}, "add-evalset"))
    return workspace, next(run(workspace, [step], n_workers=1))


def test_folders_give_true_classes(tmp_path):
    root = tmp_path / "val"
    write_image(root / "n02084071" / "1.jpg", 1)
    write_image(root / "red panda" / "2.jpg", 2)
    write_image(root / "3.jpg", 3)
    (root / "4.jpg").write_bytes(b"")
    workspace, _ = add_evalset(tmp_path / "w", {"name": "mine", "path": str(root)})
    rows = query(workspace, "SELECT eval_set, eval_image_id, class_key, status, width FROM eval_images ORDER BY ALL")
    assert rows == [
        ("mine", "3.jpg", None, "ok", 48), ("mine", "4.jpg", None, "damaged", None),
        ("mine", "n02084071/1.jpg", "n02084071", "ok", 48), ("mine", "red panda/2.jpg", "u:red panda", "ok", 48),
    ]  # fmt: skip
    found = query(workspace, "SELECT eval_set, root, format, n_images, n_expected FROM eval_sets")
    assert found == [("mine", str(root), "folder", 4, None)]


def test_true_classes_from_a_side_table(tmp_path):
    write_tar(tmp_path / "val.tar", [("a.jpg", jpeg(1)), ("b.jpg", jpeg(2)), ("c.jpg", jpeg(3)), ("c.cls", b"7")])
    (tmp_path / "truth.tsv").write_text("key\tsynset\nb\tn02084071\n")
    workspace, _ = add_evalset(
        tmp_path / "w", {"name": "v", "path": str(tmp_path / "val.tar"), "labels": str(tmp_path / "truth.tsv")}
    )
    assert query(workspace, "SELECT eval_image_id, class_key FROM eval_images ORDER BY ALL") == [
        ("a", None), ("b", "n02084071"), ("c", "u:7"),
    ]  # fmt: skip


def test_a_known_set_that_is_not_whole_is_told(tmp_path, caplog):
    write_image(tmp_path / "val" / "n01440764" / "ILSVRC2012_val_00000293.JPEG", 1)
    with caplog.at_level(logging.WARNING):
        workspace, _ = add_evalset(tmp_path / "w", {"name": "imagenet_val", "path": str(tmp_path / "val")})
    assert "imagenet_val has 1 images, the published one has 50000" in caplog.text
    assert query(workspace, "SELECT n_images, n_expected FROM eval_sets") == [(1, N_EXPECTED["imagenet_val"])]


def test_a_second_set_leaves_the_first_alone(tmp_path):
    write_image(tmp_path / "a" / "x" / "1.jpg", 1)
    write_image(tmp_path / "b" / "x" / "1.jpg", 2)
    specs = [{"name": name, "path": str(tmp_path / name)} for name in ("a", "b")]
    add_evalset(tmp_path / "w", specs[0])
    workspace, outcome = add_evalset(tmp_path / "w", *specs)
    assert outcome.n_parts_run == 1
    assert query(workspace, "SELECT eval_set, n_images FROM eval_sets ORDER BY ALL") == [("a", 1), ("b", 1)]


def test_mistakes_have_clear_errors(tmp_path):
    with pytest.raises(MissingInputError, match="no such file or folder"):
        add_evalset(tmp_path / "w", {"name": "a", "path": str(tmp_path / "none")})
    for name in ("a.tar", "b.tar"):
        write_tar(tmp_path / "twice" / name, [("1.jpg", jpeg(1))])
    with pytest.raises(FormatError, match="two images with key '1'"):
        add_evalset(tmp_path / "w", {"name": "a", "path": str(tmp_path / "twice")})
    spec = {"name": "a", "path": str(tmp_path / "twice")}
    with pytest.raises(ParameterError, match="'a' is given twice"):
        add_evalset(tmp_path / "w", spec, spec)


def test_real_evaluation_set(tmp_path, data):
    workspace, _ = add_evalset(tmp_path / "w", {"name": "webposts", "path": str(data / "webposts" / "evalset")})
    counts = "SELECT count(*), count(phash), count(DISTINCT class_key), min(class_key)[1] FROM eval_images"
    assert query(workspace, counts) == [(600, 600, 89, "n")]
