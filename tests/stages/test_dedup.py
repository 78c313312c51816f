import datetime
import hashlib

import numpy as np
import pyarrow as pa
import pytest

from curate.errors import MissingInputError, ParameterError
from curate.schema import check_rows, conform, table_schema
from curate.stages import dedup
from curate.vision.neighbors import search
from tests.tables import MemoryTables

ENCODER = "test#0123456789ab"
MIRROR = 0x5555555555555555
N_CORPUS, N_EVAL, DIM = 900, 150, 24


def rows_of(name, rows):
    return pa.Table.from_pylist(rows, schema=table_schema(name).arrow)


def code(random):
    """A hash as images have them: half of its bits are set."""
    return sum(1 << int(bit) for bit in random.permutation(64)[:32])


def turned(value, n_bits, random):
    """As many set bits cleared as clear bits set."""
    ones = [bit for bit in range(64) if value >> bit & 1]
    zeros = [bit for bit in range(64) if not value >> bit & 1]
    for bits in (ones, zeros):
        for bit in random.permutation(bits)[: n_bits // 2]:
            value ^= 1 << int(bit)
    return value


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.fixture(scope="module")
def world():
    """A corpus with planted copies of an eval set: 20 equal files, 20 near hashes, 10 mirrored, 20 near vectors."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((30, DIM))

    def fresh():
        return unit(centres[random.integers(30)] + 0.7 * random.standard_normal(DIM))

    evals = [{"sha": hashlib.sha256(b"e%d" % i).hexdigest(), "code": code(random), "vector": fresh()}
             for i in range(N_EVAL)]  # fmt: skip
    corpus, planted = [], {}
    for i in range(N_CORPUS):
        row = {"sha": hashlib.sha256(b"c%d" % i).hexdigest(), "code": code(random), "vector": fresh()}
        source = evals[i % N_EVAL]
        near = unit(source["vector"] + 0.01 * random.standard_normal(DIM))
        if i < 20:
            row, planted[i] = dict(source), "sha256"
        elif i < 40:
            row |= {"code": turned(source["code"], 2, random)}
            planted[i] = "phash"
        elif i < 50:
            row |= {"code": turned(source["code"] ^ MIRROR, 2, random)}
            planted[i] = "mirrored"
        elif i < 70:
            row |= {"vector": near}
            planted[i] = "embedding"
        corpus.append(row)
    for i in range(70, 90):  # copies within the corpus: equal bytes, near hashes
        corpus[i + 20] |= {"sha": corpus[i]["sha"]} if i < 80 else {"code": turned(corpus[i]["code"], 2, random)}
    return corpus, evals, planted


def as_tables(world):
    corpus, evals, _ = world
    images = [{"image_id": f"{i:032x}", "source": "s", "key": str(i), "occurrence": 0, "uri": "u", "byte_offset": 0,
               "byte_length": 1, "sha256": row["sha"], "phash": row["code"], "width": 10 + i % 7, "height": 10,
               "status": "ok"} for i, row in enumerate(corpus)]  # fmt: skip
    images.append(images[0] | {"image_id": "f" * 32, "phash": None, "status": "damaged", "error": "so it was said"})
    eval_images = [{"eval_set": "val", "eval_image_id": f"e{i:04d}", "uri": "u", "byte_offset": 0, "byte_length": 1,
                    "sha256": row["sha"], "phash": row["code"], "status": "ok"}
                   for i, row in enumerate(evals)]  # fmt: skip
    eval_set = {"eval_set": "val", "root": "/", "format": "folder", "n_images": N_EVAL,
                "added_at": datetime.datetime(2026, 1, 1)}  # fmt: skip
    vectors = [{"image_id": f"{i:032x}", "encoder": ENCODER, "vector": row["vector"].astype(np.float16),
                "sha256": row["sha"]} for i, row in enumerate(corpus)]  # fmt: skip
    eval_vectors = [{"eval_set": "val", "eval_image_id": f"e{i:04d}", "encoder": ENCODER, "sha256": row["sha"],
                     "vector": row["vector"].astype(np.float16)} for i, row in enumerate(evals)]  # fmt: skip
    return {
        "images": rows_of("images", images), "eval_images": rows_of("eval_images", eval_images),
        "eval_sets": rows_of("eval_sets", [eval_set]), "embeddings": rows_of("embeddings", vectors),
        "eval_embeddings": rows_of("eval_embeddings", eval_vectors),
    }  # fmt: skip


def run(given, **params):
    params = dedup.DedupParams(**({"against": ("val",), "device": "cpu"} | params))
    empty = [name for name in ("embeddings", "eval_images", "eval_sets", "eval_embeddings") if name not in given]
    tables = MemoryTables(given, empty=empty)
    work = dedup.make_worker(tables, params)
    found = [work(part.load())["duplicate_candidates"] for part in dedup.cut_parts(tables, params)]
    result = {"duplicate_candidates": conform(pa.concat_tables(found), "duplicate_candidates")}
    after = MemoryTables({**given, **result}, empty=empty)
    result |= {name: conform(rows, name) for name, rows in dedup.gather_decisions(after, params).items()}
    for name, rows in result.items():
        check_rows(rows, name)
    return {n: rows.sort_by([(key, "ascending") for key in table_schema(n).key]) for n, rows in result.items()}


@pytest.fixture(scope="module")
def found(world):
    return run(as_tables(world))


def test_planted_copies_are_found_and_nothing_else(world, found):
    planted = world[2]
    by_image = {int(row["image_id"], 16): row for row in found["near_duplicates"].to_pylist()}
    for i, row in by_image.items():
        assert planted.get(i), f"{i} is no copy: {row}"
        assert row["eval_image_id"] == f"e{i % N_EVAL:04d}"
        assert row["method"] == {"mirrored": "phash"}.get(planted[i], planted[i])
        assert row["p_duplicate"] > 0.9
        assert row["transform"] == {"sha256": "identity", "mirrored": "hflip"}.get(planted[i])
    missing = [planted[i] for i in planted if i not in by_image]
    assert not missing, missing


def test_similarity_is_on_the_scale_of_its_method(found):
    for row in found["near_duplicates"].to_pylist():
        if row["method"] == "sha256":
            assert row["similarity"] == 1
        elif row["method"] == "phash":
            assert row["similarity"] == pytest.approx(1 - 2 / 64)
        else:
            assert 0.9 < row["similarity"] < 1


def test_candidates_equal_brute_force(world, found):
    corpus, evals, _ = world
    rows = found["duplicate_candidates"].to_pylist()
    pairs = {(int(row["image_id"], 16), int(row["eval_image_id"][1:])): row for row in rows}

    def stored(side):
        halves = np.array([row["vector"] for row in side]).astype(np.float16).astype(np.float64)
        return (halves / np.linalg.norm(halves, axis=1, keepdims=True)).astype(np.float32)

    left, right = stored(corpus), stored(evals)
    _, nearest = search(left, right, 5)
    wanted = {(i, int(j)) for i, row in enumerate(nearest) for j in row}
    codes = [np.array([row["code"] for row in side], np.uint64) for side in (corpus, evals)]
    straight = np.bitwise_count(codes[0][:, None] ^ codes[1][None])
    mirrored = np.bitwise_count(codes[0][:, None] ^ codes[1][None] ^ np.uint64(MIRROR))
    distance = np.minimum(straight, mirrored)
    wanted |= {(int(i), int(j)) for i, j in np.argwhere(distance <= 12)}
    wanted |= {(i, j) for i, a in enumerate(corpus) for j, b in enumerate(evals) if a["sha"] == b["sha"]}
    assert set(pairs) == wanted
    for (i, j), row in pairs.items():
        assert row["phash_distance"] == distance[i, j]
        assert row["is_flipped"] == bool(mirrored[i, j] < straight[i, j])
        assert row["same_bytes"] == (corpus[i]["sha"] == evals[j]["sha"])
        assert row["similarity"] == pytest.approx(float(left[i].astype(float) @ right[j].astype(float)), abs=1e-9)


def test_parts_and_row_order_leave_the_result_as_it_is(world, found):
    given = as_tables(world)
    random = np.random.default_rng(1)
    for name in ("images", "eval_images", "embeddings", "eval_embeddings"):
        given[name] = given[name].take(pa.array(random.permutation(given[name].num_rows)))
    for name in ("images", "embeddings"):
        given[name] = [given[name].slice(i, 250) for i in range(0, given[name].num_rows, 250)]
    for name, rows in run(given).items():
        assert rows.equals(found[name]), name


def test_only_the_embeddings_of_a_parts_own_images_enter_it(world):
    given = as_tables(world)
    halves = [given["images"].slice(0, 450), given["images"].slice(450)]
    tables = MemoryTables({**given, "images": halves})
    part = next(iter(dedup.cut_parts(tables, dedup.DedupParams(against=("val",)))))
    assert part.load().num_rows == 450
    assert part.depends["encoder"] == ENCODER
    assert dedup.STAGE.part_params == ("against", "k")  # thresholds matter to gather alone


def test_without_descriptors_bytes_and_hashes_remain(world):
    given = as_tables(world)
    found = run({name: given[name] for name in ("images", "eval_images", "eval_sets")})
    assert set(found["near_duplicates"]["method"].to_pylist()) == {"sha256", "phash"}
    assert found["near_duplicates"].num_rows == 50


def test_limits_given_by_hand_win(world):
    found = run(as_tables(world), min_similarity=2.0, max_phash_distance=0)
    assert set(found["near_duplicates"]["method"].to_pylist()) == {"sha256"}
    found = run(as_tables(world), min_similarity=0.98)
    assert {row["p_duplicate"] for row in found["near_duplicates"].to_pylist() if row["method"] == "embedding"} == {
        None
    }


def test_copies_in_the_eval_set_hide_nothing(world):
    corpus, evals, planted = world
    doubled = [*evals, *(row | {"sha": hashlib.sha256(row["sha"].encode()).hexdigest()} for row in evals)]
    found = run(as_tables((corpus, doubled, planted)))["near_duplicates"].to_pylist()
    both = [row for row in found if row["method"] == "embedding" and int(row["image_id"], 16) in range(50, 70)]
    assert len(both) == 40


def test_clusters_of_the_corpus(world, found):
    clusters = {}
    for row in found["duplicate_clusters"].to_pylist():
        clusters.setdefault(row["cluster_id"], []).append(row)
    members = {key: sorted(int(row["image_id"], 16) for row in rows) for key, rows in clusters.items()}
    assert sorted(members.values()) == [[i, i + 20] for i in range(70, 90)]
    for key, rows in clusters.items():
        chosen = [int(row["image_id"], 16) for row in rows if row["is_representative"]]
        assert key == min(row["image_id"] for row in rows)
        assert chosen == [max(members[key], key=lambda i: (10 + i % 7, -i))]


def test_within_joins_near_vectors_too(world):
    corpus, evals, planted = world
    random = np.random.default_rng(3)
    corpus = [dict(row) for row in corpus]
    for i in range(200, 240):
        corpus[i + 100]["vector"] = unit(corpus[i]["vector"] + 0.01 * random.standard_normal(DIM))
    given = as_tables((corpus, evals, planted))
    plain = run(given, against=())["duplicate_clusters"]
    joined = run(given, against=(), within=True)["duplicate_clusters"]
    assert joined.num_rows >= plain.num_rows + 2 * 38
    assert run(given, against=())["near_duplicates"].num_rows == 0


def test_wrong_names_and_values(world):
    given = as_tables(world)
    tables = MemoryTables(given)
    for params, error, what in (
        ({"against": ("vla",)}, MissingInputError, "no eval set 'vla'.*Did you mean 'val'"),
        ({"encoder": "tset"}, MissingInputError, "nothing is embedded with encoder 'tset'"),
        ({"precision": 1.5}, ParameterError, "precision 1.5"),
        ({"k": 2}, ParameterError, "k 2"),
        ({"max_phash_distance": 13}, ParameterError, "0 to 12"),
    ):
        with pytest.raises(error, match=what):
            list(dedup.cut_parts(tables, dedup.DedupParams(**params)))
    two = given["eval_embeddings"].to_pylist()[:2]
    more = rows_of("eval_embeddings", [row | {"encoder": "other#1"} for row in two])
    given["eval_embeddings"] = pa.concat_tables([given["eval_embeddings"], more])
    with pytest.raises(ParameterError, match="several encoders.*other#1, test#"):
        list(dedup.cut_parts(MemoryTables(given), dedup.DedupParams(against=("val",))))
    assert list(dedup.cut_parts(MemoryTables(given), dedup.DedupParams(against=("val",), encoder="test")))
