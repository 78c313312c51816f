import io

import numpy as np
import pytest
from PIL import Image

from curate.vision.planting import HALVES, TRANSFORMS, plan_plants, plant_copy

IDS = [f"eval/{i:04d}" for i in range(300)]


def picture(seed=0, height=120, width=160):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 10, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_halves_share_no_image_and_no_strength():
    plants = plan_plants(IDS, 20)
    images = {half: {p.image for p in plants if p.half == half} for half in HALVES}
    assert not images["fit"] & images["report"]
    bands = {half: {int(p.strength * 10) for p in plants if p.half == half} for half in HALVES}
    assert bands == {"fit": {0, 2, 4, 6, 8}, "report": {1, 3, 5, 7, 9}}
    counts = {(p.transform, p.half): 0 for p in plants}
    for plant in plants:
        counts[plant.transform, plant.half] += 1
    assert set(counts.values()) == {20}
    assert len(counts) == 2 * len(TRANSFORMS)


def test_a_plan_depends_on_the_ids_and_not_on_their_order():
    rng = np.random.default_rng(1)
    order = rng.permutation(len(IDS))
    shuffled = [IDS[i] for i in order]
    there = {(IDS[p.image], p.transform, p.half, p.strength) for p in plan_plants(IDS, 7)}
    assert there == {(shuffled[p.image], p.transform, p.half, p.strength) for p in plan_plants(shuffled, 7)}


def test_few_images_give_few_plants():
    assert plan_plants([], 10) == []
    assert {p.image for p in plan_plants(IDS[:1], 10)} == {0}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_copy_is_the_same_whenever_it_is_made(transform, strength):
    own, other = picture(), picture(1)
    data = plant_copy(own, transform, strength, "seed", other)
    assert data == plant_copy(own, transform, strength, "seed", other)
    assert opened(data).shape[2] == 3


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_tiny_and_long_images_can_be_copied(transform):
    for height, width in ((8, 8), (32, 32), (9, 400)):
        assert opened(plant_copy(picture(2, height, width), transform, 0.9, "s", picture(3))).size


def test_changes_are_what_their_names_say():
    own, other = picture(), picture(1)
    made = {name: opened(plant_copy(own, name, 0.5, "a", other)) for name in TRANSFORMS}
    assert np.array_equal(made["identity"], own)
    assert np.ptp(made["grayscale"].astype(int), axis=2).max() <= 2
    assert np.abs(made["hflip"][:, ::-1].astype(int) - own).mean() < 4
    assert made["crop"].shape[0] * made["crop"].shape[1] < 0.8 * own.shape[0] * own.shape[1]
    assert made["border"].size > own.size
    assert made["screenshot"].size > own.size
    sharp = np.kron(np.eye(12, 16), np.ones((10, 10)))[..., None].repeat(3, 2).astype(np.uint8) * 255
    edge = np.diff(opened(plant_copy(sharp, "blur", 0.9, "a", other)).astype(int), axis=1)
    assert np.abs(edge).max() < 200


def test_stronger_is_further_away():
    own, other = picture(), picture(1)

    def distance(name, strength):
        seeds = [plant_copy(own, name, strength, str(seed), other) for seed in range(8)]
        return np.mean([np.abs(opened(data).astype(int) - own).mean() for data in seeds])

    for name in ("recompressed", "color", "overlay", "blur"):
        assert distance(name, 0.95) > distance(name, 0.05)
