"""The pictures of the audit page in the README: a generated corpus, judged by its known truth, shown in Chromium.

    curate demo
    python examples/audit_pictures.py curate-demo/full-0

Needs chromium and `pip install playwright`. It works on a copy of the workspace and writes audit-page.webp and
audit-classes.webp beside itself.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from subprocess import PIPE, Popen, run

import pyarrow.parquet as pq
from PIL import Image
from playwright.sync_api import sync_playwright

import curate
from curate.noise.folds import unit_hash
from curate.review.audit.desk import Desk
from curate.review.audit.journal import Journal

CLASS, N_DONE, N_ON_PAGE = "crane", 24, 7
SIZE = {"width": 1280, "height": 800}
KEYS = {"correct": "y", "wrong": "n", "unsure": "u"}
COMMAND = [sys.executable, "-c", "from curate.cli.main import main; main()"]

corpus, out = Path(sys.argv[1]), Path(__file__).parent
pairs = pq.read_table(corpus / "corpus" / "truth" / "pairs.parquet").to_pylist()
truth = {(row["key"], row["wnid"]): row["is_correct"] for row in pairs}


def said(key: str, class_key: str, image_id: str, auditor: str) -> str:
    """What somebody says who is right mostly, and unsure now and then."""
    luck = unit_hash(0, auditor, image_id, class_key)
    right = truth.get((key, class_key), False) != (luck < 0.02)
    return "unsure" if luck > 0.97 else "correct" if right else "wrong"


with tempfile.TemporaryDirectory() as folder:
    workspace = Path(shutil.copytree(corpus / "workspace", Path(folder) / "workspace"))
    run([*COMMAND, "audit", "sample", "-w", workspace, "--per-class", "48"], check=True)  # noqa: S603 - our own command
    session = curate.open(workspace)
    keys = {row["image_id"]: row["key"] for row in session.arrow("images").to_pylist()}
    for auditor, share in (("ann", 1.0), ("bob", 0.1)):
        journal = Journal(session.folder)
        desk = Desk(session.store, journal, auditor, share)
        shown = next(queue.facts.class_key for queue in desk.queues() if queue.facts.name == CLASS)
        for number, queue in enumerate(desk.queues()):
            class_key = queue.facts.class_key
            n = N_DONE if class_key == shown else len(queue.waiting) if number % 3 == 0 else 12 * (number % 5)
            for image_id in queue.waiting[: n if auditor == "ann" else n // 8]:
                desk.judge(class_key, image_id, said(keys[image_id], class_key, image_id, auditor))
        journal.close()
        session.take_in_verdicts()

    line = [*COMMAND, "audit", "serve", "-w", str(workspace), "--port", "0", "--auditor", "ann"]
    with Popen(line, stdout=PIPE, text=True) as server, sync_playwright() as playwright:  # noqa: S603 - our own command
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport=SIZE).new_page()  # type: ignore[arg-type]
        page.goto(url)
        page.screenshot(path=out / "audit-classes.png")
        page.goto(f"{url.partition('/?')[0]}/class/{shown}", wait_until="networkidle")
        for tile in page.locator(".tile").all()[:N_ON_PAGE]:
            image_id = tile.get_attribute("data-image") or ""
            page.keyboard.press(KEYS[said(keys[image_id], shown, image_id, "ann")])
        page.wait_for_selector('body[data-saving="0"]')
        page.screenshot(path=out / "audit-page.png")
        browser.close()
        server.terminate()

for name in ("audit-classes", "audit-page"):
    with Image.open(out / f"{name}.png") as picture:
        picture.convert("RGB").save(out / f"{name}.webp", quality=88, method=6)
    (out / f"{name}.png").unlink()
    print(name, (out / f"{name}.webp").stat().st_size, "bytes")
