"""Small published evaluation sets, written in the layouts that they are unpacked to; an image's bytes are its name."""

import json

import numpy as np

from tests.sources.layouts import write, write_tar

TENCH, GOLDFISH, SHARK = "n01440764", "n01443537", "n01484850"
WNIDS = [TENCH, GOLDFISH, SHARK]
TRUE = [2, 0, 1, 0, 2]
"""Class of each image of the small ImageNet, in alphabetical order of wnids."""


def imagenet_name(number):
    return f"ILSVRC2012_val_{number:08d}"


def imagenet_flat(folder):
    for number in range(1, len(TRUE) + 1):
        write(folder / f"{imagenet_name(number)}.JPEG", imagenet_name(number))
    return folder


def imagenet_classes():
    return {imagenet_name(number): WNIDS[c] for number, c in enumerate(TRUE, 1)}


def voc(folder, year=2007, splits=("test", "trainval")):
    """000001 shows a cat, 000002 a cat and a hidden dog, 000003 a dog; 000004 is of another split."""
    home = folder / f"VOC{year}"
    for number in range(1, 5):
        write(home / "JPEGImages" / f"{number:06d}.jpg", f"{number:06d}")
    main = home / "ImageSets" / "Main"
    write(main / f"{splits[0]}.txt", "000001\n000002\n000003\n")
    write(main / f"{splits[1]}.txt", "000004\n")
    write(main / f"cat_{splits[0]}.txt", "000001  1\n000002  1\n000003 -1\n")
    write(main / f"dog_{splits[0]}.txt", "000001 -1\n000002  0\n000003  1\n")
    write(main / f"dog_{splits[1]}.txt", "000004  1\n")
    return folder


def voc_annotation(*names, head=""):
    part = "<part><name>head</name></part>"
    objects = "".join(f"<object><name>{name}</name>{part}</object>" for name in names)
    return f"<?xml version='1.0'?>{head}<annotation><filename>x</filename>{objects}</annotation>"


def coco(folder, split="val2017"):
    """Image 1 shows two cats, 2 a cat and a dog, 3 nothing; 9 is listed but not there."""
    for number in (1, 2, 3):
        write(folder / split / f"{number:012d}.jpg", f"{number}")
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "license": 1} for n in (1, 2, 3, 9)]
    outline = {"segmentation": [[1.5, 2.25]], "iscrowd": 0, "bbox": [1, 2, 3, 4]}
    pairs = [(1, 17), (2, 17), (1, 17), (2, 18)]
    shown = [{**outline, "image_id": i, "category_id": c, "id": k} for k, (i, c) in enumerate(pairs)]
    names = [{"supercategory": "animal", "id": 17, "name": "cat"}, {"id": 18, "name": "dog"}]
    text = {"info": {"images": [{"id": 7}]}, "licenses": [{"id": 1}], "images": images, "annotations": shown,
            "categories": names}  # fmt: skip
    write(folder / "annotations" / f"instances_{split}.json", json.dumps(text))
    return folder


def cub(folder):
    names = ["001.Auk/Auk_1.jpg", "001.Auk/Auk_2.jpg", "002.Wren/Wren_1.jpg", "002.Wren/Wren_2.jpg"]
    for name in names:
        write(folder / "images" / name, name)
    write(folder / "images.txt", "".join(f"{i} {name}\n" for i, name in enumerate(names, 1)))
    write(folder / "train_test_split.txt", "1 1\n2 0\n3 0\n4 1\n")
    write(folder / "image_class_labels.txt", "1 1\n2 1\n3 2\n4 2\n")
    write(folder / "classes.txt", "1 001.Auk\n2 002.Wren\n")
    return folder


def places(folder):
    for number in (1, 2):
        write(folder / "val_256" / f"Places365_val_{number:08d}.jpg", f"{number}")
    write(folder / "places365_val.txt", "Places365_val_00000001.jpg 1\nPlaces365_val_00000002.jpg 0\n")
    write(folder / "categories_places365.txt", "/a/airfield 0\n/a/apartment_building/outdoor 1\n")
    return folder


def cifar_pixels(n):
    return np.random.default_rng(n).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def cifar_records(labels, pixels_NHWC):
    """Label bytes, then the planes of each image."""
    leads = [bytes(label) for label in labels]
    planes = pixels_NHWC.transpose(0, 3, 1, 2)
    return b"".join(lead + image.tobytes() for lead, image in zip(leads, planes, strict=True))


def cifar10(folder, n=3):
    write(folder / "test_batch.bin", cifar_records([[i % 2] for i in range(n)], cifar_pixels(n)))
    write(folder / "batches.meta.txt", "airplane\nautomobile\n\n")
    return folder


def cifar100(folder, n=3):
    for split in ("train", "test"):
        write(folder / f"{split}.bin", cifar_records([[1, i % 2] for i in range(n)], cifar_pixels(n)))
    write(folder / "fine_label_names.txt", "apple\naquarium_fish\n")
    return folder


def imagenet_tar(path, folders=False):
    names = [(f"{WNIDS[c]}/" * folders + f"{imagenet_name(i)}.JPEG", imagenet_name(i)) for i, c in enumerate(TRUE, 1)]
    write_tar(path, [(name, content.encode()) for name, content in names])
    return path
