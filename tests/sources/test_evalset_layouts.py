import json
import logging
from collections import namedtuple

import numpy as np
import pytest
from scipy.io import savemat

from curate.errors import FormatError, MissingInputError, ParameterError, UntrustedFileError
from curate.sources.evalset_coco import stream_objects
from curate.sources.evalset_layouts import find_layout, read_rows
from curate.sources.evalset_pieces import Wanted, pieces_with_classes
from curate.sources.evalset_voc import object_names
from curate.sources.records import Reject
from curate.stages.evalset_rows import true_class
from curate.vision.cells import record_uri
from curate.vision.decode import decode, read_range
from tests.sources import evalsets
from tests.sources.evalsets import (
    GOLDFISH,
    SHARK,
    TENCH,
    TRUE,
    WNIDS,
    imagenet_classes,
    imagenet_flat,
    imagenet_name,
    imagenet_tar,
)
from tests.sources.layouts import write

Found = namedtuple("Found", "layout classes data rejects truth")


def look(path, name="mine", split=None, format="auto", said=None):
    """What a path holds: classes and bytes by key, and rejects."""
    layout = find_layout(str(path), Wanted(name, split or said, split is not None), format)
    pieces = pieces_with_classes(layout)
    assert len({piece.name for piece in pieces}) == len(pieces)
    both = [record for piece in pieces for record in read_rows(piece.load())]
    records = [record for record in both if not isinstance(record, Reject)]
    assert len({record.key for record in records}) == len(records)
    return Found(
        layout, {record.key: true_class(record.labels) for record in records},
        {record.key: record.data for record in records}, [r for r in both if isinstance(r, Reject)], layout.truth(),
    )  # fmt: skip


def none(found):
    return set(found.classes.values()) == {None}


# ImageNet


def solution(folder):
    rows = [f"{key},{wnid} 1 2 3 4 {wnid} 5 6 7 8 \n" for key, wnid in imagenet_classes().items()]
    write(folder / "LOC_val_solution.csv", "ImageId,PredictionString\n" + "".join(reversed(rows)))


def numbered(folder):
    write(folder / "val.txt", "".join(f"{imagenet_name(i)}.JPEG {c}\n" for i, c in enumerate(TRUE, 1)))


def words(folder):
    write(folder / "synset_words.txt", "".join(f"{wnid} some fish, Piscis\n" for wnid in WNIDS))


def class_index(folder):
    write(folder / "imagenet_class_index.json", json.dumps({str(i): [w, "fish"] for i, w in enumerate(WNIDS)}))


def ground_truth(folder):
    """Numbered as the development kit does: backwards here."""
    write(folder / "ILSVRC2012_validation_ground_truth.txt", "".join(f"{3 - c}\n" for c in TRUE))


def class_map(folder):
    write(folder / "map_clsloc.txt", "".join(f"{wnid} {3 - i} fish\n" for i, wnid in enumerate(WNIDS)))


