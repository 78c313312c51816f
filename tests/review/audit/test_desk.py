import numpy as np
import pyarrow.compute as pc
import pytest

from curate.errors import MissingInputError
from curate.noise.agreement import is_correct, wants_second
from curate.stages.audit_progress import class_progress, read_drawn, read_standing
from curate.stages.audits import OPTIONAL, READS, export
from curate.stages.labels import read_asked
from tests.review.audit.desks import commit, desk_of, draw_sample, labels, scored


def stats(session, key="c00"):
    from curate.stages.estimate_noise import STAGE, EstimateNoise, run

    rows = run(session.store.tables(STAGE.reads, STAGE.optional), EstimateNoise())["label_stats"]
    return next(row for row in rows.to_pylist() if row["class_key"] == key)


def test_one_auditor_from_the_first_verdict_to_the_last(session):
    with desk_of(session) as desk:
        queue = desk.queue("c00")
        assert (queue.progress.n_drawn, queue.progress.n_judged, len(queue.waiting)) == (70, 0, 70)
        assert (queue.progress.estimate.low, queue.progress.estimate.high) == (0, 1)
        widths = []
        for number, image in enumerate(queue.waiting):
            after = desk.judge("c00", image, "unsure" if number % 10 == 0 else "correct")
            widths.append(after.progress.estimate.high - after.progress.estimate.low)
        assert widths == sorted(widths, reverse=True) and widths[0] > 0.9 and widths[-1] == 0
        assert (after.progress.n_judged, after.progress.n_unsure, list(after.waiting)) == (70, 7, [])
        assert after.progress.estimate.precision == pytest.approx(0.9)  # unsure counts as wrong
    row = stats(session)
    assert (row["n_audited"], row["precision"]) == (70, pytest.approx(0.9))


def test_the_interval_is_that_of_estimate_noise(session):
    session = with_sample_of(session, 30)
    with desk_of(session) as desk:
        for number, image in enumerate(desk.queue("c00").waiting[:20]):
            desk.judge("c00", image, "wrong" if number % 4 == 0 else "correct")
        found = desk.queue("c00").progress.estimate
    row = stats(session)
    assert (row["precision"], row["ci_low"], row["ci_high"]) == (found.precision, found.low, found.high)
    assert row["n_audited"] == 20 and 0 < found.low < found.precision < found.high < 1


def with_sample_of(session, n):
    for name in ("audit-frame", "audit-sample"):
        (session.folder / "commits" / f"{name}.json").unlink()
    draw_sample(session, per_class=n)
    return session


def test_undo_goes_back_one_by_one_and_is_a_row_of_its_own(session):
    with desk_of(session) as desk:
        first, second, third = desk.queue("c00").waiting[:3]
        desk.judge("c00", first, "correct")
        desk.judge("c00", second, "wrong")
        desk.judge("c00", first, "unsure")  # a correction
        assert desk.undo("c00")[0] == first
        assert desk.undo("c00")[0] == second
        image, queue = desk.undo("c00")
        assert image is None and queue.progress.n_judged == 0 and len(queue.waiting) == 70
        desk.judge("c00", first, "correct")
        desk.judge("c00", third, "correct")
    rows = session.arrow("audits").to_pylist()
    assert len(rows) == 7 and sum(row["verdict"] == "withdrawn" for row in rows) == 2
    by_id = {row["verdict_id"]: row for row in rows}
    for row in rows:
        earlier = by_id.get(row["supersedes"])
        assert earlier is None or (earlier["image_id"] == row["image_id"] and earlier["audited_at"] < row["audited_at"])
    assert stats(session)["n_audited"] == 2
    assert second in export(session.store.tables(READS, OPTIONAL))["image_id"].to_pylist()


def test_a_verdict_that_is_said_twice_is_one(session):
    with desk_of(session) as desk:
        image = desk.queue("c00").waiting[0]
        desk.judge("c00", image, "correct")
        desk.judge("c00", image, "correct")
        with pytest.raises(MissingInputError):
            desk.judge("c00", "f" * 32, "correct")
        with pytest.raises(MissingInputError):
            desk.judge("c99", image, "correct")
    assert session.arrow("audits").num_rows == 1


