import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curate.errors import InputError, MissingInputError, ParameterError
from curate.schema import check_rows, conform, table_schema
from curate.stages import dedup
from curate.stages.dedup_search import suspicion
from curate.vision.planting import plan_plants
from tests.stages.pictures import ENCODER, SIDE, as_tables, describe, digest, draw, make_world, rows_of, saved
from tests.tables import MemoryTables

OPTIONAL = (
    "sources", "embeddings", "eval_images", "eval_sets", "eval_embeddings", "planted_embeddings", "duplicate_reviews",
)  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def given(world, tmp_path_factory):
    return as_tables(world, tmp_path_factory.mktemp("pictures"))


def compared(given, **params):
    """What the workers write."""
    params = dedup.DedupParams(**({"against": ("val",), "device": "cpu", "min_score": 20.0} | params))
    tables = MemoryTables(given, empty=[name for name in OPTIONAL if name not in given])
    work = dedup.make_worker(tables, params)
    parts = list(dedup.cut_parts(tables, params))
    found = [work(part.load()) for part in parts if not part.name.endswith("~planted") or "planted_embeddings" in given]
    result = {}
    for name in dedup.STAGE.writes:
        rows = pa.concat_tables([table_schema(name).arrow.empty_table(), *(piece[name] for piece in found)])
        result[name] = conform(rows, name)
    return result


def decided(given, written, **params):
    params = dedup.DedupParams(**({"against": ("val",), "device": "cpu", "min_score": 20.0} | params))
    after = MemoryTables({**given, **written}, empty=[name for name in OPTIONAL if name not in given])
    result = {name: conform(rows, name) for name, rows in dedup.gather_decisions(after, params).items()}
    for name, rows in {**written, **result}.items():
        check_rows(rows, name)
    return {n: rows.sort_by([(key, "ascending") for key in table_schema(n).key]) for n, rows in result.items()}


@pytest.fixture(scope="module")
def written(given):
    return compared(given)


@pytest.fixture(scope="module")
def found(given, written):
    return decided(given, written)


def test_copies_are_found_and_nothing_else(world, found):
    rows = {int(row["image_id"], 16): row for row in found["near_duplicates"].to_pylist()}
    assert set(rows) == set(world.copies)
    for i, row in rows.items():
        place, kind = world.copies[i]
        assert row["eval_image_id"] == f"e{place:04d}"
        assert (row["method"] == "sha256") == (kind == "identity")
        assert (row["score"] is None) == (kind == "identity")
        if kind == "hflip":
            assert "hflip" in row["transform"]


def test_similarity_is_on_the_scale_of_its_method(written, found):
    pairs = {(row["image_id"], row["eval_image_id"]): row for row in written["duplicate_candidates"].to_pylist()}
    for row in found["near_duplicates"].to_pylist():
        pair = pairs[row["image_id"], row["eval_image_id"]]
        wanted = {"sha256": 1.0, "phash": 1 - pair["phash_distance"] / 64, "embedding": pair["similarity"]}
        wanted["tile"] = pair["tile_similarity"]
        assert row["similarity"] == pytest.approx(wanted[row["method"]])


