"""Every layout gives the same tables, as far as it can say the same."""

from pathlib import Path

import pytest

from curate.plan import Step
from curate.recipe import build_params
from curate.runner import run
from curate.stages import evalset
from curate.stages.ingest import STAGE
from curate.store import Workspace
from curate.vision.decode import read_range
from tests.sources import layouts
from tests.sources.layouts import POSTS

TEXTS = ("query", "title", "caption", "hashtag")
LAYOUTS = {
    "webdataset": (layouts.webdataset, "webdataset", TEXTS, False),
    "img2dataset": (layouts.img2dataset, "webdataset", TEXTS, False),
    "folder": (layouts.folder_of_classes, "folder", (), False),
    "csv": (layouts.csv_list, "table", TEXTS, True),
    "tsv": (layouts.tsv_list, "table", TEXTS, True),
    "jsonl": (layouts.jsonl_list, "table", TEXTS, True),
    "parquet": (layouts.parquet_list, "table", TEXTS, True),
    "jft": (layouts.jft_list, "table", (), True),
    "hf-parquet": (layouts.hf_parquet, "hf-parquet", TEXTS, True),
    "webvision 1.0": (layouts.webvision, "webvision", TEXTS, False),
    "webvision 2.0": (layouts.webvision2, "webvision", TEXTS, False),
}
"""Writer, format that auto must tell, fields beside wnid that the layout can say, and whether it has scores."""


def expected(fields, has_scores):
    rows = []
    for post in POSTS:
        score = post.score if has_scores else None
        rows.append((post.sha256, "wnid", post.wnid, score))
        said = {"query": [post.query], "title": [post.title], "caption": [post.caption], "hashtag": post.tags}
        for field in fields:
            rows += [(post.sha256, field, text, score if field == "hashtag" else None) for text in said[field]]
    return sorted(rows, key=str)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_photographs_and_labels(layout, tmp_path):
    write, format, fields, has_scores = LAYOUTS[layout]
    path = write(tmp_path / "corpus")
    workspace = Workspace(tmp_path / "w", create=True)
    step = Step(STAGE, build_params(STAGE.params, {"sources": [{"path": str(path), "name": "corpus"}]}, "ingest"))
    next(run(workspace, [step], n_workers=1))
    with workspace.all_tables().connect() as con:
        labels = con.execute(
            "SELECT sha256, field, raw_label, score FROM raw_labels JOIN images USING (image_id)"
        ).fetchall()
        images = con.execute("SELECT root, uri, byte_offset, byte_length, sha256, status, remark FROM images "
                             "JOIN sources USING (source) ORDER BY sha256").fetchall()  # fmt: skip
        rejects = con.execute("SELECT locator, rule, detail FROM rejects").fetchall()
        assert con.execute("SELECT format FROM sources").fetchall() == [(format,)]
    more = [row for row in labels if row[2] in ("/m/01yrx", "some cat")]
    assert sorted(set(labels) - set(more), key=str) == expected(fields, has_scores)
    assert len(more) == (2 * len(POSTS) if layout == "jft" else 0)
    assert {row[1] for row in more} == ({"mid", "class"} if more else set())
    assert [row[4] for row in images] == sorted(post.sha256 for post in POSTS)
    assert {row[5:] for row in images} == {("ok", None)}
    stored = {post.sha256: post.jpeg for post in POSTS}
    assert all(read_range(Path(row[0], row[1]), row[2], row[3]) == stored[row[4]] for row in images)
    failed = [("00000.parquet:row 4", "not_downloaded", "HTTP 404")]
    assert rejects == (failed if layout == "img2dataset" else [])


def test_layouts_of_eval_sets(tmp_path):
    root = layouts.webvision(tmp_path / "v")
    layouts.write(root / "info" / "val_filelist.txt", "val1.jpg 1\n")
    layouts.write(root / "val_images_256" / "val1.jpg", POSTS[0].jpeg)
    paths = {"webvision": root / "info" / "val_filelist.txt", "hf-parquet": layouts.hf_parquet(tmp_path / "hub")}
    workspace = Workspace(tmp_path / "w", create=True)
    sets = [{"name": name, "path": str(path)} for name, path in paths.items()]
    next(run(workspace, [Step(evalset.STAGE, build_params(evalset.STAGE.params, {"sets": sets}, "add-evalset"))]))
    with workspace.all_tables().connect() as con:
        rows = con.execute("SELECT eval_set, eval_image_id, class_key, status FROM eval_images ORDER BY ALL").fetchall()
        assert con.execute("SELECT eval_set, format FROM eval_sets ORDER BY ALL").fetchall() == [
            (name, name) for name in sorted(paths)
        ]
    hub = [("hf-parquet", f"{post.key}.jpg", post.wnid, "ok") for post in POSTS]
    assert rows == [*hub, ("webvision", "val1.jpg", layouts.TABBY, "ok")]
