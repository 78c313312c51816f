from datetime import datetime

import pyarrow as pa
import pytest

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.schema import check_rows, conform
from curate.stages.audits import SampleAudits, export, import_verdicts, sample
from tests.noise.corpus import corpus_tables, image_id, image_row, memory, scores

LABELS = [(i, 0) for i in range(60)] + [(i, 1) for i in range(60, 70)]


@pytest.fixture
def corpus():
    tables = corpus_tables(LABELS, images=[image_row(i) for i in range(70)])
    tables["label_scores"] = scores(LABELS, [i / 60 for i in range(60)] + [0.9] * 10)
    return tables


def draw(tables, folder, **params):
    """New samples of some tables, which take them in."""
    made = sample(memory(tables, folder), SampleAudits(**params))
    for name, rows in zip(("audit_frames", "audit_samples"), made, strict=True):
        new = conform(rows, name)
        check_rows(new, name)
        tables[name] = pa.concat_tables([tables[name], new]) if name in tables else new
    return new


def judge(tables, folder, said="yes", n=None):
    """Verdicts on the labels that wait for them, or the first few."""
    sheet = export(memory(tables, folder)).to_pylist()[:n]
    lines = [f"{row['sample_id']},{said}" for row in sheet]
    new = take_in(tables, folder, write(folder, "\n".join(["sample_id,verdict", *lines])), auditor="ann")
    tables["audits"] = pa.concat_tables([tables["audits"], new]) if "audits" in tables else new


def take_in(tables, folder, file, **more):
    rows = conform(import_verdicts(memory(tables, folder), file, **more), "audits")
    check_rows(rows, "audits")
    return rows


def write(folder, text):
    file = folder / "verdicts.csv"
    file.write_text(text, encoding="utf-8")
    return file


def by_class(rows):
    return {key: [r for r in rows.to_pylist() if r["class_key"] == key] for key in ("c00", "c01")}


def test_uniform_draw(corpus, tmp_path):
    other = dict(corpus)
    rows = draw(corpus, tmp_path, per_class=20, uniform=True)
    found = by_class(rows)
    assert [len(r) for r in found.values()] == [20, 10]
    assert {r["inclusion_probability"] for r in found["c00"]} == {20 / 60}
    assert {r["inclusion_probability"] for r in found["c01"]} == {1.0}
    assert {r["look"] for r in rows.to_pylist()} == {1}
    assert draw(dict(other), tmp_path, per_class=20, uniform=True).equals(rows)
    assert not draw(dict(other), tmp_path, per_class=20, uniform=True, seed=1).equals(rows)
    assert set(corpus["audit_frames"]["stratum"].to_pylist()) == {0} and corpus["audit_frames"].num_rows == 70


def test_a_draw_by_score_knows_its_probabilities(corpus, tmp_path):
    found = by_class(draw(corpus, tmp_path, per_class=30))["c00"]
    stratum = {r["image_id"]: r["stratum"] for r in corpus["audit_frames"].to_pylist() if r["class_key"] == "c00"}
    n = [sum(stratum[r["image_id"]] == h for r in found) for h in range(3)]
    assert n == [10, 10, 10] and set(stratum.values()) == {0, 1, 2}
    assert sum(1 / r["inclusion_probability"] for r in found) == pytest.approx(60)


def test_a_class_is_sampled_once_until_more_is_asked_for(corpus, tmp_path):
    first = draw(corpus, tmp_path, per_class=10, classes=("c00",))
    assert draw(corpus, tmp_path, per_class=20, classes=("c00",)).num_rows == 0
    assert draw(corpus, tmp_path, more=True).num_rows == 0  # nobody has judged the first
    judge(corpus, tmp_path, n=9)
    assert draw(corpus, tmp_path, more=True).num_rows == 0
    judge(corpus, tmp_path)
    second = draw(corpus, tmp_path, more=True)
    assert [r["look"] for r in second.to_pylist()] == [2] * 10
    assert {r["frame"] for r in second.to_pylist()} == {r["frame"] for r in first.to_pylist()}
    assert not {r["image_id"] for r in second.to_pylist()} & {r["image_id"] for r in first.to_pylist()}
    judge(corpus, tmp_path)
    assert draw(corpus, tmp_path, more=True).num_rows == 20
    judge(corpus, tmp_path)
    assert draw(corpus, tmp_path, more=True).num_rows == 20  # what is left of 60
    judge(corpus, tmp_path)
    assert draw(corpus, tmp_path, more=True).num_rows == 0


def test_a_sample_drawn_afresh_keeps_the_verdicts_on_what_it_shares(corpus, tmp_path):
    draw(corpus, tmp_path, per_class=50, classes=("c00",))
    judge(corpus, tmp_path)
    corpus["label_scores"] = scores(LABELS, [1 - i / 60 for i in range(60)] + [0.9] * 10)
    again = draw(corpus, tmp_path, per_class=40, classes=("c00",), afresh=True)
    assert again.num_rows == 40 and {r["look"] for r in again.to_pylist()} == {2}
    waiting = export(memory(corpus, tmp_path)).num_rows
    assert 0 < waiting <= 10  # at most ten of sixty were never judged


