import logging
from hashlib import sha256

import pyarrow.parquet as pq
import pytest

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.plan import Step
from curate.recipe import build_params
from curate.runner import run
from curate.stages.evalset import N_EXPECTED, STAGE
from curate.store import Workspace
from tests.sources import evalsets
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
    assert "eval set imagenet_val (imagenet): 1 of 50,000 images found, 1 with a class" in caplog.text
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


def test_a_published_set_is_read_by_its_name(tmp_path, caplog):
    home = evalsets.voc(tmp_path / "VOCdevkit") / "VOC2007"
    for number in (1, 2, 3):
        write_image(home / "JPEGImages" / f"{number:06d}.jpg", number)
    (home / "JPEGImages" / "000003.jpg").write_bytes(b"")
    with caplog.at_level(logging.INFO):
        workspace, _ = add_evalset(tmp_path / "w", {"name": "voc2007_test", "path": str(tmp_path / "VOCdevkit")})
    said = "voc2007_test (voc): 3 of 4,952 images found, 1 damaged, 2 with a class, 1 show several classes"
    assert said in caplog.text
    assert query(workspace, "SELECT eval_image_id, uri, class_key, status FROM eval_images ORDER BY ALL") == [
        ("000001", "JPEGImages/000001.jpg", "u:cat", "ok"), ("000002", "JPEGImages/000002.jpg", None, "ok"),
        ("000003", "JPEGImages/000003.jpg", "u:dog", "damaged"),
    ]  # fmt: skip
    assert query(workspace, "SELECT root, format, n_expected FROM eval_sets") == [(str(home), "voc", 4952)]


def test_missing_images_are_told_in_one_line(tmp_path, caplog):
    evalsets.cub(tmp_path / "cub")
    for path in (tmp_path / "cub" / "images").rglob("*.jpg"):
        path.unlink()
    write_image(tmp_path / "cub" / "images" / "001.Auk" / "Auk_1.jpg", 1)
    write_image(tmp_path / "cub" / "images" / "002.Wren" / "Wren_2.jpg", 2)
    with pytest.raises(MissingInputError, match="no images in"), caplog.at_level(logging.WARNING):
        add_evalset(tmp_path / "w", {"name": "birds", "path": str(tmp_path / "cub")})
    assert "(and 1 more)" in caplog.text and len(caplog.records) == 1
    caplog.clear()
    with caplog.at_level(logging.INFO):
        workspace, _ = add_evalset(tmp_path / "v", {"name": "birds", "path": str(tmp_path / "cub"), "split": "train"})
    assert "birds (cub): 2 of 2 images found, 2 with a class" in caplog.text
    assert query(workspace, "SELECT n_images, n_expected FROM eval_sets") == [(2, 2)]


def test_records_of_cifar_become_images(tmp_path):
    evalsets.cifar10(tmp_path / "cifar-10-batches-bin", n=4)
    workspace, _ = add_evalset(tmp_path / "w", {"name": "cifar10_test", "path": str(tmp_path)})
    assert query(
        workspace, "SELECT uri, byte_length, width, class_key, phash IS NOT NULL FROM eval_images ORDER BY ALL LIMIT 2"
    ) == [(f"test_batch.bin#record={i}&labels=1", 3085, 32, f"u:{name}", True)
          for i, name in enumerate(["airplane", "automobile"])]  # fmt: skip


def test_a_fingerprint_is_of_the_set_wherever_it_lies(tmp_path):
    for number in (1, 2):
        write_image(tmp_path / "flat" / f"{evalsets.imagenet_name(number)}.JPEG", number)
        write_image(tmp_path / "folders" / evalsets.TENCH / f"{evalsets.imagenet_name(number)}.JPEG", number)
    members = [(f"{evalsets.imagenet_name(number)}.JPEG", jpeg(number)) for number in (2, 1)]
    write_tar(tmp_path / "tars" / "val.tar", members)
    names = ("flat", "folders", "tars")
    workspace, _ = add_evalset(tmp_path / "w", *({"name": name, "path": str(tmp_path / name)} for name in names))
    lines = "".join(f"{evalsets.imagenet_name(number)}\t{sha256(jpeg(number)).hexdigest()}\n" for number in (1, 2))
    assert query(workspace, "SELECT DISTINCT fingerprint FROM eval_sets") == [(sha256(lines.encode()).hexdigest(),)]
    write_image(tmp_path / "flat" / f"{evalsets.imagenet_name(2)}.JPEG", 3)
    workspace, _ = add_evalset(tmp_path / "v", {"name": "flat", "path": str(tmp_path / "flat")})
    assert query(workspace, "SELECT fingerprint FROM eval_sets") != [(sha256(lines.encode()).hexdigest(),)]