def meta_mat(folder):
    folder.mkdir(parents=True, exist_ok=True)
    synsets = np.zeros((3, 1), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")])
    for row, (i, wnid) in enumerate(reversed(list(enumerate(WNIDS)))):
        synsets[row, 0] = (3 - i, wnid, "fish")
    savemat(folder / "meta.mat", {"synsets": synsets})


def wnid_lines(folder):
    write(folder / "imagenet_2012_validation_synset_labels.txt", "".join(f"{WNIDS[c]}\n" for c in TRUE))


@pytest.mark.parametrize(
    "files",
    [(solution,), (numbered, words), (numbered, class_index), (ground_truth, class_map), (ground_truth, meta_mat),
     (wnid_lines,), (ground_truth, numbered, words)],
    ids=lambda files: "+".join(write.__name__ for write in files),
)  # fmt: skip
@pytest.mark.parametrize("place", ["beside", "above", "inside", "kaggle", "devkit"])
def test_imagenet_flat_takes_its_classes_from_lists(tmp_path, files, place):
    images = tmp_path / ("ILSVRC/Data/CLS-LOC/val" if place == "kaggle" else "val")
    imagenet_flat(images)
    folders = {"inside": images, "devkit": tmp_path / "ILSVRC2012_devkit_t12" / "data"}
    for write_file in files:
        write_file(folders.get(place, tmp_path))
    found = look(tmp_path if place in ("above", "kaggle") else images)
    assert found.layout.format == "imagenet" and found.layout.root == images
    assert found.classes == imagenet_classes() and not found.rejects


@pytest.mark.parametrize(
    ("files", "words_of_why"),
    [((), "no folders by wnid"), ((numbered,), "val.txt numbers the classes, and none of synset_words.txt"),
     ((ground_truth,), "as meta.mat or map_clsloc.txt do"),
     ((ground_truth, words), "as meta.mat or map_clsloc.txt do")],
)  # fmt: skip
def test_imagenet_without_a_list_that_tells_has_no_classes_and_says_why(tmp_path, files, words_of_why):
    imagenet_flat(tmp_path)
    for write_file in files:
        write_file(tmp_path)
    found = look(tmp_path)
    assert none(found) and len(found.classes) == len(TRUE)
    assert words_of_why in found.truth.why_none


def test_running_numbers_are_no_classes(tmp_path):
    imagenet_flat(tmp_path)
    words(tmp_path)
    write(tmp_path / "val.txt", "".join(f"{imagenet_name(i)} {i}\n" for i in range(1, 6)))
    found = look(tmp_path)
    assert none(found) and "does not number the 3 classes" in found.truth.why_none


def test_imagenet_in_folders_and_in_tars_has_the_same_names_and_classes(tmp_path):
    for number, c in enumerate(TRUE, 1):
        write(tmp_path / "a" / "val" / WNIDS[c] / f"{imagenet_name(number)}.JPEG", imagenet_name(number))
        write(tmp_path / "hub" / f"{imagenet_name(number)}_{WNIDS[c]}.JPEG", imagenet_name(number))
    imagenet_flat(tmp_path / "b")
    solution(tmp_path / "b")
    imagenet_tar(tmp_path / "c" / "ILSVRC2012_img_val.tar")
    solution(tmp_path / "c")
    imagenet_tar(tmp_path / "d" / "val.tar", folders=True)
    (tmp_path / "a" / "train" / TENCH).mkdir(parents=True)
    paths = ["a", "a/val", "hub", "b", "c", "c/ILSVRC2012_img_val.tar", "d"]
    found = [look(tmp_path / path) for path in paths]
    assert {f.layout.format for f in found} == {"imagenet"}
    assert all(f.classes == imagenet_classes() and f.data == found[0].data for f in found)
    assert found[0].data[imagenet_name(1)] == imagenet_name(1).encode()


def test_what_is_none_of_imagenet_is_reported(tmp_path):
    imagenet_flat(tmp_path)
    write(tmp_path / "cat.jpg", "x")
    found = look(tmp_path)
    assert [(r.locator, r.rule) for r in found.rejects] == [("cat.jpg", "not_of_the_set")] and len(found.classes) == 5


def test_broken_lists_of_imagenet_are_named(tmp_path):
    imagenet_flat(tmp_path)
    numbered(tmp_path)
    write(tmp_path / "synset_words.txt", "tench\n")
    with pytest.raises(FormatError, match=r"synset_words\.txt: 'tench' is no wnid"):
        look(tmp_path)
    (tmp_path / "val.txt").unlink()
    ground_truth(tmp_path)
    write(tmp_path / "meta.mat", b"no mat at all")
    with pytest.raises(FormatError, match=r"meta\.mat: is not the meta\.mat"):
        look(tmp_path)


# Pascal VOC


@pytest.mark.parametrize("inside", ["", "VOCdevkit", "VOCdevkit/VOC2007"])
def test_voc_takes_the_images_of_the_split(tmp_path, inside):
    evalsets.voc(tmp_path / "VOCdevkit")
    found = look(tmp_path / inside)
    assert found.layout.format == "voc" and found.data["000001"] == b"000001"
    assert found.classes == {"000001": "u:cat", "000002": None, "000003": "u:dog"}
    assert (found.truth.n_listed, found.truth.n_several) == (3, 1)
    assert look(tmp_path / inside, split="trainval").classes == {"000004": "u:dog"}


def test_voc_reads_annotations_where_lists_of_classes_are_missing(tmp_path, caplog):
    home = evalsets.voc(tmp_path) / "VOC2007"
    for file in (home / "ImageSets" / "Main").glob("*_test.txt"):
        file.unlink()
    assert none(look(home)) and "Annotations" in look(home).truth.why_none
    write(home / "Annotations" / "000001.xml", evalsets.voc_annotation("person", "person"))
    write(home / "Annotations" / "000002.xml", evalsets.voc_annotation("person", "sofa"))
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>'
    write(home / "Annotations" / "000003.xml", evalsets.voc_annotation("&c;", head=bomb))
    with caplog.at_level(logging.WARNING):
        assert look(home).classes == {"000001": "u:person", "000002": None, "000003": None}
    assert "1 annotations cannot be read, such as 000003.xml: declares a document type" in caplog.text


def test_document_types_are_refused_in_any_encoding():
    text = evalsets.voc_annotation("a", head="<!DOCTYPE a>").replace("<?xml version='1.0'?>", "")
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(ValueError, match="document type"):
            object_names(text.encode(encoding))


def test_voc_years_and_splits_are_chosen_or_asked_for(tmp_path):
    evalsets.voc(tmp_path, 2007)
    evalsets.voc(tmp_path, 2012, ("val", "train"))
    with pytest.raises(FormatError, match=r"several years: VOC2007, VOC2012\. Name"):
        look(tmp_path)
    assert look(tmp_path, name="voc2007_test", said="test").layout.root.name == "VOC2007"
    with pytest.raises(MissingInputError, match="no VOC2010, as the name voc2010_test says"):
        look(tmp_path, name="voc2010_test")
    with pytest.raises(MissingInputError, match=r"no split 'test', as the name .*There are: train, val"):
        look(tmp_path / "VOC2012", name="voc2012_test", said="test")
    assert set(look(tmp_path / "VOC2012").classes) == {"000001", "000002", "000003"}  # val
    (tmp_path / "VOC2012" / "JPEGImages").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingInputError, match="no folder JPEGImages"):
        look(tmp_path / "VOC2012")


