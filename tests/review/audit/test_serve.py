"""The command as a process: what a kill leaves, and what a person in a browser can do."""

import shutil
import signal
import threading
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from http.cookiejar import CookieJar
from itertools import combinations
from urllib.parse import urlencode

import pytest

import curate.api as api
from tests.cli.shared import Commands
from tests.review.audit.desks import Served, commit, desk_of, labels, scored, served


class Client:
    """A visitor without a browser."""

    def __init__(self, running: Served) -> None:
        self.base = running.url.partition("/?")[0]
        self.token = running.url.partition("token=")[2]
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.opener.open(running.url).close()

    def get(self, path: str) -> str:
        with self.opener.open(self.base + path) as answer:
            return answer.read().decode()

    def waiting(self, key: str) -> list[str]:
        body = self.get(f"/class/{key}")
        return [piece.partition('"')[0] for piece in body.split('data-image="')[1:]]

    def judge(self, key: str, image: str, verdict: str) -> None:
        form = {"token": self.token, "class_key": key, "image_id": image, "verdict": verdict}
        data, headers = urlencode(form).encode(), {"accept": "application/json"}
        with self.opener.open(urllib.request.Request(self.base + "/verdict", data, headers)) as answer:
            assert answer.status == 200


def test_nothing_that_was_saved_is_lost_when_the_server_is_killed(session):
    """Killed between two verdicts, and then with one on its way."""
    saved: dict[str, str] = {}
    with served(session.folder, "--auditor", "ann") as running:
        client = Client(running)
        for number, image in enumerate(client.waiting("c00")[:6]):
            saved[image] = ("correct", "wrong", "unsure")[number % 3]
            client.judge("c00", image, saved[image])
        running.end(signal.SIGKILL)
    with served(session.folder, "--auditor", "ann") as running:
        client = Client(running)
        waiting = client.waiting("c00")
        assert not set(waiting) & set(saved)

        def judge_on():
            for verdict in ("correct", "wrong") * 1000:
                for image in waiting:
                    client.judge("c00", image, verdict)
                    saved[image] = verdict
                    count.append(image)

        count: list[str] = []
        judging = threading.Thread(target=lambda: suppress_all(judge_on))
        judging.start()
        while len(count) < 100:
            time.sleep(0.001)
        running.end(signal.SIGKILL)
        judging.join()
    found = standing(api.open(session.folder))
    assert len(found) == 18 and not list((session.folder / "journal").iterdir())
    # What was on its way when the server died may have been saved without the answer coming through.
    assert sum(found[image] != verdict for image, verdict in saved.items()) <= 1
    assert api.open(session.folder).arrow("audits").num_rows in (6 + len(count), 7 + len(count))


def suppress_all(work):
    with suppress(OSError, HTTPException):
        work()


def standing(session):
    """Verdict by image, and none twice."""
    rows = session.sql(
        "SELECT image_id, verdict FROM audits WHERE verdict_id NOT IN "
        "(SELECT supersedes FROM audits WHERE supersedes IS NOT NULL) AND verdict <> 'withdrawn'"
    ).fetchall()
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def test_ended_in_order_the_verdicts_are_in_the_table(session, monkeypatch, capsys):
    with served(session.folder, "--auditor", "ann") as running:
        client = Client(running)
        for image in client.waiting("c00")[:3]:
            client.judge("c00", image, "correct")
        stored = session.store.table_parts("audits")
        assert stored is None
        assert "3 verdicts saved" in running.end(signal.SIGTERM)
        assert running.process.returncode == 0
    assert session.arrow("audits").num_rows == 3
    said = Commands(session.folder, capsys)("audit", "status")
    assert "c00        class 0" in said and " 3 " in said


