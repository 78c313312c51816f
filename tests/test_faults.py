"""Kills, full disks, cut-off files, two runs at once, moved folders: each run ends well, or the next one does."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import curate.api as api
from curate.errors import SchemaError, WorkspaceError
from curate.plan import Step, judge
from curate.runner import append, run
from curate.schema import conform, digest_rows
from curate.stage import QueryStage
from curate.store import Workspace
from curate.wordnet import lexicon
from tests.contract.road import LAST, copy_of, exported, read_records, settings, travel, write_tars
from tests.test_runner import NoParams, steps

CHECKOUT = Path(__file__).parent.parent
MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from curate.cli.main import main; main()"


def command(road, workspace, posts=None, until=LAST, n_workers=2):
    """curate run quickstart, as typed."""
    sets = [word for each in settings(road.corpus, posts or road.posts) for word in ("--set", each)]
    given = ["run", "quickstart", "-w", str(workspace), "--until", until, "--workers", str(n_workers), *sets]
    return [sys.executable, "-c", MAIN, str(CHECKOUT), *given]


def call(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, **options)


def complaint(done):
    """The one line that says what went wrong."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("curate: ")]
    assert done.returncode == 1
    assert len(lines) == 1 and "Traceback" not in done.stderr
    return lines[0]


def rows_of_views(session):
    """Rows of every table as a DuckDB client sees them, and as curate does."""
    names = sorted(session.digests())
    with duckdb.connect(str(session.folder / "curate.duckdb"), read_only=True) as client:
        seen = [client.execute(f"SELECT count(*) FROM {name}").fetchall() for name in names]
    return seen, [session.sql(f"SELECT count(*) FROM {name}").fetchall() for name in names]


def hidden(folder):
    return list(folder.rglob(".*"))


def workers(pid):
    """Worker processes of a run."""
    listed = subprocess.run(["ps", "-axwwo", "pid=,ppid=,command="], capture_output=True, text=True).stdout
    found = [line.split(None, 2) for line in listed.splitlines()]
    return [int(own) for own, parent, what in found if parent == str(pid) and "spawn_main" in what]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        "spawn_main"
        in subprocess.run(["ps", "-wwp", str(pid), "-o", "command="], capture_output=True, text=True).stdout
    )


