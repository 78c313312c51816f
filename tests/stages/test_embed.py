import datetime
import hashlib
import io
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate.errors import InputError, MissingInputError, UntrustedFileError
from curate.schema import check_rows, conform, table_schema
from curate.stages import embed
from curate.vision import builtin
from curate.vision.encoders import VIEWS, encoder_id
from curate.vision.overlap import Describer
from tests.tables import MemoryTables

ADDED = datetime.datetime(2026, 1, 1)


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).resize((96, 72)).save(packed, "JPEG")
    return packed.getvalue()


def rows_of(name, rows):
    return pa.Table.from_pylist(rows, schema=table_schema(name).arrow)


def corpus(folder, n=7, n_eval=3):
    """A pack of n images, the fourth one damaged, and an eval set of files."""
    (folder / "pack").mkdir()
    images, eval_images, offset = [], [], 100
    with (folder / "pack" / "all.bin").open("wb") as pack:
        pack.write(b"-" * offset)
        for i in range(n):
            data = jpeg(i)
            pack.write(data)
            status = {"status": "damaged", "error": "so it was said"} if i == 3 else {"status": "ok"}
            images.append({
                "image_id": f"{i:032x}", "source": "pack", "key": f"k{i % 5}", "occurrence": i // 5, "uri": "all.bin",
                "byte_offset": offset, "byte_length": len(data), "sha256": hashlib.sha256(data).hexdigest(), **status,
            })  # fmt: skip
            offset += len(data)
    for i in range(n_eval):
        data = jpeg(100 + i)
        (folder / f"e{i}.jpg").write_bytes(data)
        eval_images.append({
            "eval_set": "val", "eval_image_id": f"e{i}", "uri": f"e{i}.jpg", "byte_offset": 0, "status": "ok",
            "byte_length": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        })  # fmt: skip
    return {
        "images": rows_of("images", images),
        "sources": rows_of("sources", [
            {"source": "pack", "root": str(folder / "pack"), "format": "webdataset", "added_at": ADDED}]),
        "eval_images": rows_of("eval_images", eval_images),
        "eval_sets": rows_of("eval_sets", [
            {"eval_set": "val", "root": str(folder), "format": "folder", "n_images": n_eval, "added_at": ADDED}]),
    }  # fmt: skip


def run(tables, **params):
    params = embed.EmbedParams(device="cpu", **{"plants": 0, **params})
    parts = list(embed.cut_parts(tables, params))
    assert len({part.name for part in parts}) == len(parts)
    work = embed.make_worker(tables, params)
    done = [work(part.load()) for part in parts]
    found = {name: pa.concat_tables([conform(one[name], name) for one in done]) for name in embed.STAGE.writes}
    for name, rows in found.items():
        check_rows(rows, name)
    return {name: rows.sort_by([(key, "ascending") for key in table_schema(name).key]) for name, rows in found.items()}