def test_candidates_equal_brute_force(given, written):
    def vectors(name, view=""):
        rows = given[name].to_pylist()
        kept = np.array([row["vector"] for row in rows if row.get("view", "") == view], np.float64)
        return kept / np.linalg.norm(kept, axis=1, keepdims=True)

    images = given["images"].to_pylist()[:-1]
    evals = given["eval_images"].to_pylist()
    sides = [vectors("embeddings") @ vectors("eval_embeddings", view).T for view in ("", "hflip")]
    similarity = np.maximum(*sides)
    wanted = {(i, int(j)) for i, row in enumerate(similarity) for j in np.argsort(-row, kind="stable")[:5]}
    codes = [np.array([row["phash"] for row in rows], np.uint64) for rows in (images, evals)]
    usable = [np.abs(np.bitwise_count(code).astype(int) - 32) <= 8 for code in codes]
    mirror = np.uint64(0x5555555555555555)
    xor = codes[0][:, None] ^ codes[1][None]
    distance = np.minimum(np.bitwise_count(xor), np.bitwise_count(xor ^ mirror))
    both = usable[0][:, None] & usable[1][None]
    wanted |= {(int(i), int(j)) for i, j in np.argwhere((distance <= 12) & both)}
    same = {(i, j) for i, a in enumerate(images) for j, b in enumerate(evals) if a["sha256"] == b["sha256"]}
    rows = written["duplicate_candidates"].to_pylist()
    pairs = {(int(row["image_id"], 16), int(row["eval_image_id"][1:])): row for row in rows}
    by_tile = {pair for pair, row in pairs.items() if row["tile_similarity"] is not None}
    assert set(pairs) - by_tile == wanted | same
    assert not by_tile & (wanted | same)
    for (i, j), row in pairs.items():
        assert row["phash_distance"] == (distance[i, j] if both[i, j] else None)
        assert row["same_bytes"] == ((i, j) in same)
        assert (row["score"] is None) == row["same_bytes"]
        assert row["similarity"] == pytest.approx(similarity[i, j], abs=1e-6)


def test_parts_and_row_order_leave_the_result_as_it_is(given, written, found):
    shuffled = dict(given)
    random = np.random.default_rng(1)
    for name in ("images", "eval_images", "embeddings", "eval_embeddings"):
        shuffled[name] = shuffled[name].take(pa.array(random.permutation(shuffled[name].num_rows)))
    for name in ("images", "embeddings"):
        shuffled[name] = [shuffled[name].slice(i, 60) for i in range(0, shuffled[name].num_rows, 60)]
    again = compared(shuffled)
    for name, rows in again.items():
        keys = [(key, "ascending") for key in table_schema(name).key]
        assert rows.sort_by(keys).equals(written[name].sort_by(keys)), name
    for name, rows in decided(shuffled, again).items():
        assert rows.equals(found[name]), name


def test_parts_depend_on_their_own_eval_set_alone(given, tmp_path):
    """A second set leaves alone what was compared with the first."""
    other = as_tables(make_world(5, 2, 0), tmp_path, "other")
    names = {"00000": "val", "00001": "other"}

    def depends(given):
        tables = MemoryTables(given, empty=OPTIONAL)
        tables.rename_parts("eval_images", lambda part: f"{names[part]}/{part}")
        tables.rename_parts("eval_embeddings", lambda part: f"{ENCODER}/eval_images/{names[part]}/{part}")
        return {part.name: part.depends for part in dedup.cut_parts(tables, dedup.DedupParams(against=("val",)))}

    both = dict(given)
    for name in ("eval_images", "eval_sets", "eval_embeddings"):
        both[name] = [given[name], other[name]]
    assert depends(both) == depends(given)
    assert depends({**both, "eval_images": [given["eval_images"].slice(1), other["eval_images"]]}) != depends(given)


def test_the_suspicious_part_can_be_compared_alone(world, given, written):
    some = compared(given, compare=0.1)["duplicate_candidates"]
    assert some.num_rows < 0.5 * written["duplicate_candidates"].num_rows
    there = {int(row["image_id"], 16) for row in some.to_pylist()}
    assert set(world.copies) - there == set() or len(set(world.copies) - there) <= 2


def test_suspicion_is_what_the_nearest_has_before_the_next():
    similarity = np.array([[0.9, 0.5, 0.3], [0.9, 0.9, 0.9], [0.5, -np.inf, -np.inf]])
    assert suspicion(similarity) == pytest.approx([0.5, 0.0, 1.5])


def test_without_descriptors_bytes_and_hashes_remain(world, tmp_path):
    bare = as_tables(world, tmp_path, described=False)
    rows = decided(bare, compared(bare))["near_duplicates"].to_pylist()
    assert {row["method"] for row in rows} == {"sha256", "phash"}
    kinds = {world.copies[int(row["image_id"], 16)][1] for row in rows}
    assert kinds >= {"identity", "recompressed", "resize", "hflip"}


