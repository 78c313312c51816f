"""What is drawn is a random sample, and what people say of it arrives as they said it."""

import csv
from datetime import datetime

import pytest

from curate.errors import FormatError, MissingInputError
from curate.review.leaks import collect_sets
from curate.review.sample import COLUMNS, draw, token, write_pairs
from curate.review.verdicts import read_verdicts
from curate.vision.verdicts import review_order
from tests.review.conftest import connected
from tests.review.workspace import EVIL, THRESHOLD, eval_id, image_id, rows

NOW = datetime(2026, 11, 21, 12)


def drawn_rows(con, path, n=10):
    write_pairs(draw(con, "val", n, THRESHOLD).pairs, path)
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def fill(path, rows_, delimiter=","):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows_[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows_)
    return path


def read(con, path, **options):
    return read_verdicts(con, path, **{"reviewer": "ann", "reviewed_at": NOW} | options)


def test_hits_and_what_is_nearly_one_are_drawn_in_the_order_of_review(con, tmp_path):
    found = drawn_rows(con, tmp_path / "r.csv")
    # Equal bytes need no judge, and of image 7 nothing was compared.
    expected = [image_id(n) for n in (1, 2, 3, 4, 5, 6)]
    order = dict(zip(expected, review_order(expected), strict=True))
    assert [row["image_id"] for row in found] == sorted(expected, key=order.__getitem__)
    assert tuple(found[0]) == COLUMNS and {row["verdict"] for row in found} == {""}
    assert [row["row"] for row in found] == [str(n) for n in range(1, 7)]
    assert [row["image_id"] for row in drawn_rows(con, tmp_path / "s.csv", 2)] == [r["image_id"] for r in found[:2]]
    assert all(row["corpus_uri"].endswith("posts/" + row["corpus_uri"][-5:]) for row in found)


def test_few_are_drawn_from_far_below(folder):
    given = rows(folder)
    pair, image = given["duplicate_candidates"][1], given["images"][1]
    more = [{**pair, "image_id": f"{n:032x}", "score": 4.0 - n / 1000} for n in range(400)]
    images = [*given["images"], *({**image, "image_id": f"{n:032x}", "key": str(n)} for n in range(400))]
    with connected(folder, images=images, duplicate_candidates=[*given["duplicate_candidates"], *more]) as con:
        drawn = draw(con, "val", 1000, THRESHOLD)
        assert drawn.n_open == len(drawn.pairs) == 3 + 50 and drawn.least == pytest.approx(4.0 - 48 / 1000)
        free = draw(con, "val", 10, None)
        assert len(free.pairs) == 10 and free.least == pytest.approx(4.0 - 5 / 1000)  # image 4 scores 4.0 as well


def test_without_scores_there_is_nothing_to_draw(con):
    assert draw(con, "void/../x", 10, None).pairs == []


def test_verdicts_arrive(con, tmp_path):
    found = drawn_rows(con, tmp_path / "r.csv")
    for row, said in zip(found, ("copy", "C", " different ", "d", "Unsure", ""), strict=True):
        row["verdict"] = said
    verdicts = read(con, fill(tmp_path / "r.csv", found))
    got = {row["image_id"]: row for row in verdicts.rows.to_pylist()}
    assert [got[row["image_id"]]["verdict"] for row in found[:5]] == [
        "copy",
        "copy",
        "different",
        "different",
        "unsure",
    ]
    assert found[5]["image_id"] not in got and verdicts.n_judged == 5 and verdicts.n_after_gap == 0
    shas = {row["image_id"]: row["sha256"] for row in rows(tmp_path)["images"]}
    for row in got.values():
        assert row["is_sampled"] and row["reviewer"] == "ann" and row["reviewed_at"] == NOW
        assert row["image_sha256"] == shas[row["image_id"]] and len(row["review_id"]) == 32
    assert len({row["review_id"] for row in got.values()}) == 5


