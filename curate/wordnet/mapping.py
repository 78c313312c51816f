"""From raw labels to mentions: each occurrence with the class that it means, or why it has none. Whole parts at once.

Dimensions: R rows of raw labels, O occurrences, P words of posts, K cases (a surface and what its post says about it),
X candidates of cases.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints, expand
from curate.wordnet.calibration import calibrated
from curate.wordnet.context import Evidence, post_evidence, posterior
from curate.wordnet.forms import WNID
from curate.wordnet.meanings import Meanings, SenseMode
from curate.wordnet.occurrences import READ_RULES, TEXTS, LabelReader, Occurrences, join

MAX_RUNNERS_UP = 5
"""Runners-up that are kept with a mention; label_map holds all candidates."""

DECISIONS = ("outside_label_space", "not_shown", "ambiguous", "below_min_confidence", "context", "sense_prior")
"""Rules that the candidates and the post decide."""

_NAMED = ("wnid", "plural")
_PLACES = ("", "+rolled_up", "+outside")
RULE_NAMES = (*READ_RULES, *DECISIONS, *(name + place for name in (*READ_RULES, *_NAMED) for place in _PLACES))
"""Names of all rules; those of a candidate say whether its class lies above the synset named, or in no label space."""

_OUTSIDE, _NOT_SHOWN, _AMBIGUOUS, _BELOW, _CONTEXT, _SENSE_PRIOR = range(
    len(READ_RULES), len(READ_RULES) + len(DECISIONS)
)
_OF_CANDIDATE = len(READ_RULES) + len(DECISIONS)


@dataclass(frozen=True)
class Mapper:
    """What posts are mapped with.

    Attributes:
        labels: Reads raw labels, and remembers them.
        mode: What happens to words of several senses.
        min_confidence: Below it the mapper abstains, in [0, 1].
        evidence: What a word says about a synset; used in mode context.
    """

    labels: LabelReader
    mode: SenseMode
    min_confidence: float
    evidence: Evidence

    @property
    def meanings(self) -> Meanings:
        """What forms can mean, as the labels were read."""
        return self.labels.reader.meanings


class Decisions(NamedTuple):
    """One decision per case.

    Attributes:
        classes: Class, -1 where there is none; int64 of shape (K,).
        rules: Number in RULE_NAMES, int64 of shape (K,).
        confidences: Probability that the class is meant, 0 where there is none; float64 of shape (K,).
        runner_starts: Runners-up of case k are runner_starts[k]:runner_starts[k + 1]; int64 of shape (K + 1,).
        runner_classes: Class of each runner-up, best first.
        runner_confidences: Its probability in context.
        runner_priors: Its share without context.
    """

    classes: Ints
    rules: Ints
    confidences: NDArray[np.float64]
    runner_starts: Ints
    runner_classes: Ints
    runner_confidences: NDArray[np.float64]
    runner_priors: NDArray[np.float64]


def map_rows(rows: pa.Table, mapper: Mapper) -> pa.Table:
    """Mentions of raw labels; all labels of an image must be among them.

    Args:
        rows: Rows of raw_labels.
        mapper: What to map with.

    Returns:
        Rows of mentions.
    """
    found = read_rows(rows, mapper.labels)
    image = rows["image_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    names = rows["field"].combine_chunks()
    in_text = pc.is_in(names, value_set=pa.array(TEXTS)).to_numpy(zero_copy_only=False)
    post, form = image[found.rows], mapper.labels.surfaces.forms.values[found.surfaces]
    bases = mapper.labels.reader.forms.bases
    absent = found.absent | _taken_back(post, np.where(form >= 0, bases[form], -1), found.absent, in_text[found.rows])
    n_words, log_odds, word = 0, np.zeros(0), np.full(len(post), -1)
    if mapper.mode == "context":
        shown = ~absent & (form >= 0)
        n_forms = len(mapper.meanings.kinds)
        words, which = np.unique(post[shown] * n_forms + form[shown], return_inverse=True)
        log_odds = post_evidence(words // n_forms, words % n_forms, mapper.meanings, mapper.evidence)
        word[shown], n_words = _words_told(words % n_forms, log_odds, mapper.meanings)[which], len(words)
    n_surfaces = len(mapper.labels.surfaces.texts)
    keys = ((word + 1) * n_surfaces + found.surfaces) * 2 + absent
    cases, which = np.unique(keys, return_inverse=True)
    told = _cases_told(cases // 2 // n_surfaces - 1, words % n_forms, log_odds, mapper.meanings) if n_words else None
    decisions = decide(cases // 2 % n_surfaces, cases % 2 > 0, told, mapper)
    return _mention_rows(rows, found, decisions, which, mapper)


def read_rows(rows: pa.Table, labels: LabelReader) -> Occurrences:
    """Occurrences in all rows, field by field, in row order."""
    parts = []
    name_of = rows["field"].combine_chunks().dictionary_encode()
    foreign = pc.invert(pc.starts_with(pc.utf8_lower(rows["language"].combine_chunks()), "en")).fill_null(False)
    is_foreign = foreign.to_numpy(zero_copy_only=False)
    raw = rows["raw_label"].combine_chunks()
    for number, name in enumerate(name_of.dictionary.to_pylist()):
        of_name = name_of.indices.to_numpy() == number
        for away in (False, True):
            which = np.flatnonzero(of_name & (is_foreign == away))
            if which.size:
                found = labels.read(raw.take(pa.array(which)), name, foreign=away)
                parts.append(found._replace(rows=which[found.rows]))
    return join(parts)


def _taken_back(post: Ints, base: Ints, absent: NDArray[np.bool_], in_text: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Names of a post whose word its text only speaks of ('thinking of the ferry') and never affirms."""
    key = post * (base.max(initial=0) + 1) + base
    known = base >= 0
    spoken = np.setdiff1d(key[known & absent & in_text], key[known & ~absent & in_text])
    return known & ~in_text & np.isin(key, spoken)