def test_tiles_of_a_collage_are_found_whatever_its_descriptor(tmp_path):
    world = make_world(30, 20, 1)
    collage = Image.new("RGB", (3 * SIDE, 2 * SIDE))
    for tile, place in enumerate(range(20, 26)):
        collage.paste(draw(place), (tile % 3 * SIDE, tile // 3 * SIDE))
    world.corpus.append(saved(collage))
    given = as_tables(world, tmp_path)
    rows = decided(given, compared(given, k=3))["near_duplicates"].to_pylist()
    mine = {row["eval_image_id"]: row for row in rows if int(row["image_id"], 16) == len(world.corpus) - 1}
    assert set(mine) == {f"e{place:04d}" for place in range(20, 26)}
    assert [row["method"] for row in mine.values()].count("tile") >= 3
    assert all(row["transform"].startswith("collage") for row in mine.values())


def test_another_tile_of_a_collage_is_no_chance():
    query = (Path(dedup.__file__).parent / "sql" / "dedup_best.sql").read_text().replace("$pairs", "pairs")
    with duckdb.connect() as con:
        con.execute("CREATE TABLE families AS SELECT 'e' || i AS eval_image_id, i AS family FROM range(3) AS t(i)")
        con.execute(
            "CREATE TABLE pairs AS FROM (VALUES ('a', 'e0', 80, 'collage+blur'), ('a', 'e1', 70, 'collage'), "
            "('b', 'e1', 60, 'crop'), ('b', 'e2', 2, 'collage'), ('c', 'e2', 1, NULL)) "
            "AS t(image_id, eval_image_id, score, transform), (SELECT false AS same_bytes)"
        )
        assert con.execute(query).fetchall() == [("a", 0, 80, None), ("b", 1, 60, 2), ("c", 2, 1, None)]


def test_vectors_from_elsewhere_are_calibrated_by_hashes(given, monkeypatch):
    """No network is there to describe planted copies; those that hashes find still say how copies score."""
    monkeypatch.setattr("curate.stages.dedup_rows.PLANTS", 2)
    tables = MemoryTables(given, empty=[name for name in OPTIONAL if name not in given])
    work = dedup.make_worker(tables, dedup.DedupParams(against=("val",), device="cpu"))
    part = next(p for p in dedup.cut_parts(tables, dedup.DedupParams(against=("val",))) if p.name.endswith("~planted"))
    planted = work(part.load())["planted_copies"]
    assert planted.num_rows >= 50
    assert planted["similarity"].null_count == planted.num_rows
    scores = planted.filter(pa.compute.is_in(planted["transform"], pa.array(["identity", "recompressed"])))["score"]
    assert scores.null_count == 0
    decision = decided(given, compared(given) | {"planted_copies": planted})["duplicate_thresholds"].to_pylist()[0]
    assert "no vectors of this encoder" in decision["note"]


def test_copies_in_the_eval_set_are_found_too(tmp_path):
    world = make_world(12, 12, 1)
    world.evals += [saved(draw(i), 70) for i in range(5)]
    given = as_tables(world, tmp_path)
    written = compared(given)
    twins = [row for row in written["eval_twins"].to_pylist() if row["score"] and row["score"] > 20]
    assert {(row["eval_image_id"], row["other_id"]) for row in twins} == {
        pair for i in range(5) for pair in ((f"e{i:04d}", f"e{i + 12:04d}"), (f"e{i + 12:04d}", f"e{i:04d}"))
    }
    rows = decided(given, written)["near_duplicates"].to_pylist()
    of_twins = {(place, kind) for place, kind in world.copies.values() if place < 5}
    assert sum(int(row["eval_image_id"][1:]) >= 12 for row in rows) == len(of_twins)


@pytest.fixture(scope="module")
def planted(world, given):
    """Tables with planted copies, described as the rest is."""
    from curate.stages.eval_images import planted_copy, read_eval_images

    images = read_eval_images(MemoryTables(given), "val")
    rows = []
    for plant in plan_plants(images.ids, 4):
        data = planted_copy(images, plant.image, plant.transform, plant.strength)
        rows.append({
            "eval_set": "val", "eval_image_id": images.ids[plant.image], "transform": plant.transform,
            "half": plant.half, "strength": plant.strength, "encoder": ENCODER,
            "vector": describe(data).astype(np.float16), "sha256": images.digests[plant.image],
        })  # fmt: skip
    tables = {**given, "planted_embeddings": rows_of("planted_embeddings", rows)}
    return tables, compared(tables)


def test_planted_copies_say_what_is_found(planted):
    planted, written = planted
    rows = written["planted_copies"].to_pylist()
    assert len(rows) == planted["planted_embeddings"].num_rows
    found = decided(planted, written)
    recall = {row["transform"]: row for row in found["planted_recall"].to_pylist()}
    report = [row for row in rows if row["half"] == "report"]
    assert recall[""]["n_planted"] == len(report)
    assert recall[""]["n_found"] == sum((row["score"] or 0) >= 20 for row in report)
    for kind in ("identity", "grayscale", "hflip"):
        assert recall[kind]["recall"] == 1
    for row in recall.values():
        assert row["low"] <= row["recall"] <= row["high"]


def test_the_threshold_is_set_and_explained(planted):
    planted, written = planted
    found = decided(planted, written, min_score=None, precision=0.9)
    [row] = found["duplicate_thresholds"].to_pylist()
    assert row["n_images"] == planted["images"].num_rows - 1
    assert row["evidence"] == "model"
    assert row["n_hits"] == len({r["image_id"] for r in found["near_duplicates"].to_pylist()})
    if row["threshold"] is not None:
        assert all(r["score"] is None or r["score"] >= row["threshold"] for r in found["near_duplicates"].to_pylist())
    else:
        assert row["note"]


def review(given, image, place, verdict, *, is_sampled=False):
    images = given["images"].to_pylist()
    return {
        "review_id": digest(f"{image}/{place}/{verdict}"), "image_id": f"{image:032x}", "eval_set": "val",
        "eval_image_id": f"e{place:04d}", "image_sha256": images[image]["sha256"], "verdict": verdict,
        "is_sampled": is_sampled, "reviewer": "me", "reviewed_at": datetime.datetime(2026, 2, 1),
    }  # fmt: skip


def test_verdicts_decide_their_own_pairs(world, given, written):
    copies = sorted(i for i, (_, kind) in world.copies.items() if kind != "identity")
    missed = min(set(range(len(world.corpus))) - set(world.copies))
    near = next(row for row in written["duplicate_candidates"].to_pylist() if int(row["image_id"], 16) == missed)
    reviews = [
        review(given, copies[0], world.copies[copies[0]][0], "different"),
        review(given, copies[1], world.copies[copies[1]][0], "copy"),
        review(given, missed, int(near["eval_image_id"][1:]), "copy"),
        review(given, copies[2], world.copies[copies[2]][0], "different") | {"image_sha256": "0" * 64},  # other bytes
    ]
    judged = {**given, "duplicate_reviews": rows_of("duplicate_reviews", reviews)}
    rows = {int(r["image_id"], 16): r for r in decided(judged, written)["near_duplicates"].to_pylist()}
    assert copies[0] not in rows
    assert (rows[copies[1]]["verdict"], rows[copies[1]]["p_duplicate"]) == ("copy", 1.0)
    assert rows[missed]["verdict"] == "copy"
    assert rows[copies[2]]["verdict"] is None


def test_a_file_that_is_gone_is_not_compared(tmp_path, caplog):
    world = make_world(8, 4, 1)
    given = as_tables(world, tmp_path)
    recompressed = next(i for i, (_, kind) in world.copies.items() if kind == "recompressed")
    (tmp_path / "corpus" / f"{recompressed}.jpg").unlink()
    rows = compared(given)["duplicate_candidates"].to_pylist()
    assert all(row["score"] is None for row in rows if int(row["image_id"], 16) == recompressed)
    assert "not compared" in caplog.text


def test_a_file_that_changed_is_an_error(tmp_path):
    given = as_tables(make_world(8, 4, 1), tmp_path)
    path = tmp_path / "corpus" / "9.jpg"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(InputError, match="not those that were ingested"):
        compared(given)


def test_clusters_of_the_corpus(tmp_path):
    twice = make_world(1, 30, 0)
    twice.corpus += [twice.corpus[0], twice.corpus[1]]
    given = as_tables(twice, tmp_path)
    clusters = {}
    for row in decided(given, compared(given, against=()), against=())["duplicate_clusters"].to_pylist():
        clusters.setdefault(row["cluster_id"], []).append(row)
    members = {key: sorted(int(row["image_id"], 16) for row in rows) for key, rows in clusters.items()}
    assert sorted(members.values()) == [[0, 30], [1, 31]]
    for key, rows in clusters.items():
        chosen = [int(row["image_id"], 16) for row in rows if row["is_representative"]]
        assert key == min(row["image_id"] for row in rows)
        assert chosen == [max(members[key], key=lambda i: (10 + i % 7, -i))]


def test_wrong_names_and_values(given):
    tables = MemoryTables(given, empty=OPTIONAL)
    for params, error, what in (
        ({"against": ("vla",)}, MissingInputError, "no eval set 'vla'.*Did you mean 'val'"),
        ({"encoder": "tset"}, MissingInputError, "nothing is embedded with encoder 'tset'"),
        ({"precision": 1.5}, ParameterError, "precision 1.5"),
        ({"compare": 0.0}, ParameterError, "compare 0.0"),
        ({"k": 2}, ParameterError, "k 2"),
    ):
        with pytest.raises(error, match=what):
            list(dedup.cut_parts(tables, dedup.DedupParams(**params)))
    two = given["eval_embeddings"].to_pylist()[:2]
    more = rows_of("eval_embeddings", [row | {"encoder": "other#1"} for row in two])
    several = MemoryTables({**given, "eval_embeddings": pa.concat_tables([given["eval_embeddings"], more])}, OPTIONAL)
    with pytest.raises(ParameterError, match="several encoders.*other#1, test#"):
        list(dedup.cut_parts(several, dedup.DedupParams(against=("val",))))
    assert list(dedup.cut_parts(several, dedup.DedupParams(against=("val",), encoder="test")))


def test_within_joins_near_vectors_and_chains_nothing():
    """Vectors alone: 40 copies of 40 images, and a chain of look-alikes that no one picture joins."""
    random = np.random.default_rng(3)
    n, dim = 900, 24
    centres = random.standard_normal((30, dim))
    vectors = centres[random.integers(30, size=n)] + 0.7 * random.standard_normal((n, dim))
    for i in range(200, 240):
        vectors[i + 100] = vectors[i] + 0.01 * np.linalg.norm(vectors[i]) * random.standard_normal(dim) / dim**0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    images = [
        {"image_id": f"{i:032x}", "source": "s", "key": str(i), "occurrence": 0, "uri": "u", "byte_offset": 0,
         "byte_length": 1, "sha256": digest(str(i)), "phash": None, "width": 10, "height": 10, "status": "ok"}
        for i in range(n)
    ]  # fmt: skip
    embeddings = [
        {"image_id": f"{i:032x}", "encoder": ENCODER, "vector": vector.astype(np.float16), "sha256": digest(str(i))}
        for i, vector in enumerate(vectors)
    ]
    given = {"images": rows_of("images", [_known("images", row) for row in images])}
    given["embeddings"] = [rows_of("embeddings", embeddings[:500]), rows_of("embeddings", embeddings[500:])]
    nothing = {name: table_schema(name).arrow.empty_table() for name in dedup.STAGE.writes}
    joined = decided(given, nothing, against=(), within=True)["duplicate_clusters"].to_pylist()
    members = {}
    for row in joined:
        members.setdefault(row["cluster_id"], []).append(int(row["image_id"], 16))
    assert sum([i, i + 100] in members.values() for i in range(200, 240)) >= 38
    assert len(members) <= 42
    assert decided(given, nothing, against=())["duplicate_clusters"].num_rows == 0


def _known(name, row):
    return {key: value for key, value in row.items() if key in table_schema(name).arrow.names}