def test_semicolons_and_a_byte_order_mark_are_read(con, tmp_path):
    found = drawn_rows(con, tmp_path / "r.csv")
    for row in found:
        row["verdict"] = "c"
    path = fill(tmp_path / "r.csv", found, delimiter=";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(con, path).n_judged == 6


def test_a_gap_in_the_sample_is_told(con, tmp_path):
    found = drawn_rows(con, tmp_path / "r.csv")
    for row in (*found[:2], *found[3:5]):
        row["verdict"] = "c"
    reordered = fill(tmp_path / "r.csv", sorted(found, key=lambda row: float(row["score"])))
    assert read(con, reordered).n_after_gap == 2


def test_a_row_that_nobody_drew_is_volunteered(con, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        f"image_id,eval_set,eval_image_id,verdict\n{image_id(7)},val,v2.png,c\n{image_id(4)},val,v3.png,d\n"
    )
    verdicts = read(con, path, reviewer=None)
    assert [row["is_sampled"] for row in verdicts.rows.to_pylist()] == [False, False]
    assert {row["reviewer"] for row in verdicts.rows.to_pylist()} == {"own.csv"}
    assert verdicts.n_apart == 1


def with_reviews(folder, reviews, **changed):
    """The workspace with these verdicts."""
    full = [{"review_id": str(n), "image_sha256": None, "reviewer": "ann", "reviewed_at": NOW, **row}
            for n, row in enumerate(reviews)]  # fmt: skip
    shas = {row["image_id"]: row["sha256"] for row in rows(folder)["images"]}
    for row in full:
        row["image_sha256"] = row["image_sha256"] or shas[row["image_id"]]
    return connected(folder, duplicate_reviews=full, **changed)


def review(number, other, verdict, is_sampled=True, **more):
    return {"image_id": image_id(number), "eval_set": "val", "eval_image_id": eval_id(other), "verdict": verdict,
            "is_sampled": is_sampled, **more}  # fmt: skip


def test_a_sample_does_not_ask_twice_but_for_other_bytes_and_volunteers(folder):
    said = [review(1, 1, "copy"), review(2, 1, "copy", image_sha256="0" * 64), review(3, 2, "copy", is_sampled=False)]
    with with_reviews(folder, said) as con:
        found = {pair.image_id for pair in draw(con, "val", 10, THRESHOLD).pairs}
    assert found == {image_id(n) for n in (2, 3, 4, 5, 6)}


def test_the_same_file_twice_adds_nothing_and_a_change_adds_one(folder, tmp_path):
    with with_reviews(folder, [review(1, 1, "copy"), review(2, 1, "different")]) as con:
        path = tmp_path / "own.csv"
        path.write_text("image_id,eval_set,eval_image_id,verdict\n")
        with path.open("a", newline="") as stream:
            csv.writer(stream).writerows([(image_id(1), "val", EVIL, "c"), (image_id(2), "val", EVIL, "c")])
        [row] = read(con, path).rows.to_pylist()
    # It was drawn once, so it stays part of the sample.
    assert (row["image_id"], row["verdict"], row["is_sampled"]) == (image_id(2), "copy", True)


def test_verdicts_that_dedup_has_not_heard_are_counted(folder):
    given = rows(folder)["near_duplicates"]
    heard = [{**hit, "verdict": "copy" if hit["image_id"] == image_id(3) else None} for hit in given]
    said = [review(1, 1, "different"), review(3, 2, "copy"), review(4, 3, "different")]
    with with_reviews(folder, said, near_duplicates=heard) as con:
        val = collect_sets(con)[0]
    assert val.n_unheard == 1 and val.verdicts == {"copy": 1, "different": 2}


def test_the_latest_verdict_on_these_bytes_counts(folder):
    later = datetime(2026, 12, 1)
    said = [review(1, 1, "different"), review(1, 1, "copy", reviewed_at=later),
            review(1, 1, "unsure", reviewed_at=later, image_sha256="0" * 64)]  # fmt: skip
    with with_reviews(folder, said) as con:
        assert con.execute("SELECT verdict, is_stale FROM reviews").fetchall() == [("copy", False)]


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        (["image_id,eval_set,verdict"], 1, "no column 'eval_image_id'"),
        ([""], 1, "no column 'image_id'"),
        (["{head}", "{i1},val,v2.png,maybe"], 2, "verdict 'maybe'"),
        (["{head}", "{i1},val,v2.png,c", "00,val,v2.png,c"], 3, "image_id '00' is no image"),
        (["{head}", "{i1},val,v99.png,"], 2, "'v99.png' is no image of eval set 'val'"),
        (["{head}", "{i1},nope,v2.png,c"], 2, "no image of eval set 'nope'"),
        (["{head}", "{i1},val,v2.png"], 2, "another number of fields"),
        (["{head}", "{i1},val,v2.png,c", "{i1},val,v2.png,d"], 3, "another verdict on this pair"),
        (["{head},sample", "{i1},val,v2.png,c,0123"], 2, "not those that were drawn"),
    ],
)
def test_mistakes_name_their_line(con, tmp_path, lines, line, said):
    path = tmp_path / "r.csv"
    head = "image_id,eval_set,eval_image_id,verdict"
    path.write_text("\n".join(each.format(head=head, i1=image_id(1)) for each in lines) + "\n")
    with pytest.raises(FormatError) as error:
        read(con, path)
    assert said in str(error.value) and f"{path}, line {line}:" in str(error.value)


def test_files_that_are_none(con, tmp_path):
    with pytest.raises(MissingInputError, match="no file"):
        read(con, tmp_path / "gone.csv")
    (tmp_path / "r.csv").write_bytes(b"image_id,eval_set,eval_image_id,verdict\n\xff\xfe\xff,a,b,c\n")
    with pytest.raises(FormatError, match="decode"):
        read(con, tmp_path / "r.csv")


def test_a_token_tells_other_bytes():
    marks = {
        token(*each)
        for each in (("a", "s", "e", "1"), ("a", "s", "e", "2"), ("as", "", "e", "1"), ("a", "s", "e", None))
    }
    assert len(marks) == 4