def test_what_is_wrong_is_said_in_one_line(session, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CURATE_WORKSPACE", raising=False)
    commands = Commands(session.folder, capsys)
    assert "auditor '' is no name" in commands.complaint(2, "audit", "serve", "--auditor", " ")
    assert "second-share must be in [0, 1]" in commands.complaint(2, "audit", "serve", "--second-share", "2")
    with served(session.folder) as running:
        port = running.url.split(":")[2].partition("/")[0]
        assert f"port {port} cannot be used" in commands.complaint(2, "audit", "serve", "--port", port)
    assert not [path for path in (session.folder / "journal").iterdir() if path.stat().st_size]
    undrawn = shutil.copytree(session.folder, tmp_path / "undrawn")
    (undrawn / "commits" / "audit-sample.json").unlink()
    for command in ("serve", "status"):
        complaint = Commands(undrawn, capsys).complaint(1, "audit", command)
        assert complaint == "no labels were drawn to be judged. Run 'curate audit sample' first."


def test_agreement_is_shown(session, capsys):
    for auditor, every in (("ann", 5), ("bob", 4)):
        with desk_of(session, auditor, 1.0) as desk:
            for number, image in enumerate(desk.queue("c01").waiting):
                verdict = "unsure" if number == 7 else "wrong" if number % every == 0 else "correct"
                desk.judge("c01", image, verdict)
    _, out, err = Commands(session.folder, capsys).try_("audit", "status")
    # Wrong: 0, 5, 10, 15 against 0, 4, 8, 12, 16; unsure: 7 and 7. They differ on 3 + 4 of 20.
    assert "20       20        0.05    7" in out
    # 29 correct, 9 wrong, 2 unsure, 1 - 0.35 / (1 - (29 * 28 + 9 * 8 + 2 * 1) / (40 * 39)) = 0.19.
    assert "two people agree on 65.0% of the 20 labels that two judged; Krippendorff's alpha 0.19" in err


@pytest.fixture
def chromium():
    """Chromium by way of playwright, with no network but this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine")
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.mark.browser
def test_fifty_verdicts_in_chromium(chromium, session):
    """Keyboard, mouse, a reload, undos, a correction, and a server that is killed under the page."""
    expected: dict[str, str] = {}
    with served(session.folder, "--auditor", "ann") as running:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: problems.append(dialog.type) or dialog.accept())
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(running.url)
        assert "token" not in page.url
        page.click("text=class 0")

        def settled():
            page.wait_for_selector('body[data-saving="0"]')

        def current():
            return page.evaluate("document.activeElement.dataset.image")

        def width():
            low, high = (float(page.get_attribute(".interval", f"data-{end}")) for end in ("low", "high"))
            return high - low

        def press(key):
            verdict = {"y": "correct", "1": "correct", "n": "wrong", "2": "wrong", "u": "unsure", "3": "unsure"}[key]
            expected[current()] = verdict
            page.keyboard.press(key)

        def finish(keys):
            """Judge all that is open on the page, and go on."""
            for number in range(page.locator(".tile:not([data-verdict])").count()):
                press(keys[number % len(keys)])
            settled()
            before = current()
            page.keyboard.press("y")  # once too often: nothing is held
            assert before is None and current() is None
            page.keyboard.press("Enter")
            page.wait_for_selector(".tile:not([data-verdict])")

        assert page.locator(".tile").count() == 12 and width() == 1
        finish("yyn1y")  # 12
        assert width() < 1
        finish("y2yu3y")  # 24
        # By the mouse: the second tile's buttons.
        tile = page.locator(".tile").nth(1)
        expected[tile.get_attribute("data-image")] = "wrong"
        tile.locator("button.wrong").click()
        tile = page.locator(".tile").nth(5)
        expected[tile.get_attribute("data-image")] = "correct"
        tile.locator("button.correct").click()
        settled()  # 26
        # Undo by key and by mouse.
        page.keyboard.press("z")
        settled()
        assert current() == tile.get_attribute("data-image") and tile.get_attribute("data-verdict") is None
        del expected[current()]
        page.click("#undo button")
        settled()
        assert page.locator(".tile[data-verdict]").count() == 0
        press("y")
        settled()
        narrow = width()
        # A reload: what was judged is no longer there, all else is.
        page.reload()
        assert page.locator(".tile").count() == 12 and width() == pytest.approx(narrow)
        assert not set(expected) & set(images(page))
        # Enlarged: the keys work on, and Space closes.
        page.keyboard.press("Space")
        page.wait_for_selector("#large[open]")
        expected[images(page)[0]] = "unsure"
        page.keyboard.press("u")
        page.keyboard.press("Space")
        page.wait_for_selector("#large[open]", state="hidden")
        # A correction: back by arrow and another verdict.
        settled()
        page.keyboard.press("ArrowLeft")
        press("n")
        settled()
        finish("y")
        finish("yyynu")
        for key in "yn3":
            press(key)
        settled()
        assert len(expected) >= 50 and f"{len(expected)} of 70 judged" in page.inner_text("#progress")
        assert width() < narrow
        # Undo reaches what is on an earlier page.
        page.reload()
        last = list(expected)[-1]
        page.keyboard.press("z")
        page.wait_for_url("**first=**")
        assert current() == last
        press("u")
        settled()
        # The server is killed: the page says so, and does not pretend.
        running.end(signal.SIGKILL)
        lost = current()
        page.keyboard.press("y")
        page.wait_for_selector("#problem:not([hidden])")
        assert "Not saved: The server has ended." in page.inner_text("#problem")
        assert page.locator(f'[data-image="{lost}"]').get_attribute("data-verdict") is None
        assert not [problem for problem in problems if "ERR_CONNECTION" not in problem and "ERR_EMPTY" not in problem]
        assert len(asked) > 60 and all(url.startswith(running.url.partition("?")[0]) for url in asked)
    assert standing(api.open(session.folder)) == expected


def images(page):
    return [tile.get_attribute("data-image") for tile in page.locator(".tile").all()]


def overlap(a, b):
    apart = (b["x"] >= a["x"] + a["width"], a["x"] >= b["x"] + b["width"], b["y"] >= a["y"] + a["height"],
             a["y"] >= b["y"] + b["height"])  # fmt: skip
    return not any(apart)


@pytest.mark.browser
def test_nothing_overlaps_or_runs_over(chromium, session):
    with served(session.folder) as running:
        page = chromium.new_context().new_page()
        page.goto(running.url)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            for path in ("/", "/class/c00", "/class/c01"):
                page.goto(running.url.partition("/?")[0] + path)
                assert page.evaluate("document.documentElement.scrollWidth") == width
                boxes = [tile.bounding_box() for tile in page.locator(".tile").all()]
                assert not [(a, b) for a, b in combinations(boxes, 2) if overlap(a, b)]
                if boxes and width > 1000:  # all of a page's work fits on the screen
                    assert len(boxes) == 12 and max(box["y"] + box["height"] for box in boxes) <= 800


def test_verdicts_count_after_new_scores(session, capsys):
    before = None
    with served(session.folder, "--auditor", "ann") as running:
        client = Client(running)
        for image in client.waiting("c00"):
            client.judge("c00", image, "correct")
        running.end()
    for seed in (0, 7):
        commit(session, "score-labels", label_scores=scored(labels(), seed=seed))
        session.run("estimate-noise")
        [row] = session.sql("SELECT n_audited, precision FROM label_stats WHERE class_key = 'c00'").fetchall()
        assert row[0] == 12 and before in (None, row)
        before = row
