import resource
import signal
from datetime import datetime

import pytest

import curate.api as api
from curate.errors import LockedError, SchemaError, WorkspaceError
from curate.review.audit.desk import Desk
from curate.review.audit.journal import Journal, read_journals, retire
from tests.review.audit.desks import desk_of


def row(number):
    return {
        "verdict_id": f"v{number}", "sample_id": "s", "image_id": "i", "class_key": "c", "image_sha256": "0",
        "verdict": "correct", "auditor": "ann é", "audited_at": datetime(2026, 1, 1, 0, 0, 0, number),
        "supersedes": None,
    }  # fmt: skip


def test_rows_come_back_as_they_were(tmp_path):
    journal = Journal(tmp_path)
    for number in range(3):
        journal.append(row(number))
    [found] = read_journals(tmp_path)
    assert found.rows == [row(0), row(1), row(2)] and found.size == journal.path.stat().st_size


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    journal = Journal(tmp_path)
    journal.append(row(0))
    whole = journal.path.read_bytes()
    journal.append(row(1))
    both = journal.path.read_bytes()
    for end in range(len(whole), len(both)):
        journal.path.write_bytes(both[:end])
        assert [found["verdict_id"] for found in read_journals(tmp_path)[0].rows] == ["v0"]


def test_a_damaged_line_is_named(tmp_path):
    journal = Journal(tmp_path)
    journal.append(row(0))
    with journal.path.open("ab") as file:
        file.write(b"{}\n{")
    with pytest.raises(WorkspaceError, match=r"\.jsonl, line 2: no verdict"):
        read_journals(tmp_path)


def test_a_running_server_keeps_its_file(tmp_path):
    journal = Journal(tmp_path)
    journal.append(row(0))
    [found] = read_journals(tmp_path)
    retire(found)
    assert journal.path.exists()
    journal.append(row(1))
    journal.close()
    retire(found)  # it has grown since it was read
    assert journal.path.exists()
    retire(read_journals(tmp_path)[0])
    assert not journal.path.exists() and read_journals(tmp_path) == []
    retire(found)


def test_a_full_disk_loses_nothing_that_was_saved(tmp_path):
    journal = Journal(tmp_path)
    journal.append(row(0))
    size = journal.path.stat().st_size
    before, kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, kept[1]))
        with pytest.raises(WorkspaceError, match="the verdict cannot be saved"):
            journal.append(row(1))
        assert journal.path.stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, before)
    journal.append(row(2))
    assert [found["verdict_id"] for found in read_journals(tmp_path)[0].rows] == ["v0", "v2"]


def test_no_folder_can_be_made(tmp_path):
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(WorkspaceError, match="the verdict cannot be saved"):
        Journal(tmp_path)


def test_whoever_opens_the_workspace_takes_verdicts_in(session):
    with desk_of(session) as desk:
        [image, other, *_] = desk.queue("c00").waiting
        desk.judge("c00", image, "correct")
        assert api.open(session.folder).arrow("audits").num_rows == 1  # while the server runs
        desk.judge("c00", other, "wrong")
        journal = desk._journal.path
    assert not journal.exists()
    rows = api.open(session.folder).arrow("audits").to_pylist()
    assert sorted(row["verdict"] for row in rows) == ["correct", "wrong"]
    assert {(row["auditor"], row["supersedes"]) for row in rows} == {("ann", None)}


def test_a_run_that_holds_the_workspace_is_waited_for(session, caplog):
    other = api.open(session.folder)
    with session.store.lock():
        journal = Journal(session.folder)
        desk = Desk(session.store, journal, "ann", 0.0)
        desk.judge("c00", desk.queue("c00").waiting[0], "correct")
        journal.close()
        with pytest.raises(LockedError):
            other.take_in_verdicts()
        assert api.open(session.folder).arrow("audits").num_rows == 0
        assert "not in table audits yet" in caplog.text
    assert api.open(session.folder).arrow("audits").num_rows == 1
    assert list((session.folder / "journal").iterdir()) == []


@pytest.mark.parametrize("damage", ["nothing\n", '{"verdict": "correct"}\n', "[]\n", "[1]\n", "\n"])
def test_a_damaged_journal_stops_runs_and_no_questions(session, caplog, damage):
    (session.folder / "journal").mkdir()
    (session.folder / "journal" / "1-a.jsonl").write_text(damage)
    assert api.open(session.folder).arrow("audits").num_rows == 0
    assert "line 1: no verdict" in caplog.text
    with pytest.raises(WorkspaceError, match="Mend the line"):
        session.run("estimate-noise")


def test_a_verdict_that_no_table_takes_stops_runs_and_no_questions(session, caplog):
    journal = Journal(session.folder)
    journal.append({**row(0), "verdict": "perhaps"})
    journal.close()
    assert api.open(session.folder).arrow("audits").num_rows == 0
    assert "1 rows violate" in caplog.text and journal.path.exists()
    with pytest.raises(SchemaError):
        session.run("estimate-noise")