def test_every_sound_image_is_described(tmp_path):
    given = corpus(tmp_path)
    found = run(MemoryTables(given))
    assert found["embeddings"]["image_id"].to_pylist() == [f"{i:032x}" for i in range(7) if i != 3]
    rows = found["eval_embeddings"].to_pylist()
    assert [(row["eval_image_id"], row["view"]) for row in rows] == [
        (name, view) for name in ("e0", "e1", "e2") for view in VIEWS
    ]
    assert set(found["embeddings"]["encoder"].to_pylist()) == {encoder_id("builtin")}
    vectors = np.array(found["embeddings"]["vector"].to_pylist(), np.float64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    kept = [row for row in given["images"].to_pylist() if row["status"] == "ok"]
    assert found["embeddings"]["sha256"].to_pylist() == [row["sha256"] for row in kept]


def test_the_mirrored_view_is_that_of_the_mirrored_image(tmp_path):
    given = corpus(tmp_path, n=1)
    rows = run(MemoryTables(given))["eval_embeddings"].to_pylist()
    pixels = np.asarray(Image.open(tmp_path / "e0.jpg"))
    for row, looked_at in zip(rows, (pixels, pixels[:, ::-1]), strict=False):
        np.testing.assert_allclose(row["vector"], builtin.describe(looked_at), atol=1e-3)
    assert np.abs(np.subtract(rows[0]["vector"], rows[1]["vector"])).max() > 0.01


def test_parts_batches_and_row_order_leave_the_result_as_it_is(tmp_path):
    given = corpus(tmp_path)
    whole = run(MemoryTables(given))
    shuffled = given["images"].take(pa.array([5, 2, 0, 6, 3, 1, 4]))
    cut = {**given, "images": [shuffled.slice(0, 2), shuffled.slice(2, 1), shuffled.slice(3)]}
    for name, rows in run(MemoryTables(cut)).items():
        assert rows.equals(whole[name])


def test_roots_and_other_encoders_stay_out_of_a_parts_fingerprint(tmp_path):
    given = corpus(tmp_path)
    here = {p.name: p.depends for p in embed.cut_parts(MemoryTables(given), embed.EmbedParams())}
    moved = dict(given)
    moved["sources"] = moved["sources"].set_column(1, "root", pa.array(["/elsewhere"]))
    there = {p.name: p.depends for p in embed.cut_parts(MemoryTables(moved), embed.EmbedParams())}
    assert here == there
    assert "encoder" not in embed.STAGE.part_params
    assert any(name.endswith("/images/00000") for name in here)


def test_changed_bytes_are_noticed(tmp_path):
    given = corpus(tmp_path)
    pack = tmp_path / "pack" / "all.bin"
    data = bytearray(pack.read_bytes())
    data[-5] ^= 1
    pack.write_bytes(data)
    with pytest.raises(InputError, match="not those that were ingested.*Ingest"):
        run(MemoryTables(given))
    pack.unlink()
    with pytest.raises(MissingInputError, match="all.bin"):
        run(MemoryTables(given))


def test_images_beyond_the_limit_have_no_row(tmp_path, caplog):
    found = run(MemoryTables(corpus(tmp_path)), max_pixels=100)
    assert found["embeddings"].num_rows == 0
    assert "too many pixels" in caplog.text


def test_a_profile_says_where_the_time_went_and_changes_no_row(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(Describer, "bare_speed", lambda _: 250.0)
    given = corpus(tmp_path)
    plain = run(MemoryTables(given))
    assert "profile" not in caplog.text
    with caplog.at_level(logging.INFO, "curate"):
        found = run(MemoryTables(given), profile=True)
    assert "6 images, " in caplog.text
    assert "Bare network" in caplog.text
    assert all(found[name].equals(plain[name]) for name in plain)
    assert "profile" not in embed.STAGE.part_params


def test_calls_of_a_worker_may_come_from_several_threads(tmp_path):
    tables = MemoryTables(corpus(tmp_path))
    parts = list(embed.cut_parts(tables, embed.EmbedParams(device="cpu", plants=0)))
    work = embed.make_worker(tables, embed.EmbedParams(device="cpu"))
    loaded = [part.load() for part in parts]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(work, loaded * 3))
    for place, one in enumerate(found):
        assert all(one[name].equals(found[place % len(parts)][name]) for name in one)


def test_vectors_join_by_key(tmp_path, caplog):
    given = corpus(tmp_path)
    keys = ["e1", "k0", "k1", "k9"]
    pq.write_table(
        pa.table({"key": keys, "vector": [[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]}), tmp_path / "v.parquet"
    )
    spec = f"vectors:{tmp_path / 'v.parquet'}"
    found = run(MemoryTables(given), encoder=(spec, "builtin"))
    mine = found["embeddings"].filter(
        pa.array([e == encoder_id(spec) for e in found["embeddings"]["encoder"].to_pylist()])
    )
    # The sixth and seventh image bear keys that others bore before them.
    assert mine["image_id"].to_pylist() == [f"{i:032x}" for i in (0, 1)]
    assert mine["vector"].to_pylist() == [[1.0, 0.0], [0.0, 1.0]]
    # One view of the one eval image that has a vector, two of all three by the network.
    assert sorted(found["eval_embeddings"]["view"].to_pylist()) == ["", "", "", "", "hflip", "hflip", "hflip"]
    assert "no vector for 4 of 6 images" in caplog.text


def test_foreign_programs_and_missing_files_stop_before_any_work(tmp_path):
    tables = MemoryTables(corpus(tmp_path))
    (tmp_path / "net.pt2").write_bytes(b"x")
    with pytest.raises(UntrustedFileError, match="--trust"):
        list(embed.cut_parts(tables, embed.EmbedParams(encoder=(f"file:{tmp_path / 'net.pt2'}",))))
    with pytest.raises(MissingInputError, match="no such file"):
        list(embed.cut_parts(tables, embed.EmbedParams(encoder=("vectors:/no/such.parquet",))))


def test_a_corpus_alone(tmp_path):
    given = corpus(tmp_path)
    tables = MemoryTables({name: given[name] for name in ("images", "sources")}, empty=("eval_images", "eval_sets"))
    found = run(tables)
    assert (found["embeddings"].num_rows, found["eval_embeddings"].num_rows) == (6, 0)


@pytest.mark.skipif(not os.environ.get("CURATE_TEST_DATA"), reason="CURATE_TEST_DATA is not set")
def test_a_real_network_on_real_images(tmp_path):
    data = Path(os.environ["CURATE_TEST_DATA"])
    given = corpus(tmp_path)
    specs = [f"file:{data / 'encoders' / f'mobilenet_v2_imagenet.{kind}'}" for kind in ("pt", "pt2")]
    found = run(MemoryTables(given), encoder=tuple(specs), trust=True)
    vectors = {}
    for row in found["embeddings"].to_pylist():
        vectors.setdefault(row["encoder"], []).append(row["vector"])
    one, other = (np.array(found, np.float64) for found in vectors.values())
    assert one.shape == (6, 1280)
    np.testing.assert_allclose((one * other).sum(axis=1), 1, atol=2e-3)
