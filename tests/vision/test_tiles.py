import numpy as np
import pytest

from curate.vision.features import SQUARE, WHOLE, whole_thumbs
from curate.vision.tiles import find_tiles, index_tiles
from curate.vision.verify import extract
from tests.vision.scenes import framed, jpeg, scene, tiled

SCENES = range(100, 140)


@pytest.fixture(scope="module")
def index():
    return index_tiles([whole_thumbs(scene(seed)) for seed in SCENES])


def parts_of(picture):
    features = extract(picture)
    return features.thumbs_KTT[features.is_part_K]


def found(index, *pictures, parts=parts_of):
    thumbs = [parts(p) for p in pictures]
    owner = np.repeat(np.arange(len(thumbs)), [len(each) for each in thumbs])
    images, evals, correlation = find_tiles(np.concatenate(thumbs), owner, index, "cpu")
    return list(zip(images.tolist(), evals.tolist(), strict=True)), correlation


def test_thumbs_are_those_of_the_features():
    np.testing.assert_array_equal(whole_thumbs(scene(1)), extract(scene(1)).thumbs_KTT[[WHOLE, SQUARE]])


def test_every_tile_of_a_collage_is_found(index):
    pairs, correlation = found(index, jpeg(tiled(scene(103), scene(1), scene(2), scene(117))))
    assert {(0, 3), (0, 17)} <= set(pairs)
    assert correlation.min() >= 0.5


def test_a_correlation_is_no_more_than_one(index):
    pairs, correlation = found(index, *(scene(seed) for seed in SCENES), parts=whole_thumbs)
    assert {(i, i) for i in range(len(SCENES))} <= set(pairs)
    assert correlation.max() == 1.0


def test_framed_and_mirrored_pictures_are_found(index):
    frame = framed(np.ascontiguousarray(scene(105)[:, ::-1]), 90, (240, 240, 240))
    assert (0, 5) in found(index, frame)[0]


def test_margins_may_be_shaded(index):
    shaded = np.linspace(60, 200, 390).astype(np.uint8)[:, None, None].repeat(460, axis=1).repeat(3, axis=2)
    shaded[90:300, 90:370] = scene(107)
    assert (0, 7) in found(index, jpeg(shaded))[0]


def test_few_unrelated_pictures_have_a_part_that_stands_out(index):
    pictures = [scene(seed) for seed in range(20)]
    assert len(found(index, *pictures)[0]) < 4
    assert np.mean([len(parts_of(picture)) for picture in pictures]) < 8


def test_tiles_are_parts_and_so_is_a_framed_content():
    kinds = {"collage": tiled(*map(scene, range(4))), "framed": framed(scene(1), 60, (9, 9, 9)), "plain": scene(1)}
    is_part = {name: extract(np.ascontiguousarray(picture)).is_part_K for name, picture in kinds.items()}
    quarters = 3 + 2 + 2 + np.arange(4)
    assert is_part["collage"][quarters].all()
    assert is_part["framed"][0]
    assert not is_part["plain"][0]


def test_an_image_alone_gives_what_it_gives_among_others(index):
    pictures = [tiled(*(scene(100 + 4 * i + j) for j in range(4))) for i in range(5)]
    together, correlation = found(index, *pictures)
    alone = [found(index, picture) for picture in pictures]
    assert together == [(i, image) for i, (pairs, _) in enumerate(alone) for _, image in pairs]
    assert correlation.tolist() == [x for _, each in alone for x in each.tolist()]


def test_nothing_is_found_in_an_empty_or_unreadable_set():
    for empty in (index_tiles([]), index_tiles([None, None])):
        assert found(empty, scene(1))[0] == []
    only_second = index_tiles([None, whole_thumbs(scene(1))])
    assert found(only_second, tiled(scene(1), scene(2), scene(3), scene(4)))[0] == [(0, 1)]
