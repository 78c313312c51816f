"""The figures of the decontamination report, read off the tables as plain data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from curate.review import queries
from curate.review.bounds import most_false, share_bounds
from curate.review.scores import Scores, collect_scores
from curate.vision.calibrate import Recall

FORMAT = 1
"""Of report.json; raised when a key changes its meaning."""


@dataclass(frozen=True)
class Accuracy:
    """A metric of a trained model on the eval set.

    Attributes:
        metric: Its name, as in evaluations.
        value: On all images, in [0, 1].
        clean: On the images that the training data has no copy of; None where there is no such value.
        lower: On all images, every leaked one counted as wrong.
        n_images: Evaluation images behind value.
        n_clean: Evaluation images behind clean.
    """

    metric: str
    value: float
    clean: float | None
    lower: float
    n_images: int
    n_clean: int


@dataclass(frozen=True)
class SetLeaks:
    """What is known of the leaks of one evaluation set.

    Attributes:
        eval_set: Its name.
        fingerprint: Of its images' bytes, as in eval_sets; None where it is not known.
        n_eval_images: Its images.
        n_eval_expected: Images that the published set has, None where that is not known.
        n_eval_damaged: Its images that cannot be decoded.
        n_eval_twins: Pairs of its own images that are copies of each other.
        encoder: Encoder of the search with the first digits of its digest after '#'; '' = none.
        asked_precision: Precision that was asked for.
        threshold: Least score of a copy; None = only equal bytes count.
        evidence: 'model' or 'reviewed', as in duplicate_thresholds.
        n_images: Corpus images that were searched.
        n_compared: Of them, images that were compared pixel by pixel.
        n_hits: Corpus images held to be copies.
        n_leaked: Eval images that they are copies of.
        share: n_leaked / n_eval_images; None of an empty set.
        share_low: Lower bound of the share that is leaked in truth: without the hits that may be false.
        share_high: Upper bound: with the copies that a search of the planted recall may have missed; None where
            nothing was planted.
        prevalence: dedup's own estimate of that share.
        expected_false: Expected number of false ones among the hits; None = not known.
        precision: Estimated share of true copies among the hits.
        precision_low: Lower 95 % bound from people's verdicts.
        n_reviewed: Hits that people looked at.
        n_reviewed_wrong: Of them, judged different or unsure.
        verdicts: All pairs that people judged, by verdict; 'stale' = about bytes that are no longer there.
        n_unheard: Hits that people judged since dedup decided.
        note: What the estimate lacks; None where nothing.
        methods: Hits by what found them.
        transforms: Hits by kind of copy, kinds joined by '+'; '' = not known.
        recall: Planted copies found, all first, then by transform.
        scores: None where no pair was compared.
        n_dropped: Hits that the newest manifest leaves out as copies; None without a manifest.
        n_kept: Hits that are in the newest manifest.
        accuracy: Metrics of the newest evaluated model that have a lower bound.
        leaked_ids: The eval images that are leaked, ascending.
    """

    eval_set: str
    fingerprint: str | None
    n_eval_images: int
    n_eval_expected: int | None
    n_eval_damaged: int
    n_eval_twins: int
    encoder: str
    asked_precision: float
    threshold: float | None
    evidence: str
    n_images: int
    n_compared: int
    n_hits: int
    n_leaked: int
    share: float | None
    share_low: float | None
    share_high: float | None
    prevalence: float | None
    expected_false: float | None
    precision: float | None
    precision_low: float | None
    n_reviewed: int
    n_reviewed_wrong: int
    verdicts: dict[str, int]
    n_unheard: int
    note: str | None
    methods: dict[str, int]
    transforms: dict[str, int]
    recall: list[Recall]
    scores: Scores | None
    n_dropped: int | None
    n_kept: int | None
    accuracy: list[Accuracy]
    leaked_ids: list[str]

    @property
    def overall(self) -> Recall | None:
        """Recall over all kinds of copies; None where nothing was planted."""
        return next((row for row in self.recall if row.transform == "" and row.n_planted), None)

    @property
    def kinds(self) -> dict[str, int]:
        """Hits by single kind of copy, most frequent first; one that is of several kinds counts for each."""
        counts: dict[str, int] = {}
        for joined, n in self.transforms.items():
            for kind in joined.split("+"):
                counts[kind] = counts.get(kind, 0) + n
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class LeakReport:
    """All that report.json holds.

    Attributes:
        format: FORMAT.
        versions: Of this package and of those that its figures depend on.
        parameters: Parameters that dedup ran with.
        tables: Logical digests of the tables that the figures come from.
        manifest_id: Manifest that n_dropped and n_kept are about; None = none.
        run_id: Model that accuracy is about; None = none.
        sets: One entry per eval set that was searched.
    """

    format: int
    versions: dict[str, str]
    parameters: dict[str, Any]
    tables: dict[str, str]
    manifest_id: str | None
    run_id: str | None
    sets: list[SetLeaks]

    def as_json(self) -> dict[str, Any]:
        """Nested dicts, lists, text and numbers, under the names above."""
        return asdict(self)


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Add the temporary tables `hits` and `reviews` that all queries here are about.

    Args:
        con: With a view for each of queries.TABLES and queries.OPTIONAL.
    """
    for statement in queries.SETUP.split(";\n"):
        if statement.strip():
            con.execute(statement)