def test_a_run_killed_at_random_moments_ends_in_the_same_bytes(road, tmp_path):
    session = copy_of(road.wordnet, tmp_path / "w")

    def n_parts(folder):
        return sum(1 for _ in folder.glob("parts/*/*.parquet"))

    there = n_parts(session.folder)
    last = n_parts(road.session.folder) - there - 3
    rng = random.Random(7)
    moments = [1, "workers", rng.randrange(15, last), last]
    orphans, n_killed = [], 0
    for moment in moments:
        process = subprocess.Popen(command(road, session.folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if moment == "workers":
                orphans += workers(process.pid)
            if orphans if moment == "workers" else n_parts(session.folder) >= there + moment:
                break
            time.sleep(0.01)
        if moment != "workers":  # those may be gone a moment later
            time.sleep(rng.random() * 0.2)
        process.kill()
        n_killed += process.wait() == -signal.SIGKILL
    assert n_killed >= 3
    assert orphans
    travel(session, road.corpus, road.posts, n_workers=2)
    assert session.digests() == road.session.digests()
    assert exported(session) == exported(road.session)
    seen, there = rows_of_views(session)
    assert seen == there
    assert hidden(session.folder) == []
    assert [pid for pid in orphans if is_there(pid)] == [], "workers end with the run"


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_a_kill_before_any_rename_or_removal_is_made_good(tmp_path, monkeypatch):
    """Each moment of a run that renews tables, one after the other; nothing else changes what can be seen."""
    before, later = tmp_path / "before", {"sizes": (3, 2, 4), "shown": "_"}
    list(run(Workspace(before, create=True), steps(), n_workers=1))
    undisturbed = copy_of(before, tmp_path / "undisturbed")
    list(run(undisturbed.store, steps(**later)))
    originals = {name: getattr(Path, name) for name in ("replace", "unlink")}
    for moment in range(1, 100):
        session, n_calls = copy_of(before, tmp_path / str(moment)), 0

        def dying(name):
            def call(*arguments, **options):
                nonlocal n_calls
                n_calls += 1
                if n_calls == moment:  # noqa: B023
                    raise Killed
                return originals[name](*arguments, **options)

            return call

        try:
            with monkeypatch.context() as patched:
                for name in originals:
                    patched.setattr(Path, name, dying(name))
                list(run(session.store, steps(**later), n_workers=1))
            break
        except Killed:
            again = api.open(session.folder)
            list(run(again.store, steps(**later), n_workers=1))
            assert again.digests() == undisturbed.digests()
            seen, there = rows_of_views(again)
            assert seen == there
            assert hidden(again.folder) == []
    assert moment > 6


@contextmanager
def no_file_above(n_bytes):
    """A full disk, as far as one process is concerned."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_no_half_part_counts(road, tmp_path):
    folder = tmp_path / "w"
    with no_file_above(1_500_000):  # what the command inherits
        line = complaint(call(road, folder, None, "load-wordnet"))
    assert "parts/lemmas" in line and "too large" in line and "Make room" in line
    assert hidden(folder) == []
    assert [path.parent.name for path in folder.rglob("*.parquet")] == ["synsets"]
    assert Workspace(folder).commits() == {}
    done = call(road, folder, None, "load-wordnet")
    assert done.returncode == 0, done.stderr
    assert api.open(folder).digests()["lemmas"] == digest_rows(conform(lexicon.lemma_rows(), "lemmas"), "lemmas")[0]


@pytest.mark.parametrize(("n_bytes", "what"), [(500, "parts/lemmas"), (100_000, r"curate\.duckdb")])
def test_a_disk_that_is_full_for_parts_or_for_views_makes_no_difference_later(tmp_path, n_bytes, what):
    workspace, undisturbed = (Workspace(tmp_path / name, create=True) for name in ("w", "undisturbed"))
    list(run(undisturbed, steps()))
    with no_file_above(n_bytes), pytest.raises(WorkspaceError, match=what + ".*: cannot be written: .*too large"):
        list(run(workspace, steps(), n_workers=1))
    assert hidden(workspace.folder) == []
    list(run(workspace, steps()))
    assert workspace.digests() == undisturbed.digests()
    seen, there = rows_of_views(api.open(workspace.folder))
    assert seen == there


def test_a_disk_that_fills_up_in_a_query_is_one_line(tmp_path):
    def spill(tables, params):
        return {"class_parents": tables.connect().sql("COPY (FROM range(9)) TO '/dev/full' (FORMAT csv)")}

    stage = QueryStage(name="spill", version=1, params=NoParams, writes=("class_parents",), run=spill, doc="")
    with pytest.raises(WorkspaceError, match="spill: .*Make room"):
        list(run(Workspace(tmp_path / "w", create=True), [Step(stage, NoParams())]))


def test_a_cut_off_tar_keeps_what_can_be_read_and_a_second_run_at_once_is_refused(road, tmp_path):
    records = read_records(road.posts)
    posts = tmp_path / "posts"
    write_tars(posts, [records[:150], records[150:]])
    last = posts / "00001.tar"
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    folder = copy_of(road.wordnet, tmp_path / "w").folder
    first = subprocess.Popen(
        command(road, folder, posts, "embed", 1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lock = folder / "lock"
    while first.poll() is None and lock.read_text() != str(first.pid):
        time.sleep(0.01)
    line = complaint(call(road, folder, posts))
    assert f"another run (process {first.pid}) holds it" in line and "Wait for it to end" in line
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors
    session = api.open(folder)
    assert session.sql("SELECT locator, rule FROM rejects WHERE rule = 'truncated_shard'").fetchall() == [
        ("00001.tar", "truncated_shard")
    ]
    whole = road.session.connect().execute("SELECT key, sha256 FROM images").fetchall()
    found = session.sql("SELECT key, sha256, uri FROM images").fetchall()
    assert {(key, digest) for key, digest, _ in found} <= set(whole)
    n_cut = sum(uri == "00001.tar" for _, _, uri in found)
    assert 20 < n_cut < 148 and len(found) - n_cut >= 149
    good = "SELECT image_id FROM images WHERE status = 'ok'"
    assert session.sql(f"({good}) EXCEPT SELECT image_id FROM embeddings").fetchall() == []


def test_a_moved_workspace_works_and_reuses_everything(road, tmp_path):
    session = copy_of(road.session.folder, tmp_path / "here" / "w")
    before = exported(session)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = api.open(tmp_path / "there" / "w")
    found = travel(moved, road.corpus, road.posts)
    assert {(outcome.action, outcome.n_parts_run) for outcome in found.values()} == {("reused", 0)}
    assert exported(moved) == before
    seen, there = rows_of_views(moved)
    assert seen == there and len(seen) > 20


def test_what_a_kill_left_does_not_stop_the_next_run(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".workspace.json.123").touch()
    workspace = Workspace(tmp_path / "w", create=True)
    left = workspace.folder / "manifests" / ".0123.abc" / "part"
    left.mkdir(parents=True)
    others = [workspace.folder / ".notes", workspace.folder / "mine" / ".keep"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("not ours to remove")
    list(run(workspace, steps()))
    assert not left.parent.exists() and not (tmp_path / "w" / ".workspace.json.123").exists()
    assert all(path.exists() for path in others)


def test_tables_of_another_definition_are_made_again(tmp_path):
    workspace = Workspace(tmp_path / "w", create=True)
    list(run(workspace, steps()))
    digests = workspace.digests()
    for stage in ("cut", "link"):
        path = workspace.folder / "commits" / f"{stage}.json"
        commit = json.loads(path.read_bytes())
        commit["schemas"] = dict.fromkeys(commit["schemas"], "of another version")
        path.write_text(json.dumps(commit))
    older = Workspace(workspace.folder)
    assert judge(older, steps()[1]).why == "definition of class_members, lemmas changed"
    outcomes = list(run(older, steps()))
    assert [outcome.action for outcome in outcomes] == ["ran", "ran"]
    assert older.digests() == digests
    seen, there = rows_of_views(api.open(workspace.folder))
    assert seen == there


def test_what_people_wrote_is_never_taken_for_outdated_and_dropped(tmp_path):
    workspace = Workspace(tmp_path / "w", create=True)
    rows = pa.table({"class_key": ["a"], "wnid": ["n1"]})
    append(workspace, "people", "class_members", rows)
    path = workspace.folder / "commits" / "people.json"
    path.write_text(
        path.read_text().replace(workspace.commit_of("people").schemas["class_members"], "of another version")
    )
    older = Workspace(workspace.folder)
    with pytest.raises(SchemaError, match="another definition"):
        append(older, "people", "class_members", rows)
    assert list((workspace.folder / "parts" / "class_members").glob("*.parquet"))


def test_a_commit_that_cannot_be_read_says_so(tmp_path):
    workspace = Workspace(tmp_path / "w", create=True)
    list(run(workspace, steps()))
    path = workspace.folder / "commits" / "link.json"
    os.truncate(path, 20)
    with pytest.raises(WorkspaceError, match=r"link\.json' cannot be read.*Delete it"):
        list(run(Workspace(workspace.folder), steps()))
    path.unlink()
    assert [outcome.action for outcome in run(Workspace(workspace.folder), steps())] == ["reused", "ran"]