def test_two_auditors_and_a_third_who_decides(session):
    share = 0.3
    with desk_of(session, "ann", share) as desk:
        images = list(desk.queue("c00").waiting)
        for image in images:
            desk.judge("c00", image, "correct")
        queue = desk.queue("c00")
        doubles = [image for image in images if wants_second(image, "c00", share)]
        assert (list(queue.waiting), queue.n_others) == ([], len(doubles)) and 10 < len(doubles) < 33
    with desk_of(session, "bob", share) as desk:
        assert list(desk.queue("c00").waiting) == doubles
        for image in doubles[:4]:
            desk.judge("c00", image, "wrong")
        for image in doubles[4:]:
            desk.judge("c00", image, "correct")
        queue = desk.queue("c00")
        assert (list(queue.waiting), queue.progress.n_disputed) == ([], 4)
        people = desk.agreement()
        assert people.n_pairs == len(doubles) and people.share == pytest.approx(1 - 4 / len(doubles))
    assert stats(session)["precision"] == pytest.approx(66 / 70)  # a tie counts as wrong
    with desk_of(session, "cy", 0.0) as desk:  # disputes come to a third whatever the share
        assert list(desk.queue("c00").waiting) == doubles[:4]
        for image in doubles[:3]:
            desk.judge("c00", image, "correct")
        desk.judge("c00", doubles[3], "unsure")
        assert desk.queue("c00").progress.n_disputed == 0
        assert desk.agreement() == people  # of the first two
    assert stats(session)["precision"] == pytest.approx(69 / 70)


def test_what_others_do_meanwhile_is_seen(session):
    with desk_of(session, "ann") as ann, desk_of(session, "bob") as bob:
        image = ann.queue("c00").waiting[0]
        ann.judge("c00", image, "wrong")
        assert image in bob.queue("c00").waiting
        bob.refresh()
        assert image not in bob.queue("c00").waiting
        ann.undo("c00")
        bob.refresh()
        assert image in bob.queue("c00").waiting
    with desk_of(session, "ann") as desk:
        draw_sample(session, per_class=5, afresh=True, seed=3)
        desk.refresh()
        assert desk.queue("c00").progress.n_drawn == 70


def test_verdicts_outlive_new_scores_and_new_labels(session):
    with desk_of(session) as desk:
        images = list(desk.queue("c00").waiting)
        for image in images[:40]:
            desk.judge("c00", image, "correct")
        order = list(desk.queue("c00").waiting)
        commit(session, "score-labels", label_scores=scored(labels(), seed=5))
        desk.refresh()
        assert desk.queue("c00").progress.n_judged == 40 and list(desk.queue("c00").waiting) == order
        mentions = session.arrow("mentions")
        kept = mentions.filter(pc.field("image_id") != images[0])
        commit(session, "map-labels", mentions=kept, label_map=session.arrow("label_map"))
        desk.refresh()
        assert desk.queue("c00").progress.n_judged == 39
    assert stats(session)["n_audited"] == 39
    assert session.arrow("audits").num_rows == 40


def test_sql_and_python_resolve_verdicts_alike(session):
    """Random verdicts, corrections and withdrawals of four people."""
    rng = np.random.default_rng(0)
    for auditor in ("ann", "bob", "cy", "di"):
        with desk_of(session, auditor, 1.0) as desk:
            images = list(session.arrow("audit_samples").to_pydict()["image_id"])[:40]
            for number in rng.integers(0, 40, 60):
                key = "c00" if int(images[number], 16) < 70 else "c01"
                if rng.random() < 0.2:
                    desk.undo(key)
                else:
                    desk.judge(key, images[number], rng.choice(["correct", "wrong", "unsure"]))
    tables = session.store.tables(READS, OPTIONAL)
    with tables.connect() as con:
        drawn, asked = read_drawn(con), read_asked(con)
    standing = read_standing(tables, drawn)
    for key, of_class in drawn.items():
        in_sql = {image: right for _, _, _, image, right in asked[key]}
        for image in of_class.samples:
            said = [r["verdict"] for r in standing.get((image, key), {}).values() if r["verdict"] != "withdrawn"]
            assert in_sql[image] == is_correct(said)
        assert class_progress(of_class, standing).n_judged == sum(right is not None for right in in_sql.values())


def test_the_order_tells_nothing_of_the_scores(session):
    with desk_of(session) as desk:
        images = list(desk.queue("c00").waiting)
    p = {row["image_id"]: row["p_correct"] for row in session.arrow("label_scores").to_pylist()}
    ranks = np.argsort(np.argsort([p[image] for image in images]))
    assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 0.3


def test_examples_give_nothing_away(session):
    session = with_sample_of(session, 30)
    with desk_of(session, "ann", 1.0) as desk:
        for image in desk.queue("c00").waiting[:4]:
            desk.judge("c00", image, "correct")
        right, best = desk.examples("c00")
        assert len(right) == 4 and len(best) == 2
        assert not set(best) & {row["image_id"] for row in session.arrow("audit_samples").to_pylist()}
    with desk_of(session, "bob", 1.0) as desk:  # who still has all of them to judge
        right, best = desk.examples("c00")
        assert right == [] and not set(best) & set(desk.queue("c00").waiting)
