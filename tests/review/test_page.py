"""Pages stand alone, show what they should, and read nothing foreign as HTML."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from curate.review.leaks import Accuracy, LeakReport, SetLeaks, collect_sets
from curate.review.page import document, paragraph, percent, text
from curate.review.pairs import GROUPS, Place, shown_pairs, thumbnail
from curate.review.report import leak_section, render
from curate.review.sample import draw
from curate.review.sentences import doubt, evidence, headline
from curate.review.sheet import PER_PAGE, render_sheets
from tests.review.conftest import connected
from tests.review.workspace import EVIL, eval_id, image_id, picture, rows


class Reader(HTMLParser):
    """Tags and attributes of a page, and whether its tags close in order."""

    VOID = ("meta", "img", "br", "use", "path")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID[:3]:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag, **attrs):
        return [found for name, found in self.tags if name == tag and attrs.items() <= found.items()]


def make(con):
    sets = collect_sets(con)
    pairs = {leaks.eval_set: shown_pairs(con, leaks.eval_set) for leaks in sets}
    return render(LeakReport(1, {"curate": "0"}, {"against": ["</td>"]}, {"images": "00"}, None, None, sets), pairs)


@pytest.fixture(scope="module")
def report(folder):
    with connected(folder) as con:
        return make(con)


@pytest.fixture(scope="module")
def page(report):
    return Reader(report["report.html"].decode())


def test_files_of_the_report(report):
    figures = [name for name in report if name.endswith((".svg", ".png"))]
    assert sorted(figures) == sorted(f"val-{f}.{form}" for f in ("curve", "scores", "recall", "transforms")
                                     for form in ("svg", "png"))  # fmt: skip
    assert all(report[name].startswith(b"\x89PNG") for name in figures if name.endswith("png"))
    assert not any("/" in name or name.startswith(".") for name in report)


def test_equal_tables_give_equal_bytes(con, report):
    assert make(con) == report


def test_a_page_needs_nothing_from_elsewhere(page):
    assert page.open == [] and page.all("script") == [] and page.all("link") == [] and page.all("iframe") == []
    for _, attrs in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert attrs.get(name, "data:image/jpeg;base64,").startswith(("data:image/jpeg;base64,", "#")), attrs
        assert not any(name.startswith("on") for name in attrs)
    assert page.all("meta", **{"http-equiv": "Content-Security-Policy"})


def test_foreign_text_stays_text(page, report):
    words = "".join(page.words)
    assert EVIL in words and "<b>was</b>" in words and "</td>" in words
    assert "<script" not in report["report.html"].decode().lower()


def test_what_a_page_says(page):
    words = " ".join("".join(page.words).split())
    assert "4 of 9 corpus images are copies of 3 of 6 evaluation images (50.0 %" in words
    assert "About 0.3 of them are expected to be false" in words
    assert "30 of 40; 95 % interval 60.0 to 95.0 %" in words
    assert "The set has 6 images here; as published it has 7." in words
    assert "None of 9 corpus images is held to be a copy" in words
    assert "nobody has judged a sample" in words


def test_pictures_and_the_matched_part(page):
    pictures = page.all("img")
    # 3 hits of the comparison in three groups, and 3 that are none; two pictures each.
    assert len(pictures) == 2 * (3 * 3 + 3)
    assert len(page.all("span", **{"class": "box", "style": "left:25.0%;top:0.0%;width:50.0%;height:100.0%"})) == 12
    assert {alt for picture in pictures for alt in [picture["alt"]]} >= {f"eval image {EVIL}", "corpus image post-1"}


def test_groups(con):
    groups = shown_pairs(con, "val")
    assert [pair.score for pair in groups["strongest"]] == [20.0, 9.0, 6.0]
    assert [pair.score for pair in groups["weakest"]] == [6.0, 9.0, 20.0]
    assert [pair.score for pair in groups["rejected"]] == [4.0, 3.0, 1.0]
    assert sorted(pair.image_id for pair in groups["random"]) == sorted(image_id(n) for n in (1, 2, 3))
    assert list(groups) == [name for name, _, _ in GROUPS]


def test_very_many_leaks_make_no_large_page(folder):
    given = rows(folder)
    hit, image = given["near_duplicates"][1], given["images"][1]
    images = [{**image, "image_id": f"{n:032x}", "key": str(n)} for n in range(1200)]
    hits = [{**hit, "image_id": f"{n:032x}", "score": 5.0 + n, "eval_image_id": str(n)} for n in range(1200)]
    eval_images = [{**given["eval_images"][1], "eval_image_id": str(n)} for n in range(1200)]
    with connected(
        folder, images=images, near_duplicates=hits, eval_images=eval_images, duplicate_candidates=[]
    ) as con:
        found = make(con)
    page = Reader(found["report.html"].decode())
    assert len(page.all("img")) == 2 * (6 + 12 + 12) and len(page.all("li")) == 1000
    assert "And 200 more" in "".join(page.words)


def test_a_picture_that_is_not_there_is_said_to_be_missing(tmp_path):
    data = picture(1)
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.png").write_bytes(b"no picture")
    place = Place(str(tmp_path), "a.png", 0, len(data), None)
    small = thumbnail(place, 20)
    assert (small.width, small.height, small.problem) == (20, 15, "") and small.uri.startswith("data:image/jpeg")
    assert "cannot be read" in thumbnail(Place(str(tmp_path), "gone.png", 0, 1, None), 20).problem
    assert "no known image format" in thumbnail(Place(str(tmp_path), "b.png", 0, 10, None), 20).problem
    assert "changed" in thumbnail(Place(str(tmp_path), "a.png", 0, len(data), "0" * 64), 20).problem
    assert "without its images" in thumbnail(Place(str(tmp_path), "", 0, 0, None), 20).problem


def test_small_pictures_are_not_blown_up(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(1))
    small = thumbnail(Place(str(tmp_path), "a.png", 0, len(picture(1)), None), 500)
    assert (small.width, small.height) == (48, 36)


def test_sheets_show_every_pair_and_no_score(con):
    pairs = draw(con, "val", 10, 5.0).pairs
    sheets = render_sheets(pairs * 40, "a <b>")
    n_pages = -(-len(pairs) * 40 // PER_PAGE)
    assert list(sheets) == ["index.html", *(f"page-{n}.html" for n in range(2, n_pages + 1))]
    pages = [Reader(sheet.decode()) for sheet in sheets.values()]
    assert sum(len(page.all("figure")) for page in pages) == len(pairs) * 40
    words = "".join("".join(page.words) for page in pages)
    assert f"row {len(pairs) * 40}" in words and "a <b>" in words and "score" not in words
    links = {link["href"] for page in pages for link in page.all("a")}
    assert links == set(sheets)


def test_percent_never_claims_all_or_nothing():
    assert [percent(n) for n in (None, 0.0, 1e-9, 0.123456, 0.9999999, 1.0)] == [
        "–", "0.0 %", "under 0.1 %", "12.3 %", "over 99.9 %", "100.0 %"]  # fmt: skip


def test_code_between_backticks():
    assert paragraph("run `a <b>` & go", "soft") == '<p class="soft">run <code>a &lt;b&gt;</code> &amp; go</p>'
    assert text("<a>") == "<bdi>&lt;a&gt;</bdi>"
    assert document("<t>", "").startswith("<!doctype html>") and "<title>&lt;t&gt;</title>" in document("<t>", "")


def changed_set(con, **values) -> SetLeaks:
    return replace(collect_sets(con)[0], **values)


def test_sentences(con):
    plain = changed_set(con, expected_false=0.01, n_hits=1, n_leaked=1)
    assert headline(plain).startswith("1 of 9 corpus images is a copy of 1 of 6")
    assert headline(plain).endswith("Fewer than 0.1 of them are expected to be false.")
    judged = changed_set(con, evidence="reviewed", n_reviewed=300, n_reviewed_wrong=2, precision_low=0.981)
    assert "300 hits judged, 2 of them" in evidence(judged) and "at least 98.1 %" in evidence(judged)
    assert any("in the newest manifest" in said for said in doubt(changed_set(con, n_kept=3)))
    assert any("judged after" in said for said in doubt(changed_set(con, n_unheard=3)))
    assert any("equal byte for byte" in said for said in doubt(changed_set(con, threshold=None)))
    assert any("No copies were planted" in said for said in doubt(changed_set(con, recall=[])))


def test_accuracy_is_shown_where_it_has_a_lower_bound(con):
    row = Accuracy("top1", 0.8, None, 0.4, 6, 0)
    words = " ".join(Reader(leak_section(changed_set(con, accuracy=[row]), {}, {})).words)
    assert "lower bound" in words and "80.0 %" in words and "40.0 %" in words
    assert "lower bound" not in leak_section(changed_set(con), {}, {})


def test_the_style_sheet_loads_nothing():
    css = (Path(__file__).parents[2] / "curate" / "review" / "page.css").read_text()
    assert not re.search(r"url\(|@import|http", css) and eval_id(0)