def test_budget_classes_and_what_is_refused(corpus, tmp_path):
    assert draw(dict(corpus), tmp_path, budget=25).num_rows == 25
    assert set(draw(dict(corpus), tmp_path, classes=("c01",))["class_key"].to_pylist()) == {"c01"}
    with pytest.raises(ParameterError, match="no direct label"):
        draw(corpus, tmp_path, classes=("c02",))
    for wrong in ({"per_class": 0}, {"budget": 0}, {"more": True, "afresh": True}, {"more": True, "budget": 5}):
        with pytest.raises(ParameterError):
            draw(corpus, tmp_path, **wrong)
    corpus["label_scores"] = corpus["label_scores"].slice(0, 0)
    assert draw(corpus, tmp_path).num_rows == 50  # without scores the draw is uniform
    assert set(corpus["audit_frames"]["stratum"].to_pylist()) == {0}


def test_export_and_import_round_trip(corpus, tmp_path):
    draw(corpus, tmp_path, per_class=5)
    sheet = export(memory(corpus, tmp_path))
    assert sheet.num_rows == 10 and "p_correct" not in sheet.column_names
    lines = [",".join(sheet.column_names)]
    lines += [",".join([*list(map(str, r.values()))[:-1], "yes"]) for r in sheet.to_pylist()]
    file = write(tmp_path, "\n".join(lines))
    corpus["audits"] = take_in(corpus, tmp_path, file, auditor="ann")
    assert corpus["audits"].num_rows == 10
    assert set(corpus["audits"]["verdict"].to_pylist()) == {"correct"}
    assert take_in(corpus, tmp_path, file, auditor="ann", audited_at=datetime(2021, 1, 1)).num_rows == 0
    assert export(memory(corpus, tmp_path)).num_rows == 0
    second = take_in(corpus, tmp_path, write(tmp_path, "\n".join(lines).replace("yes", "no")), auditor="ann")
    assert set(second["supersedes"].to_pylist()) == set(corpus["audits"]["verdict_id"].to_pylist())


def test_answers_by_key_reach_only_what_was_drawn(corpus, tmp_path):
    draw(corpus, tmp_path, per_class=5)
    text = "key,wnid,verdict\n" + "".join(f"k{i},c{k:02d},yes\n" for i, k in LABELS)
    file = write(tmp_path, text)
    found = take_in(corpus, tmp_path, file).to_pylist()
    assert {r["sample_id"] for r in found} == set(corpus["audit_samples"]["sample_id"].to_pylist())
    everything = take_in(corpus, tmp_path, file, volunteered=True).to_pylist()
    assert len(everything) == 70 and sum(r["sample_id"] == "" for r in everything) == 60


def test_an_ambiguous_key_takes_only_unsure(corpus, tmp_path):
    corpus["images"] = corpus_tables(LABELS, images=[image_row(i, key="same") for i in range(70)])["images"]
    draw(corpus, tmp_path, per_class=5)
    found = take_in(corpus, tmp_path, write(tmp_path, "key,wnid,verdict\nsame,c01,cannot_tell\n"))
    assert found["verdict"].to_pylist() == ["unsure"] * 5
    with pytest.raises(FormatError, match="70 images"):
        take_in(corpus, tmp_path, write(tmp_path, "key,wnid,verdict\nsame,c01,yes\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_id,answer\n", "line 1: no column 'verdict'"),
        ("key,wnid,verdict\nk0,c00,yes\nk1,c00,perhaps\n", "line 3: verdict 'perhaps'"),
        ("key,wnid,verdict\nnobody,c00,yes\n", "line 2: key 'nobody' is no image"),
        ("image_id,class_key,verdict\nffff,c00,yes\n", "line 2: image_id 'ffff' is no image"),
        ("sample_id,verdict\nffff,yes\n", "line 2: sample_id 'ffff' was never drawn"),
        ("key,verdict\nk0,yes\n", "line 2: neither sample_id nor class_key"),
        ("key,wnid,verdict\nk0,c00\n", "line 2: another number of fields"),
        ("key,wnid,verdict,audited_at\nk0,c00,yes,soon\n", "line 2: audited_at 'soon'"),
    ],
)
def test_bad_lines_are_named(corpus, tmp_path, text, message):
    draw(corpus, tmp_path, per_class=60)
    with pytest.raises(FormatError, match=message):
        take_in(corpus, tmp_path, write(tmp_path, text))


def test_parquet_and_missing_files(corpus, tmp_path):
    import pyarrow.parquet as pq

    draw(corpus, tmp_path, per_class=60)
    rows = {"image_id": [image_id(0)], "class_key": ["c00"], "verdict": ["no"], "auditor": ["bob"]}
    pq.write_table(pa.table(rows), tmp_path / "v.parquet")
    assert take_in(corpus, tmp_path, tmp_path / "v.parquet")["auditor"].to_pylist() == ["bob"]
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    with pytest.raises(FormatError):
        take_in(corpus, tmp_path, tmp_path / "bad.parquet")
    with pytest.raises(MissingInputError):
        take_in(corpus, tmp_path, tmp_path / "none.csv")