def test_a_second_run_reads_only_what_changed(tmp_path):
    root = evalsets.imagenet_flat(tmp_path / "val")
    for number in range(1, 6):
        write_image(root / f"{evalsets.imagenet_name(number)}.JPEG", number)
    spec = {"name": "v", "path": str(root)}
    assert [add_evalset(tmp_path / "w", spec)[1].action for _ in range(2)] == ["ran", "reused"]
    (root / "val.txt").write_text(f"{evalsets.imagenet_name(1)}.JPEG {evalsets.TENCH}\n")
    workspace, outcome = add_evalset(tmp_path / "w", spec)
    assert outcome.action == "ran"
    assert query(workspace, "SELECT eval_image_id, class_key FROM eval_images WHERE class_key IS NOT NULL") == [
        (evalsets.imagenet_name(1), evalsets.TENCH)
    ]


def test_side_labels_go_before_those_of_the_layout(tmp_path):
    evalsets.cifar10(tmp_path / "c")
    (tmp_path / "truth.csv").write_text("key,class\ntest_batch/00001,frog\n")
    spec = {"name": "c", "path": str(tmp_path / "c"), "labels": str(tmp_path / "truth.csv")}
    workspace, _ = add_evalset(tmp_path / "w", spec)
    found = query(workspace, "SELECT class_key FROM eval_images ORDER BY eval_image_id")
    assert found == [("u:airplane",), ("u:frog",), ("u:airplane",)]


def test_a_changed_export_is_refused(tmp_path):
    from curate.sources.evalset_export import write_export
    from tests.sources.test_evalset_export import ABOUT, rows

    write_export(tmp_path / "v.parquet", rows(), ABOUT)
    with pytest.raises(FormatError, match="fingerprint .{12}, it says ffffffffffff. The file was changed"):
        add_evalset(tmp_path / "w", {"name": "v", "path": str(tmp_path / "v.parquet")})
    table = pq.read_table(tmp_path / "v.parquet")
    lines = "".join(f"{i}\t{s}\n" for i, s in zip(*table.select([0, 1]).to_pydict().values(), strict=True))
    write_export(tmp_path / "v.parquet", rows(), ABOUT | {"fingerprint": sha256(lines.encode()).hexdigest()})
    workspace, _ = add_evalset(tmp_path / "w", {"name": "v", "path": str(tmp_path / "v.parquet")})
    assert query(workspace, "SELECT format, root, n_images, n_expected FROM eval_sets") == [
        ("export", str(tmp_path / "v.parquet"), 3, 4)
    ]
    (tmp_path / "truth.csv").write_text("key,class\nb,frog\n")
    spec = {"name": "v", "path": str(tmp_path / "v.parquet"), "labels": str(tmp_path / "truth.csv")}
    workspace, _ = add_evalset(tmp_path / "w", spec)
    found = query(workspace, "SELECT class_key FROM eval_images ORDER BY eval_image_id")
    assert found == [("n01440764",), ("u:frog",), (None,)]


def test_real_evaluation_set(tmp_path, data):
    workspace, _ = add_evalset(tmp_path / "w", {"name": "webposts", "path": str(data / "webposts" / "evalset")})
    counts = "SELECT count(*), count(phash), count(DISTINCT class_key), min(class_key)[1] FROM eval_images"
    assert query(workspace, counts) == [(600, 600, 89, "n")]
