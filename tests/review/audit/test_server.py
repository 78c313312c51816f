import json
import socket
from html.parser import HTMLParser

import pytest

from curate.errors import ParameterError
from curate.review.audit.server import listen
from tests.review.audit.desks import EVIL, Browser, desk_of


@pytest.fixture
def desk(session):
    with desk_of(session) as desk:
        yield desk


@pytest.fixture
def browser(desk):
    return Browser(desk)


def test_the_address_with_the_token_is_needed_once(browser):
    for path in ("/", "/class/c00", "/page.js", "/image/small/x/c00", "/nothing"):
        assert browser.ask(path, cookie=None)[0] == 403
        assert browser.ask(path, cookie="curate_audit_8765=guessed")[0] == 403
        assert browser.ask(f"{path}?token=guessed", cookie=None)[0] == 403
    status, headers, _ = browser.ask("/?token=the-token", cookie=None)
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert cookie.startswith("curate_audit_8765=the-token;") and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert browser.ask("/")[0] == 200


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.com:8765", None])
def test_only_its_own_name_is_answered(browser, host):
    assert browser.ask("/", host=host)[0] == 403
    assert browser.ask("/?token=the-token", host=host)[0] == 403


def test_localhost_is_its_own_name(browser):
    assert browser.ask("/", host="localhost:8765")[0] == 200


def test_a_form_of_another_page_is_refused(browser, desk):
    image = desk.queue("c00").waiting[0]
    form = {"class_key": "c00", "image_id": image, "verdict": "correct"}
    assert browser.post("/verdict", token="", **form)[0] == 403  # the cookie alone will not do
    assert browser.post("/undo", token="guessed", class_key="c00")[0] == 403
    given = {"token": "the-token", **form}
    for origin in ("http://127.0.0.1:9999", "http://evil.example", "https://127.0.0.1:8765"):
        assert browser.ask("/verdict", "POST", given, origin=origin)[0] == 403
    assert browser.ask("/verdict", "POST", given, cookie=None)[0] == 403
    assert desk.queue("c00").progress.n_judged == 0
    assert browser.ask("/verdict", "POST", given, origin="http://127.0.0.1:8765")[0] == 303
    assert browser.ask("/verdict", "GET")[0] == 404
    assert desk.queue("c00").progress.n_judged == 1


def test_nothing_from_elsewhere_is_loaded(browser):
    for path in ("/", "/class/c00", "/class/c99"):
        _, headers, body = browser.ask(path)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"] and headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert not [url for url in Links.of(body) if not url.startswith("/") or url.startswith("//")]
        assert " style=" not in body and " onclick=" not in body


class Links(HTMLParser):
    """Addresses on a page."""

    @classmethod
    def of(cls, body):
        parser = cls()
        parser.found = []
        parser.feed(body)
        return parser.found

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "action", "data-large")]


def test_foreign_text_stays_text(browser, desk):
    for path in ("/", "/class/c01", f"/class/{'%3Cscript%3E'}"):
        body = browser.ask(path)[2]
        assert "<script>alert" not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in browser.ask("/class/c01")[2] and EVIL not in body


def test_a_verdict_is_on_the_disk_before_it_is_said_to_be_saved(browser, desk, session):
    journal = next((session.folder / "journal").glob("*.jsonl"))
    for number, image in enumerate(desk.queue("c00").waiting[:5], 1):
        status, _, body = browser.post("/verdict", class_key="c00", image_id=image, verdict="correct")
        assert status == 200 and f"<b>{number}</b> of 70 judged" in json.loads(body)["progress"]
        lines = journal.read_text().splitlines()
        assert len(lines) == number and json.loads(lines[-1])["image_id"] == image
    answer = json.loads(browser.post("/undo", class_key="c00")[2])
    assert answer["image_id"] == image and answer["n_waiting"] == 66
    assert json.loads(journal.read_text().splitlines()[-1])["verdict"] == "withdrawn"


