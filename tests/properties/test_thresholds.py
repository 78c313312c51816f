"""Whatever the thresholds: copies of eval images stay out, and every label is accounted for once."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.plan import Step
from curate.recipe import build_params
from curate.stages.build_manifest import STAGE as BUILD
from curate.stages.dedup import STAGE as DEDUP
from tests.contract.road import copy_of

MANIFEST = "(FROM manifest WHERE manifest_id = $id)"
EXCLUSIONS = "(FROM exclusions WHERE manifest_id = $id)"
COMPARED = {"compare": 0.1, "k": 3}
"""As on the road, whose comparisons are reused."""


@pytest.fixture(scope="module")
def session(road, tmp_path_factory):
    return copy_of(road.session.folder, tmp_path_factory.mktemp("thresholds") / "w")


limits = st.fixed_dictionaries(
    {
        "precision": st.floats(0.01, 1),
        "min_score": st.none() | st.floats(0, 100),
        "within": st.booleans(),
    }
)
choices = st.fixed_dictionaries(
    {
        "min_precision": st.floats(1e-9, 1),
        "confidence": st.floats(0.51, 0.99),
        "min_images": st.integers(1, 30),
        "resampling": st.sampled_from(["none", "sqrt", "uniform"]),
        "val_share": st.floats(0, 0.9),
    }
)


@settings(max_examples=2, deadline=None, derandomize=True)
@given(limits, choices)
@example({"min_score": 5.0}, {"min_precision": 1e-9, "min_images": 1})
def test_copies_stay_out_and_labels_are_accounted_for(session, limits, choices):
    steps = [
        Step(DEDUP, build_params(DEDUP.params, {"against": ["evalset"], **COMPARED, **limits}, "dedup")),
        Step(BUILD, build_params(BUILD.params, choices, "build-manifest")),
    ]
    list(session.run_steps(steps, n_workers=1))
    con, given_id = session.connect(), {"id": session.newest_manifest()}
    copies = con.execute("SELECT count(DISTINCT image_id) FROM near_duplicates").fetchall()[0][0]
    assert con.execute(f"FROM {MANIFEST} SEMI JOIN near_duplicates USING (image_id)", given_id).fetchall() == []
    named = f"SELECT count(DISTINCT image_id) FROM {EXCLUSIONS} SEMI JOIN near_duplicates USING (image_id)"
    assert con.execute(f"{named} WHERE class_key = ''", given_id).fetchall() == [(copies,)]
    wrong = con.execute(
        f"""
        SELECT image_id, class_key, count(*) AS times FROM (
            SELECT image_id, unnest(class_keys) AS class_key FROM {MANIFEST}
            UNION ALL SELECT image_id, class_key FROM {EXCLUSIONS} WHERE class_key <> ''
            UNION ALL SELECT l.image_id, l.class_key FROM image_labels AS l JOIN {EXCLUSIONS} AS e USING (image_id)
                WHERE e.class_key = '' AND origin = 'direct'
        ) RIGHT JOIN (FROM image_labels WHERE origin = 'direct') USING (image_id, class_key)
        GROUP BY ALL HAVING times <> 1""",
        given_id,
    ).fetchall()
    assert wrong == []
    split = con.execute(
        f"SELECT cluster_id FROM {MANIFEST} JOIN duplicate_clusters USING (image_id) "
        "GROUP BY ALL HAVING count(DISTINCT split) > 1",
        given_id,
    )
    assert split.fetchall() == [], "copies of each other fall into one split"
