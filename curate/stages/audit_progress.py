"""How far the audit of each class is: what was drawn, what was said, and what follows for its precision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt

from curate.stage import Tables
from curate.stages.labels import ClassLabels, class_looks, read_asked, read_labels
from curate.stages.verdicts import Row, Standing, said, standing_verdicts

if TYPE_CHECKING:
    from curate.noise.agreement import Agreement
    from curate.noise.looks import Look
    from curate.noise.precision import Estimate


@dataclass(frozen=True)
class Drawn:
    """The pairs of a class that were drawn and still count.

    Attributes:
        labels: Direct labels of the class.
        looks: What was drawn of them; at least one look.
        rows: image_id → row among the labels, of those that were drawn.
        samples: image_id → sample_id, in the order in which to judge: by hash, so that no score shows.
    """

    labels: ClassLabels
    looks: "list[Look]"
    rows: Mapping[str, int]
    samples: Mapping[str, str]


@dataclass(frozen=True)
class Progress:
    """How far the audit of a class is.

    Attributes:
        n_drawn: Pairs that were drawn.
        n_judged: Of them, judged by somebody.
        n_verdicts: Verdicts that count.
        n_unsure: Of them, unsure.
        n_disputed: Pairs on which two people differ and no third has decided.
        n_labels: Labels that the last sample was drawn from.
        estimate: Their precision with its two-sided 95 % interval over all looks; from 0 to 1 where nothing is judged.
    """

    n_drawn: int
    n_judged: int
    n_verdicts: int
    n_unsure: int
    n_disputed: int
    n_labels: int
    estimate: "Estimate"


def read_drawn(con: duckdb.DuckDBPyConnection) -> dict[str, Drawn]:
    """The classes of which pairs were drawn that still count, by class_key.

    A pair counts as long as its image has the bytes that it was drawn with and still bears the label.

    Args:
        con: Connection with the tables of curate.stages.audits.
    """
    asked = read_asked(con)
    ids: dict[tuple[str, str], str] = {}
    for sample_id, image_id, class_key in con.sql(
        "SELECT sample_id, image_id, class_key FROM audit_samples ORDER BY sample_id"
    ).fetchall():
        ids.setdefault((image_id, class_key), sample_id)
    found = {}
    for labels in read_labels(con, classes=asked, need_scores=False, with_bytes=True) if asked else ():
        looks = class_looks(labels, asked.get(labels.class_key))
        if looks:
            places = np.flatnonzero(np.logical_or.reduce([look.drawn for look in looks]))
            rows = dict(zip(labels.image_ids.take(places).to_pylist(), places.tolist(), strict=True))
            pairs = sorted((ids[image_id, labels.class_key], image_id) for image_id in rows)
            samples = {image_id: sample_id for sample_id, image_id in pairs}
            found[labels.class_key] = Drawn(labels, looks, rows, samples)
    return found


def read_standing(tables: Tables, drawn: Mapping[str, Drawn], more: Iterable[Row] = ()) -> Standing:
    """The verdicts that count on pairs that were drawn.

    Args:
        tables: With audits and audit_samples.
        drawn: See `read_drawn`.
        more: Rows that are not in audits yet.
    """
    names = ["sample_id", "image_id", "class_key"]
    samples = {s: (i, c) for s, i, c in zip(*tables.arrow("audit_samples", names).to_pydict().values(), strict=True)}
    sums = {image_id: each.labels.sha256[row].as_py() for each in drawn.values() for image_id, row in each.rows.items()}
    return standing_verdicts([*more, *tables.arrow("audits").to_pylist()], samples, sums)


def class_progress(drawn: Drawn, standing: Standing) -> Progress:
    """How far the audit of a class is.

    Args:
        drawn: Its pairs.
        standing: The verdicts that count.
    """
    from curate.noise.agreement import is_correct, is_disputed
    from curate.noise.looks import judged_anew, judged_estimate
    from curate.noise.precision import Estimate

    key, n = drawn.labels.class_key, len(drawn.labels.image_ids)
    verdicts = {image_id: said(standing.get((image_id, key), {})) for image_id in drawn.samples}
    judged, correct = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    for image_id, row in drawn.rows.items():
        judged[row], correct[row] = bool(verdicts[image_id]), bool(is_correct(verdicts[image_id]))
    looks = judged_anew(drawn.looks, judged, correct)
    inside = looks[-1].stratum >= 0
    everything = [verdict for each in verdicts.values() for verdict in each]
    return Progress(
        n_drawn=len(verdicts),
        n_judged=sum(map(bool, verdicts.values())),
        n_verdicts=len(everything),
        n_unsure=everything.count("unsure"),
        n_disputed=sum(map(is_disputed, verdicts.values())),
        n_labels=int(inside.sum()),
        estimate=judged_estimate(looks, inside, 0.025, 0.025) if everything else Estimate(0.5, 0.0, 1.0),
    )


def overall_agreement(drawn: Mapping[str, Drawn], standing: Standing) -> "Agreement":
    """How far the first two people who judged a pair agree, over all classes.

    Args:
        drawn: Pairs by class.
        standing: The verdicts that count.
    """
    from curate.noise.agreement import agreement

    pairs = ((image_id, key) for key in sorted(drawn) for image_id in drawn[key].samples)
    return agreement(said(standing.get(pair, {}))[:2] for pair in pairs)


def judged_scores(
    drawn: Mapping[str, Drawn],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Scores of judged labels, their verdicts, and for how many labels each stands in its stratum: (A,) each.

    Args:
        drawn: From `read_drawn`.
    """
    parts = []
    for each in drawn.values():
        begun = [look for look in each.looks if look.judged.any()]
        if not begun:
            continue
        look = begun[-1]
        size = np.bincount(look.stratum + 1)
        judged = np.bincount(look.stratum[look.judged] + 1, minlength=len(size))
        place = look.stratum[look.judged] + 1
        parts.append((each.labels.p_correct[look.judged], look.correct[look.judged], size[place] / judged[place]))
    if not parts:
        return np.zeros(0), np.zeros(0, np.bool_), np.zeros(0)
    p, correct, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    scored = ~np.isnan(p)
    return p[scored], correct[scored], weight[scored]
