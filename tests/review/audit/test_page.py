from dataclasses import replace

from curate.noise.agreement import Agreement
from curate.noise.precision import Estimate
from curate.review.audit.desk import Queue
from curate.review.audit.facts import ClassFacts, Sense
from curate.review.audit.page import Sheet, class_page, class_url, index_page, progress_panel
from curate.stages.audit_progress import Progress

EVIL = '<img src=x onerror="alert(1)">'
FACTS = ClassFacts(
    class_key=f"u:a/b?c#{EVIL}",
    name=f"crane {EVIL}",
    senses=[Sense(["crane", EVIL], f"a bird {EVIL}")],
    above=["animal", f"bird {EVIL}"],
    beside=[f"heron {EVIL}"],
    namesakes=[f"crane (device {EVIL})"],
)
PROGRESS = Progress(40, 21, 23, 2, 1, 300, Estimate(0.9, 0.004, 0.996))
QUEUE = Queue(FACTS, PROGRESS, ["1" * 32, EVIL], 20, 3)
SHEET = Sheet(QUEUE, QUEUE.waiting, ["2" * 32], ["3" * 32], EVIL, "token", 0.8, None)


def test_all_that_is_known_of_a_class_is_shown_as_text():
    for body in (class_page(SHEET), index_page([QUEUE], Agreement(7, 0.5, 0.1), EVIL, 0.8)):
        assert "<img src=x" not in body and EVIL not in body
    body = class_page(SHEET)
    parts = ("a bird &lt;img", "Also: <bdi>crane</bdi>, <bdi>&lt;img", "<b>Not</b> <bdi>crane (device")
    for part in (*parts, "Easily taken for: <bdi>heron"):
        assert part in body
    assert "/class/u%3Aa%2Fb%3Fc%23%3Cimg" in body and class_url("u:a/b", "x&y") == "/class/u%3Aa%2Fb?first=x%26y"


def test_progress_is_told_as_it_is():
    panel = progress_panel(QUEUE, 0.8)
    waiting = "2 wait for you · 3 for another auditor · 1 disputed"
    for part in ("<b>21</b> of 40 judged", waiting, "<b>90 %</b> (1 to 99 %)", "interval of 300 labels",
                 "80 % is asked for", "Unsure: 8.7 % of the verdicts"):  # fmt: skip
        assert part in panel
    nothing = replace(PROGRESS, n_judged=0, n_verdicts=0, n_unsure=0, n_disputed=0, estimate=Estimate(0.5, 0, 1))
    panel = progress_panel(replace(QUEUE, progress=nothing, waiting=["1" * 32], n_others=0), None)
    for part in ("not known yet", ">1 waits for you<", "Unsure: – of"):
        assert part in panel
    assert 'class="point"' not in panel and 'class="goal"' not in panel


def test_what_comes_after_the_last_picture():
    empty = replace(SHEET, queue=replace(QUEUE, waiting=[]), shown=[])
    assert 'href="/"' in class_page(empty) and "All classes" in class_page(empty)
    after = replace(FACTS, class_key="n1", name="heron")
    body = class_page(replace(empty, following=after))
    for part in ('href="/class/n1"', "Next class: <bdi>heron</bdi>", "3 of them wait for another"):
        assert part in body


def test_agreement_in_words():
    def words(people):
        return index_page([QUEUE], people, "ann", None)

    assert "of 7 labels judged twice agree, Krippendorff&#x27;s alpha 0.10" in words(Agreement(7, 0.5, 0.1))
    assert "judged twice agree<" in words(Agreement(7, 1.0, None))
    assert "no label has two verdicts yet" in words(Agreement(0, None, None))