def test_without_script_the_buttons_lead_back_to_the_page(browser, desk):
    image = desk.queue("c00").waiting[0]
    form = {"token": "the-token", "class_key": "c00"}
    status, headers, _ = browser.ask("/verdict", "POST", {**form, "image_id": image, "verdict": "wrong"})
    assert (status, headers["location"]) == (303, "/class/c00")
    status, headers, _ = browser.ask("/undo", "POST", form)
    assert (status, headers["location"]) == (303, f"/class/c00?first={image}")
    body = browser.ask(headers["location"])[2]
    assert body.index(f'data-image="{image}"') == body.index("data-image=")


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ({"class_key": "c00", "image_id": "x", "verdict": "correct"}, 404, "was not drawn"),
        ({"class_key": "c77", "image_id": "x", "verdict": "correct"}, 404, "no label of class"),
        ({"class_key": "c00", "image_id": "x", "verdict": "withdrawn"}, 400, "verdict 'withdrawn'"),
        ({"class_key": "c00"}, 400, "verdict ''"),
        ({"class_key": "c" * 9000}, 400, "too long"),
    ],
)
def test_a_wrong_form_is_told_in_one_line(browser, form, status, message):
    found, _, body = browser.post("/verdict", **form)
    assert found == status and message in json.loads(body)["error"]


def test_a_verdict_that_cannot_be_saved_is_said_not_to_be(browser, desk, monkeypatch):
    image = desk.queue("c00").waiting[0]
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    status, _, body = browser.post("/verdict", class_key="c00", image_id=image, verdict="correct")
    assert status == 500 and "cannot be saved: No space left on device" in json.loads(body)["error"]
    monkeypatch.undo()
    assert desk.queue("c00").progress.n_judged == 0 and image in desk.queue("c00").waiting


def test_pictures_are_encoded_anew(browser, desk, drawn):
    image = desk.queue("c00").waiting[0]
    status, headers, body = browser.ask(f"/image/small/{image}/c00")
    assert (status, headers["content-type"]) == (200, "image/jpeg") and body.startswith("\ufffd\ufffd")
    assert browser.ask(f"/image/huge/{image}/c00")[0] == 404
    assert browser.ask(f"/image/small/{'0' * 31}z/c00")[0] == 404
    assert browser.ask("/image/small/..%2F..%2Fetc%2Fpasswd/c00")[0] == 404
    # Another class's image is not shown, and other bytes than those that were drawn neither.
    assert browser.ask(f"/image/small/{image}/c01")[0] == 404
    other = desk.queue("c00").waiting[1]
    file = drawn / "pictures" / f"{int(other, 16)}.jpg"
    kept = file.read_bytes()
    try:
        file.write_bytes(bytes([*kept[:-3], 0, *kept[-2:]]))
        status, headers, body = browser.ask(f"/image/large/{other}/c00")
        assert headers["content-type"] == "image/svg+xml" and "the file changed after it was read" in body
    finally:
        file.write_bytes(kept)


def test_the_page_does_not_tell_what_to_say(session):
    with desk_of(session, "ann", 1.0) as desk:
        for image in desk.queue("c00").waiting:
            desk.judge("c00", image, "wrong")
    with desk_of(session, "bob", 1.0) as desk:
        body = Browser(desk).ask("/class/c00")[2]
    tiles = body[body.index('<ol class="grid"') : body.index("</ol>")]
    assert tiles.count('class="tile"') == 12 and "data-verdict" not in tiles and "ann" not in tiles
    keys = {row["image_id"]: row["key"] for row in session.arrow("images").to_pylist()}
    scores = {row["image_id"]: row["p_correct"] for row in session.arrow("label_scores").to_pylist()}
    for image, score in scores.items():
        assert f"{score:.2f}" not in tiles and f'"{keys[image]}"' not in tiles


def test_all_is_done(browser, desk):
    for key in ("c00", "c01"):
        for image in desk.queue(key).waiting:
            desk.judge(key, image, "correct")
        assert "Nothing of this class waits for you" in browser.ask(f"/class/{key}")[2]
    assert "curate build-manifest" in browser.ask("/")[2]


def test_the_target_is_marked(desk):
    assert 'class="goal"' in Browser(desk, target=0.8).ask("/")[2]
    assert 'class="goal"' not in Browser(desk).ask("/")[2]


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ParameterError, match=f"port {port} cannot be used: Address already in use"):
            listen(port)