def test_paths_out_of_the_folder_are_not_followed(tmp_path):
    write(tmp_path / "secret.jpg", "secret")
    home = evalsets.voc(tmp_path) / "VOC2007"
    write(home / "ImageSets" / "Main" / "test.txt", "000001\n../../secret\n000009\n")
    found = look(home)
    assert set(found.classes) == {"000001"}
    assert {(r.rule, r.locator) for r in found.rejects} == {
        ("outside_root", "test.txt: ../../secret"), ("missing_image", "000009"),
    }  # fmt: skip


# COCO


def test_coco_has_a_class_where_all_objects_are_of_one(tmp_path):
    evalsets.coco(tmp_path)
    for path in (tmp_path, tmp_path / "val2017"):
        found = look(path)
        assert found.layout.format == "coco"
        assert found.classes == {f"{1:012d}": "u:cat", f"{2:012d}": None, f"{3:012d}": None}
        assert (found.truth.n_listed, found.truth.n_several) == (4, 1)
    evalsets.coco(tmp_path, "val2014")
    with pytest.raises(ParameterError, match=r"no telling which split is meant\. Use --split: val2014, val2017"):
        look(tmp_path)
    assert look(tmp_path, name="coco_val2014", said="val2014").layout.truth_files[0].name == "instances_val2014.json"
    assert look(tmp_path / "val2014").classes
    with pytest.raises(MissingInputError, match="no split 'test2017'"):
        look(tmp_path, split="test2017")
    (tmp_path / "annotations" / "instances_val2014.json").unlink()
    assert none(look(tmp_path, split="val2014"))


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 20])
def test_objects_are_streamed_whatever_the_size_of_the_pieces_read(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("curate.sources.evalset_coco._CHUNK", chunk)
    entries = [{"id": i, "text": 'é]}\\"' * i, "list": [[i], {}]} for i in range(20)]
    text = {"n": 12345, "a": entries, "none": [], "b": {"a": [1]}, "mixed": [1, "x", {"id": 1}, None, True]}
    for indent in (None, 1):
        file = tmp_path / f"{indent}.json"
        file.write_text(json.dumps(text, indent=indent, ensure_ascii=False), encoding="utf-8-sig")
        assert list(stream_objects(file)) == [("a", entry) for entry in entries] + [("mixed", {"id": 1})]


@pytest.mark.parametrize("text", ["", "[]", '{"a"', '{"a": [', '{"a": [{"b": ', '{"a": [{}', "{a: 1}", '{"a": \ud800}'])
def test_broken_json_is_named(tmp_path, text):
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(FormatError, match=r"x\.json: (broken JSON|cannot be read)"):
        list(stream_objects(tmp_path / "x.json"))


# CUB and Places365


def test_cub_takes_its_test_images(tmp_path):
    evalsets.cub(tmp_path / "CUB_200_2011")
    for path in (tmp_path, tmp_path / "CUB_200_2011"):
        found = look(path)
        assert found.classes == {"001.Auk/Auk_2.jpg": "u:001.Auk", "002.Wren/Wren_1.jpg": "u:002.Wren"}
        assert (found.layout.format, found.truth.n_listed) == ("cub", 2)
    assert set(look(tmp_path, split="train").classes) == {"001.Auk/Auk_1.jpg", "002.Wren/Wren_2.jpg"}
    (tmp_path / "CUB_200_2011" / "classes.txt").unlink()
    assert none(look(tmp_path)) and look(tmp_path).truth.why_none == "classes.txt is not there"
    write(tmp_path / "CUB_200_2011" / "images.txt", "1 a.jpg\n2\n")
    with pytest.raises(FormatError, match=r"images\.txt: line 2 has one word"):
        look(tmp_path)


def test_places_are_called_without_their_first_letter(tmp_path):
    evalsets.places(tmp_path)
    for path in (tmp_path, tmp_path / "val_256"):
        found = look(path, name="places365_val", said="val")
        assert found.classes == {
            "Places365_val_00000001": "u:apartment_building/outdoor", "Places365_val_00000002": "u:airfield",
        }  # fmt: skip
        assert (found.layout.format, found.truth.n_listed) == ("places365", 2)
    (tmp_path / "categories_places365.txt").unlink()
    assert none(look(tmp_path)) and "categories_places365.txt not found" in look(tmp_path).truth.why_none


# CIFAR


@pytest.mark.parametrize(
    ("write_set", "names", "file"),
    [(evalsets.cifar10, ["u:airplane", "u:automobile"], "test_batch"),
     (evalsets.cifar100, ["u:apple", "u:aquarium_fish"], "test")],
)  # fmt: skip
def test_cifar_records_are_images(tmp_path, monkeypatch, write_set, names, file):
    monkeypatch.setattr("curate.sources.evalset_cifar._RECORDS_PER_PIECE", 2)
    write_set(tmp_path / "x")
    found = look(tmp_path / "x")
    assert found.classes == {f"{file}/{i:05d}": names[i % 2] for i in range(3)}
    pixels = evalsets.cifar_pixels(3)
    n_labels = 1 if file == "test_batch" else 2
    for i in range(3):
        data = found.data[f"{file}/{i:05d}"]
        assert np.array_equal(decode(data).pixels, pixels[i])
        place = tmp_path / "x" / record_uri(f"{file}.bin", i, n_labels)
        assert read_range(place, 0, len(data)) == data
    for gone in (0, 1):
        write(tmp_path / "x" / f"{file}.bin", b"x" * gone)
        with pytest.raises(FormatError, match="are not whole records"):
            look(tmp_path / "x")


def test_cifar_without_names_has_no_classes(tmp_path):
    evalsets.cifar100(tmp_path)
    (tmp_path / "fine_label_names.txt").unlink()
    assert none(look(tmp_path)) and look(tmp_path).truth.why_none.startswith("fine_label_names.txt")
    assert set(look(tmp_path, split="train").classes) == {f"train/{i:05d}" for i in range(3)}
    with pytest.raises(MissingInputError, match="no split 'val'"):
        look(tmp_path, split="val")


@pytest.mark.parametrize(
    ("folder", "files", "archive"),
    [("cifar-10-batches-py", ("batches.meta", "data_batch_1", "test_batch"), "cifar-10-binary"),
     ("cifar-100-python", ("meta", "train", "test"), "cifar-100-binary")],
)  # fmt: skip
def test_pickles_are_never_opened(tmp_path, folder, files, archive):
    for name in files:
        write(tmp_path / folder / name, b"\x80\x02cos\nsystem\n")
    for path in (tmp_path, tmp_path / folder):
        with pytest.raises(UntrustedFileError, match=f"pickles, which are programs.*{archive}"):
            look(path)


def test_cifar_as_folders(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / split / "airplane" / "0001.png", split)
    assert look(tmp_path, name="cifar10_test", said="test").data == {"airplane/0001.png": b"test"}
    assert look(tmp_path, split="train").data == {"airplane/0001.png": b"train"}
    assert look(tmp_path / "test", name="cifar10_test", said="test").classes == {"airplane/0001.png": "u:airplane"}
    assert set(look(tmp_path).classes) == {"test/airplane/0001.png", "train/airplane/0001.png"}  # as it always was
    with pytest.raises(MissingInputError, match=r"no split 'val'\. There are: test, train"):
        look(tmp_path, split="val")
    with pytest.raises(MissingInputError, match="no split '..'"):
        look(tmp_path / "train", split="..")


# WebVision, and what is not known


def test_webvision_is_read_by_its_val_list(tmp_path):
    from tests.sources import layouts

    root = layouts.webvision(tmp_path / "v")
    assert len(look(root).classes) == len(layouts.POSTS)  # no list of val: the training lists
    with pytest.raises(MissingInputError, match="no split 'val'"):
        look(root, name="webvision_val", said="val")
    write(root / "info" / "val_filelist.txt", "val1.jpg 1\n")
    write(root / "val_images_256" / "val1.jpg", "x")
    for more in ({}, {"split": "val"}, {"name": "webvision_val", "said": "val"}):
        found = look(root, **more)
        assert (found.layout.format, found.classes) == ("webvision", {"val1.jpg": layouts.TABBY})
    assert len(look(root, split="train").classes) == len(layouts.POSTS)


def test_a_layout_that_is_asked_for_and_not_there(tmp_path):
    write(tmp_path / TENCH / "1.jpg", "x")
    write(tmp_path / GOLDFISH / "1.jpg", "x")
    assert look(tmp_path).layout.format == "folder"
    for format in ("voc", "coco", "cub", "places365", "cifar", "imagenet", "export"):
        with pytest.raises(FormatError, match=f"cannot be read as {format}"):
            look(tmp_path, format=format)
    with pytest.raises(MissingInputError, match="no such file or folder"):
        look(tmp_path / "none", format="voc")
    imagenet_flat(tmp_path / SHARK)
    assert look(tmp_path / SHARK, format="folder").layout.format == "folder"


def test_a_change_of_an_image_or_of_its_classes_changes_its_piece_alone(tmp_path):
    evalsets.voc(tmp_path)
    evalsets.places(tmp_path / "p")

    def depends(path):
        return [piece.depends for piece in pieces_with_classes(find_layout(str(path), Wanted("mine")))]

    before = depends(tmp_path / "VOC2007")
    assert depends(tmp_path / "VOC2007") == before
    write(tmp_path / "VOC2007" / "JPEGImages" / "000002.jpg", "another")
    changed = depends(tmp_path / "VOC2007")
    assert changed != before
    write(tmp_path / "VOC2007" / "ImageSets" / "Main" / "test.txt", "000002\n000003\n")
    assert depends(tmp_path / "VOC2007") != changed
    before = depends(tmp_path / "p")
    write(tmp_path / "p" / "categories_places365.txt", "/a/airfield 0\n/a/alley 1\n")
    assert depends(tmp_path / "p") != before


def test_a_key_that_comes_twice_is_named(tmp_path):
    imagenet_flat(tmp_path)
    write(tmp_path / TENCH / f"{imagenet_name(1)}.JPEG", "x")
    with pytest.raises(FormatError, match=f"two images with key '{imagenet_name(1)}'"):
        look(tmp_path)