def _words_told(forms: Ints, log_odds: NDArray[np.float64], meanings: Meanings) -> Ints:
    """Number of each word of a post of which the post tells something, -1 for all others."""
    counts = np.diff(meanings.starts)[forms]
    word = np.repeat(np.arange(len(forms)), counts)
    told = np.bincount(word, weights=log_odds != 0, minlength=len(forms)) > 0
    return np.where(told, np.arange(len(forms)), -1)


def _cases_told(
    words: Ints, forms: Ints, log_odds: NDArray[np.float64], meanings: Meanings
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which cases have evidence, and the log-odds of their candidates, end to end."""
    counts = np.diff(meanings.starts)[forms]
    first = np.cumsum(counts) - counts
    told = words >= 0
    _, places = expand(first[words[told]], counts[words[told]])
    return told, log_odds[places]


def decide(
    surfaces: Ints,
    absent: NDArray[np.bool_],
    told: tuple[NDArray[np.bool_], NDArray[np.float64]] | None,
    mapper: Mapper,
) -> Decisions:
    """The class that each case means.

    Args:
        surfaces: Surface of each case, int64 of shape (K,).
        absent: Whether a text takes it back, bool of shape (K,).
        told: Cases with evidence, bool of shape (K,), and the log-odds of their candidates; None = no evidence.
        mapper: What to map with.
    """
    meanings, n = mapper.meanings, len(surfaces)
    form = mapper.labels.surfaces.forms.values[surfaces]
    read_rule = mapper.labels.surfaces.rules.values[surfaces]
    counts = np.where(form >= 0, np.diff(meanings.starts)[form], 0)
    case, candidate = expand(np.where(form >= 0, meanings.starts[form], 0), counts)
    log_odds = np.zeros(len(case))
    has_evidence = np.zeros(n, bool) if told is None else told[0]
    if told is not None:
        log_odds[has_evidence[case]] = told[1]
    share = posterior(meanings.priors[candidate], log_odds, case) if len(case) else np.zeros(0)
    confidence = np.round(calibrated(share, read_rule[case], meanings.is_plural[candidate], counts[case]), 6)
    order = np.lexsort((meanings.classes[candidate], -confidence, case))
    case, candidate, confidence = case[order], candidate[order], confidence[order]
    starts = np.cumsum(counts) - counts
    best = np.where(counts > 0, starts, -1)
    of_best = candidate[best] if len(candidate) else np.zeros(n, np.int64)
    top = np.where(counts > 0, confidence[best], 0.0) if len(candidate) else np.zeros(n)
    inside = np.bincount(case, weights=meanings.in_space[candidate], minlength=n) > 0
    several = counts > 1
    rule = np.select(
        [counts == 0, ~inside, absent, several & (mapper.mode == "abstain"), (top < mapper.min_confidence) & several,
         top < mapper.min_confidence, ~meanings.in_space[of_best], several & has_evidence, several],
        [read_rule, _OUTSIDE, _NOT_SHOWN, _AMBIGUOUS, _AMBIGUOUS, _BELOW, _OUTSIDE, _CONTEXT, _SENSE_PRIOR],
        _candidate_rules(of_best, read_rule, form, mapper),
    )  # fmt: skip
    chosen = (counts > 0) & ~np.isin(rule, (_OUTSIDE, _NOT_SHOWN, _AMBIGUOUS, _BELOW))
    first = starts + chosen
    n_runners = np.minimum(counts - chosen, MAX_RUNNERS_UP)
    _, runner = expand(first, n_runners)
    return Decisions(
        classes=np.where(chosen, meanings.classes[of_best], -1),
        rules=rule,
        confidences=np.where(chosen, top, 0.0),
        runner_starts=np.concatenate([[0], np.cumsum(n_runners)]),
        runner_classes=meanings.classes[candidate[runner]],
        runner_confidences=confidence[runner],
        runner_priors=meanings.priors[candidate[runner]],
    )


def _candidate_rules(candidate: Ints, read_rule: Ints, form: Ints, mapper: Mapper) -> Ints:
    """Number in RULE_NAMES of how surfaces lead to a candidate of theirs."""
    meanings = mapper.meanings
    exact = read_rule == 0
    is_wnid = exact & (mapper.labels.reader.forms.kinds[form] == WNID)
    how = np.where(
        is_wnid, len(READ_RULES), np.where(exact & meanings.is_plural[candidate], len(READ_RULES) + 1, read_rule)
    )
    roll = np.where(meanings.is_rolled_up[candidate], 1, np.where(meanings.in_space[candidate], 0, 2))
    numbers: Ints = _OF_CANDIDATE + 3 * how + roll
    return numbers


def _mention_rows(rows: pa.Table, found: Occurrences, decisions: Decisions, which: Ints, mapper: Mapper) -> pa.Table:
    """Rows of mentions; `which` is the case of each occurrence."""
    met, surface = np.unique(found.surfaces, return_inverse=True)
    texts = mapper.labels.surfaces.texts
    keys = pa.array([*mapper.meanings.keys, ""], pa.string())
    starts, counts = decisions.runner_starts[:-1][which], np.diff(decisions.runner_starts)[which]
    _, runner = expand(starts, counts)
    runners_up = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()),
        pa.StructArray.from_arrays(
            [
                keys.take(pa.array(decisions.runner_classes[runner])),
                pa.array(decisions.runner_confidences[runner]),
                pa.array(decisions.runner_priors[runner]),
            ],
            ["class_key", "confidence", "prior"],
        ),
    )
    kept = rows.select(["image_id", "field", "position"]).take(pa.array(found.rows))
    classes = decisions.classes[which]
    columns = {
        "start": pa.array(found.starts.astype(np.int32)),
        "surface": pa.array([texts[i] for i in met.tolist()], pa.string()).take(pa.array(surface)),
        "class_key": keys.take(pa.array(np.where(classes >= 0, classes, len(keys) - 1))),
        "rule": pa.array(RULE_NAMES, pa.string()).take(pa.array(decisions.rules[which])),
        "confidence": pa.array(decisions.confidences[which]),
        "runners_up": runners_up,
    }
    for name, column in columns.items():
        kept = kept.append_column(name, column)
    return kept


def label_map_rows(surfaces: pa.Table, mapper: Mapper) -> pa.Table:
    """What each surface can mean before any context is looked at.

    Args:
        surfaces: Distinct surfaces with a rule that some mention has for each; columns surface, rule.
        mapper: What to map with.

    Returns:
        Rows of label_map.
    """
    texts, refused = surfaces["surface"].combine_chunks(), surfaces["rule"].combine_chunks()
    found = mapper.labels.read_surfaces(texts)
    form = mapper.labels.surfaces.forms.values[found]
    read_rule = mapper.labels.surfaces.rules.values[found]
    counts = np.where(form >= 0, np.diff(mapper.meanings.starts)[form], 0)
    row, candidate = expand(np.where(form >= 0, mapper.meanings.starts[form], 0), counts)
    rule = _candidate_rules(candidate, read_rule[row], form[row], mapper)
    names, keys = pa.array(RULE_NAMES, pa.string()), pa.array(mapper.meanings.keys, pa.string())
    nothing = pa.array(np.flatnonzero(counts == 0))
    return pa.table(
        {
            "surface": pa.concat_arrays([texts.take(pa.array(row)), texts.take(nothing)]),
            "candidate": pa.concat_arrays(
                [keys.take(pa.array(mapper.meanings.classes[candidate])), pa.array([""] * len(nothing), pa.string())]
            ),
            "rule": pa.concat_arrays([names.take(pa.array(rule)), refused.take(nothing)]),
            "prior": pa.concat_arrays([pa.array(mapper.meanings.priors[candidate]), pa.array(np.zeros(len(nothing)))]),
        }
    )
