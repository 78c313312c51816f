"""Verdicts of the audit page on a workspace that the real stages made, and make anew."""

import json

from curate import api
from tests.cli.shared import Commands
from tests.review.audit.desks import desk_of

AUDITED = "SELECT class_key, n_audited FROM label_stats WHERE evidence = 'audited' ORDER BY 1"
STILL_LABELS = (
    "SELECT class_key, count(DISTINCT image_id) AS n_audited FROM audits "
    "JOIN image_labels USING (image_id, class_key) WHERE origin = 'direct' GROUP BY ALL ORDER BY 1"
)
SCORES = "SELECT count(*) AS n, sum(p_correct) AS p FROM label_scores"


def rows(own: Commands, query: str) -> list[dict]:
    return [json.loads(line) for line in own("sql", query, "--format", "json").splitlines()]


def test_verdicts_count_after_labels_were_mapped_and_scored_anew(own: Commands, tmp_path):
    own("audit", "sample", "--per-class", 8)
    with desk_of(api.open(own.workspace)) as desk:
        for queue in desk.queues():
            assert queue.facts.above and queue.facts.senses
            for number, image in enumerate(queue.waiting):
                assert desk.place(queue.facts.class_key, image).uri.endswith(".tar")
                desk.judge(queue.facts.class_key, image, "wrong" if number % 4 == 3 else "correct")
    own("estimate-noise")
    n_verdicts = rows(own, "SELECT count(*) AS n FROM audits")[0]["n"]
    assert sum(row["n_audited"] for row in rows(own, AUDITED)) == n_verdicts > 80
    said = own.try_("audit", "calibration", "--plot", tmp_path / "scores.svg")
    assert f"on {n_verdicts} verdicts" in said[2]
    assert "verdicts, with 95 % intervals" in (tmp_path / "scores.svg").read_text(encoding="utf-8")
    scores = rows(own, SCORES)[0]
    own("map-labels", "--workers", 1)  # without the label space: any noun may become a class
    own("build-hierarchy")
    own("score-labels", "--seed", 3)
    own("estimate-noise")
    again = rows(own, SCORES)[0]
    assert again["n"] != scores["n"] and again["p"] / again["n"] != scores["p"] / scores["n"]
    found = rows(own, AUDITED)
    assert found == rows(own, STILL_LABELS)
    assert 0.5 * n_verdicts < sum(row["n_audited"] for row in found) <= n_verdicts