def collect_sets(
    con: duckdb.DuckDBPyConnection, *, manifest_id: str | None = None, run_id: str | None = None
) -> list[SetLeaks]:
    """What is known of the leaks of each eval set that was searched.

    Args:
        con: A prepared connection.
        manifest_id: Manifest to say of what became of the copies; None = none.
        run_id: Evaluated model to give the accuracy of; None = none.

    Returns:
        By name, ascending.
    """
    rows = _records(con.execute(queries.SETS))
    return [_collect_set(con, row, manifest_id, run_id) for row in rows]


def _collect_set(
    con: duckdb.DuckDBPyConnection, row: Mapping[str, Any], manifest_id: str | None, run_id: str | None
) -> SetLeaks:
    name, n_eval = row["eval_set"], row["n_eval_images"]

    def ask(query: str, *given: Any) -> list[Any]:
        return con.execute(query, [name, *given]).fetchall()

    leaked = [each for (each,) in ask(queries.LEAKED)]
    methods, recall = dict(ask(queries.METHODS)), [Recall(*each) for each in ask(queries.RECALL)]
    n_hits = sum(methods.values())
    n_false = most_false(n_hits, row["expected_false"], row["precision_low"])
    recall_low = next((each.low for each in recall if each.transform == "" and each.n_planted), None)
    low, high = share_bounds(len(leaked), n_eval, n_false=n_false, recall_low=recall_low)
    dropped, kept = ask(queries.DONE, manifest_id)[0] if manifest_id else (None, None)
    return SetLeaks(
        n_eval_twins=ask(queries.TWINS, row["threshold"])[0][0],
        n_hits=n_hits,
        n_leaked=len(leaked),
        share=len(leaked) / n_eval if n_eval else None,
        share_low=low,
        share_high=high,
        verdicts=dict(sorted(ask(queries.VERDICTS))),
        n_unheard=ask(queries.UNHEARD)[0][0],
        methods=methods,
        transforms=dict(ask(queries.TRANSFORMS)),
        recall=recall,
        scores=collect_scores(con, name, row["threshold"]),
        n_dropped=dropped,
        n_kept=kept,
        accuracy=[Accuracy(*each) for each in ask(queries.ACCURACY, run_id)],
        leaked_ids=leaked,
        **{key: row[key] for key in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "eval_set", "fingerprint", "n_eval_images", "n_eval_expected", "n_eval_damaged", "encoder", "asked_precision",
    "threshold", "evidence", "n_images", "n_compared", "prevalence", "expected_false", "precision", "precision_low",
    "n_reviewed", "n_reviewed_wrong", "note",
)  # fmt: skip


def _records(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
