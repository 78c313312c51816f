import numpy as np
import pyarrow as pa
import pytest

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.schema import check_rows, conform
from curate.stages.score_labels import STAGE, ScoreLabels, choose_encoder
from tests.noise.corpus import corpus_tables, image_id, image_row, key_of, memory, planted


def run(tables, folder, **params):
    rows = conform(STAGE.run(memory(tables, folder), ScoreLabels(**params))["label_scores"], "label_scores")
    check_rows(rows, "label_scores")
    return {(r["image_id"], r["class_key"]): r for r in rows.to_pylist()}


@pytest.fixture
def corpus():
    vectors, true, given = planted(n_images=600, n_classes=4, noise=0.2)
    return vectors, true, list(enumerate(given.tolist()))


def test_every_direct_label_on_a_decodable_image_is_scored_once(corpus, tmp_path):
    vectors, true, labels = corpus
    labels = [*labels, (0, (labels[0][1] + 1) % 4)]  # one image with two labels
    images = [image_row(i, status="damaged" if i == 5 else "ok") for i in range(600)]
    found = run(corpus_tables(labels, vectors, images), tmp_path)
    assert set(found) == {(image_id(i), key_of(k)) for i, k in labels if i != 5}
    right = {(image_id(i), key_of(k)): true[i] == k for i, k in labels}
    p = np.array([row["p_correct"] for row in found.values()])
    truth = np.array([right[pair] for pair in found])
    assert p[truth].mean() > 0.9 and p[~truth].mean() < 0.25
    assert {row["method"] for row in found.values()} == {"probe"}
    wrong = [row for pair, row in found.items() if not right[pair] and row["suggested_class_key"]]
    assert np.mean([row["suggested_class_key"] == key_of(true[int(row["image_id"], 16)]) for row in wrong]) > 0.9


def test_copies_and_an_owners_posts_share_a_fold(corpus, tmp_path):
    vectors, _, labels = corpus
    images = [image_row(i, owner=f"o{i // 10}") for i in range(600)]
    images[599]["sha256"] = images[0]["sha256"]
    clusters = [
        {"image_id": image_id(i), "cluster_id": image_id(15), "is_representative": i == 15} for i in (15, 300, 301)
    ]
    found = run(corpus_tables(labels, vectors, images, duplicate_clusters=clusters), tmp_path)
    fold = {int(row["image_id"], 16): row["fold"] for row in found.values()}
    assert all(len({fold[i] for i in range(o * 10, o * 10 + 10)}) == 1 for o in range(60))
    assert fold[0] == fold[599] and fold[15] == fold[300] == fold[301]


def test_a_label_does_not_raise_its_own_score(corpus, tmp_path):
    """Had a model seen the image, calling it something else would lower what it says of the first label."""
    vectors, _, labels = corpus
    before = run(corpus_tables(labels, vectors), tmp_path)
    other = [(0, (labels[0][1] + 1) % 4), *labels[1:]]
    after = run(corpus_tables([*labels[:1], *other], vectors), tmp_path)
    pair = (image_id(0), key_of(labels[0][1]))
    assert after[pair]["p_correct"] == pytest.approx(before[pair]["p_correct"], abs=0.02)


def test_tail_classes_and_images_without_descriptor_get_a_prior(corpus, tmp_path):
    vectors, _, labels = corpus
    labels = [*labels[:590], *((i, 7) for i in range(590, 595)), *labels[595:]]
    tables = corpus_tables(labels, vectors, parents=[(7, 8), (0, 8)])
    stale = tables["embeddings"]["sha256"].to_pylist()
    stale[0] = "0" * 64  # the bytes changed since
    tables["embeddings"] = (
        tables["embeddings"].set_column(3, "sha256", pa.array(stale)).filter(pa.array([i != 1 for i in range(600)]))
    )
    found = run(tables, tmp_path)
    prior = {pair for pair, row in found.items() if row["method"] == "prior"}
    assert prior == {(image_id(i), key_of(k)) for i, k in labels if i in (0, 1) or k == 7}
    assert all(found[pair]["fold"] is None and found[pair]["suggested_class_key"] is None for pair in prior)
    assert all(0.6 < found[pair]["p_correct"] < 0.95 for pair in prior)


@pytest.mark.parametrize("n_classes", [1, 2])
def test_few_classes(n_classes, tmp_path):
    vectors, _, given = planted(n_images=60, n_classes=2, noise=0.1)
    found = run(corpus_tables([(i, int(k) % n_classes) for i, k in enumerate(given)], vectors), tmp_path)
    assert len(found) == 60


def test_no_labels(tmp_path):
    tables = corpus_tables([(0, 0)], np.ones((1, 4), np.float16))
    for name in ("mentions", "raw_labels", "ancestors"):
        tables[name] = tables[name].slice(0, 0)
    assert run(tables, tmp_path) == {}


def test_result_depends_neither_on_row_order_nor_on_parts(corpus, tmp_path):
    vectors, _, labels = corpus
    tables = corpus_tables(labels, vectors)
    one = run(tables, tmp_path / "a" if (tmp_path / "a").mkdir() is None else tmp_path)
    cut = {}
    rng = np.random.default_rng(0)
    for name, rows in tables.items():
        mixed = rows.take(pa.array(rng.permutation(rows.num_rows)))
        cut[name] = [mixed.slice(0, 101), mixed.slice(101)]
    (tmp_path / "b").mkdir()
    assert run(cut, tmp_path / "b") == one


def test_choose_encoder():
    known = ["clip#aaaaaaaaaaaa", "clip-large#bbbbbbbbbbbb"]
    assert choose_encoder(known[:1], None) == known[0]
    assert choose_encoder(known, "clip") == known[0]
    assert choose_encoder(known, "clip-") == known[1]
    with pytest.raises(MissingInputError, match="more than one"):
        choose_encoder(known, None)
    with pytest.raises(MissingInputError, match="Did you mean"):
        choose_encoder(known, "clop-large#bbbbbbbbbbbb")
    with pytest.raises(MissingInputError):
        choose_encoder([], None)


def test_vectors_of_two_lengths_are_an_error(corpus, tmp_path):
    vectors, _, labels = corpus
    tables = corpus_tables(labels, [v if i else v[:5] for i, v in enumerate(vectors)])
    with pytest.raises(FormatError, match="lengths"):
        run(tables, tmp_path)


@pytest.mark.parametrize("params", [{"folds": 1}, {"min_images": 0}])
def test_parameters_are_checked(tmp_path, params):
    with pytest.raises(ParameterError):
        run(corpus_tables([(0, 0)], np.ones((1, 4), np.float16)), tmp_path, **params)
