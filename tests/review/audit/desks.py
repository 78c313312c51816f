"""A small workspace with pictures, labels and samples of them, the page's server as a process, and questions to it."""

import asyncio
import io
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from PIL import Image

import curate.api as api
from curate.review.audit.desk import Desk
from curate.review.audit.journal import Journal
from curate.review.audit.server import make_app
from curate.runner import append
from curate.schema import table_schema
from curate.stages.audits import OPTIONAL, READS, SampleAudits, sample
from curate.store import Commit
from tests.cli.shared import COMMAND, environment
from tests.noise.corpus import corpus_tables, image_id, image_row, scores

EVIL = "<script>alert(1)</script> & \"quotes'"
"""The name of a class: nothing of it may be read as HTML."""

STAGES = {
    "ingest": ("images", "sources", "raw_labels"), "map-labels": ("mentions", "label_map"),
    "build-hierarchy": ("rollups", "classes", "ancestors", "class_parents"), "score-labels": ("label_scores",),
}  # fmt: skip


def labels(n_first=70, n_second=20):
    """Of class 0 and of class 1."""
    return [(i, 0) for i in range(n_first)] + [(i, 1) for i in range(n_first, n_first + n_second)]


def scored(pairs, seed=0):
    p = np.random.default_rng(seed).uniform(0.3, 0.95, len(pairs))
    return scores(pairs, p)


def picture(seed: int) -> bytes:
    patches = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(patches.repeat(20, 0).repeat(20, 1)).save(out, "JPEG")
    return out.getvalue()


def write_workspace(folder: Path, pairs=None, **draw) -> api.Session:
    """Pictures, tables, and a sample of every class."""
    pairs = pairs or labels()
    root = folder / "pictures"
    root.mkdir(parents=True)
    images = []
    for i in sorted({i for i, _ in pairs}):
        data = picture(i)
        (root / f"{i}.jpg").write_bytes(data)
        place = {"uri": f"{i}.jpg", "byte_offset": 0, "byte_length": len(data), "sha256": sha256(data).hexdigest()}
        images.append(image_row(i, **place))
    tables = corpus_tables(pairs, images=images)
    rename = {"class 1": EVIL}
    for name in ("classes", "rollups"):
        rows = tables[name].to_pylist()
        tables[name] = type(tables[name]).from_pylist(
            [{**row, "name": rename.get(row["name"], row["name"])} for row in rows], table_schema(name).arrow
        )
    sources = tables["sources"].to_pylist()[0] | {"root": str(root), "format": "folder"}
    tables["sources"] = type(tables["sources"]).from_pylist([sources], table_schema("sources").arrow)
    session = api.open(folder / "workspace", create=True)
    for stage, own in STAGES.items():
        commit(session, stage, **({name: tables[name] for name in own if name in tables}))
    commit(session, "score-labels", label_scores=scored(pairs))
    draw_sample(session, **({"per_class": 100} | draw))
    return session


def commit(session: api.Session, stage: str, **tables) -> None:
    """Replace the tables of a stage, as if it had run."""
    store = session.store
    number = store.commit_of(stage).fingerprint if store.commit_of(stage) else "0"
    name = str(int(number) + 1)
    parts = {table: [store.write_part(table, "0", name, rows)] for table, rows in tables.items()}
    store.replace(Commit(stage, name, {}, parts, {t: table_schema(t).hash for t in tables}, {}))


def draw_sample(session: api.Session, **params) -> None:
    made = sample(session.store.tables(READS, OPTIONAL), SampleAudits(**params))
    append(session.store, "audit-frame", "audit_frames", made[0])
    append(session.store, "audit-sample", "audit_samples", made[1])


@contextmanager
def desk_of(session: api.Session, auditor="ann", second_share=0.0):
    journal = Journal(session.folder)
    try:
        yield Desk(session.store, journal, auditor, second_share)
    finally:
        journal.close()
        session.take_in_verdicts()


class Browser:
    """Asks an application without a network."""

    def __init__(self, desk: Desk, port=8765, target=None) -> None:
        self.app = make_app(desk, token="the-token", port=port, target=target)
        self.headers = {"host": f"127.0.0.1:{port}", "cookie": f"curate_audit_{port}=the-token"}

    def ask(self, path: str, method="GET", form: Mapping[str, str] | None = None, **headers: str | None):
        """Status, headers and body; a header that is None is left out."""
        sent = {name: value for name, value in (self.headers | headers).items() if value is not None}
        body = urlencode(form or {}).encode()
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8765),
        }  # fmt: skip
        answer: dict = {"body": b""}

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                answer.update(status=message["status"], headers=dict(message["headers"]))
            else:
                answer["body"] += message.get("body", b"")

        asyncio.run(self.app(scope, receive, send))
        headers_found = {name.decode(): value.decode() for name, value in answer["headers"].items()}
        return answer["status"], headers_found, answer["body"].decode("utf-8", "replace")

    def post(self, path: str, *, token="the-token", **form: str):
        return self.ask(path, "POST", {"token": token, **form}, accept="application/json")


class Served:
    """A running `curate audit serve`.

    Attributes:
        url: Its address with the token.
        process: The process.
    """

    def __init__(self, workspace: Path, *options: str) -> None:
        line = (*COMMAND, "audit", "serve", "-w", str(workspace), "--port", "0", *options)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(line, env=environment(), text=True, **pipes)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.process.stderr.read()
        self.process.stderr.readline()

    def end(self, number=signal.SIGTERM) -> str:
        """Send a signal; what it said last."""
        os.kill(self.process.pid, number)
        _, err = self.process.communicate(timeout=30)
        return err


@contextmanager
def served(workspace: Path, *options: str):
    running = Served(workspace, *options)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


__all__ = ["EVIL", "Browser", "Served", "commit", "desk_of", "draw_sample", "image_id", "labels", "picture", "scored",
           "served", "write_workspace"]  # fmt: skip
