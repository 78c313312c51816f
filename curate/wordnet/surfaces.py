"""From a label as written to the form that it stands for: the rules, surest first. Many labels at once.

Dimensions: N surfaces, F forms.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.wordnet import segment, typos
from curate.wordnet.arrays import Ints
from curate.wordnet.forms import ABSTRACT, ADJECTIVE, FUNCTION_WORD, NON_VISUAL, NOUN, PROPER_NAME, WNID, Forms
from curate.wordnet.meanings import Meanings
from curate.wordnet.normalize import shortened

MAX_LENGTH = 100
"""Longest surface, in characters, that is looked at; WordNet's longest noun has 71."""

RULES = ("exact", "elongated", "number_removed", "frame_removed", "typo", "segmented")
"""How a surface leads to a form; a plural is told by the form."""

EXACT, ELONGATED, NUMBER_REMOVED, FRAME_REMOVED, TYPO, SEGMENTED = range(len(RULES))

REFUSALS = (
    "not_in_wordnet", "empty", "too_long", "number",
    "function_word", "non_visual", "abstract", "proper_name", "adjective",
)  # fmt: skip
"""Why a surface leads nowhere."""

NOT_IN_WORDNET, EMPTY, TOO_LONG, NUMBER = range(4)

COST_PER_LETTER = 3.2
"""A cut that costs more is chance: most strings of letters can be cut into rare short words."""

UNKNOWN_WORD = 23.0
"""Cost of a noun without a known frequency, as -log of a probability of 1e-10."""

_REFUSAL_OF_KIND = {
    kind: REFUSALS.index(name)
    for kind, name in (
        (FUNCTION_WORD, "function_word"), (NON_VISUAL, "non_visual"), (ABSTRACT, "abstract"),
        (PROPER_NAME, "proper_name"), (ADJECTIVE, "adjective"),
    )
}  # fmt: skip
_SHORT = frozenset(
    [
        "a",
        "i",
        "my",
        "of",
        "in",
        "on",
        "at",
        "to",
        "is",
        "it",
        "we",
        "me",
        "us",
        "no",
        "go",
        "so",
        "by",
        "be",
        "the",
        "ox",
    ]
)
_LONG_RUN = "|".join(f"{c}{c}{c}+" for c in "abcdefghijklmnopqrstuvwxyz0123456789")


@dataclass(frozen=True)
class Cutter:
    """Words that a label may be a chain of.

    Attributes:
        words: The words by hash.
        costs: Minus the logarithm of the probability of each.
        forms: Form of each, -1 where it is none.
        is_nominal: Whether it is a noun or an adjective, which may stand before a noun.
        is_filler: Whether it names nothing wherever it stands.
        is_before: Whether it names nothing at the beginning of a hashtag (my, insta, ilove).
        is_after: Whether it names nothing at the end of one (gram, ofinstagram, lover).
        framed: Words at the beginning and at the end that only together name nothing (crazy … lady).
    """

    words: segment.WordSet
    costs: NDArray[np.float64]
    forms: Ints
    is_nominal: NDArray[np.bool_]
    is_filler: NDArray[np.bool_]
    is_before: NDArray[np.bool_]
    is_after: NDArray[np.bool_]
    framed: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Reader:
    """What surfaces are read with.

    Attributes:
        forms: Written forms.
        number: Text → form.
        meanings: What they mean in the label space.
        cutter: For labels that run words together.
        common: Words of the language that are no nouns, or no common ones: never taken for a typing error.
        slips: Nouns that are looked for behind typing errors.
        slip_forms: Form of each of these.
    """

    forms: Forms
    number: Mapping[str, int]
    meanings: Meanings
    cutter: Cutter
    common: Set[str]
    slips: typos.TypoIndex
    slip_forms: Ints


class Resolved(NamedTuple):
    """Where surfaces lead.

    Attributes:
        forms: Form of each, -1 where it leads nowhere; int64 of shape (N,).
        rules: Number in RULES, or in REFUSALS where it leads nowhere; int64 of shape (N,).
    """

    forms: Ints
    rules: Ints


def resolve(surfaces: pa.StringArray, reader: Reader) -> Resolved:
    """Find the form of every surface.

    Args:
        surfaces: Squashed labels, as `normalize.squash` makes them.
        reader: What to read with.
    """
    forms = np.full(len(surfaces), -1, np.int64)
    rules = np.full(len(surfaces), NOT_IN_WORDNET, np.int64)
    length = pc.utf8_length(surfaces).to_numpy(zero_copy_only=False)
    is_open = np.ones(len(surfaces), bool)

    def settle(rows: Ints, found: Ints, rule: int, *, skip_function_words: bool = True) -> None:
        hit = found >= 0
        if skip_function_words:
            hit &= reader.meanings.kinds[np.maximum(found, 0)] != FUNCTION_WORD
        rows, found = rows[hit], found[hit]
        kinds = reader.meanings.kinds[found]
        refusal = np.array([_REFUSAL_OF_KIND.get(kind, -1) for kind in range(int(kinds.max(initial=0)) + 1)])[kinds]
        forms[rows] = np.where(refusal < 0, found, -1)
        rules[rows] = np.where(refusal < 0, rule, refusal)
        is_open[rows] = False

    def refuse(which: NDArray[np.bool_], rule: int) -> None:
        rules[which & is_open] = rule
        is_open[which] = False

    refuse(length == 0, EMPTY)
    refuse(length > MAX_LENGTH, TOO_LONG)
    refuse(pc.match_substring_regex(surfaces, "^[0-9]+$").to_numpy(zero_copy_only=False), NUMBER)
    settle(np.arange(len(surfaces)), _known(surfaces, reader), EXACT, skip_function_words=False)
    refuse(pc.match_substring_regex(surfaces, "[^a-z0-9]").to_numpy(zero_copy_only=False), NOT_IN_WORDNET)
    settle(*_elongated(surfaces, np.flatnonzero(is_open), reader), ELONGATED)
    rows = np.flatnonzero(is_open)
    bare = pc.replace_substring_regex(surfaces.take(pa.array(rows)), "^[0-9]+|[0-9]+$", "")
    settle(
        rows,
        np.where(pc.utf8_length(bare).to_numpy(zero_copy_only=False) > 2, _known(bare, reader), -1),
        NUMBER_REMOVED,
    )
    still = is_open[rows]
    rows, bare = rows[still], bare.filter(pa.array(still))
    settle(*_elongated(bare, np.arange(len(rows)), reader, rows), NUMBER_REMOVED)
    still = is_open[rows]
    rows, bare = rows[still], bare.filter(pa.array(still))
    framed, headed, cost = cut_labels(bare, reader.cutter)
    settle(rows, framed, FRAME_REMOVED)
    unknown = np.fromiter((text not in reader.common for text in bare.to_pylist()), bool, len(bare))
    wanted = np.flatnonzero(is_open[rows] & unknown & (pc.utf8_length(bare).to_numpy(zero_copy_only=False) > 3))
    slip, score = typos.correct(bare.take(pa.array(wanted)), reader.slips)
    settle(rows[wanted], np.where((slip >= 0) & (score > -cost[wanted]), reader.slip_forms[slip], -1), TYPO)
    settle(rows, np.where(is_open[rows], headed, -1), SEGMENTED)
    return Resolved(forms, rules)


def _known(texts: pa.StringArray, reader: Reader) -> Ints:
    number = reader.number.get
    return np.fromiter((number(text, -1) for text in texts.to_pylist()), np.int64, len(texts))


def _elongated(texts: pa.StringArray, which: Ints, reader: Reader, rows: Ints | None = None) -> tuple[Ints, Ints]:
    """Rows of texts with drawn-out letters, and the form that they have with the letters drawn in."""
    long = pc.match_substring_regex(texts.take(pa.array(which)), _LONG_RUN).to_numpy(zero_copy_only=False)
    drawn = which[long]
    shapes = [(list(shortened(text)) * 2)[:2] or ["", ""] for text in texts.take(pa.array(drawn)).to_pylist()]
    found = np.full(len(drawn), -1, np.int64)
    for i in (1, 0):  # two letters are surer than one
        known = _known(pa.array([shape[i] for shape in shapes], pa.string()), reader)
        found = np.where(known >= 0, known, found)
    return drawn if rows is None else rows[drawn], found


def cut_labels(texts: pa.StringArray, cutter: Cutter) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """The noun of labels that run words together.

    Args:
        texts: Labels of a-z and 0-9.
        cutter: Words that they may be made of.

    Returns:
        Form of the one word that is left when words that name nothing are taken off both ends, -1 where none or
        several are left; a non-visual word where nothing else is there. And where several are left, all nouns or
        adjectives, the form of the last one, which in English is what they name (red apple, apple tree), else -1. int64
        of shape (N,) each.
        And the cost of the cut, infinite where there is none, float64 of shape (N,).
    """
    chain, cost = segment.cut(texts, cutter.words, cutter.costs)
    length = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    n_words = np.where(cost <= COST_PER_LETTER * length, (chain >= 0).sum(1), 0)
    word, place, rows = np.maximum(chain, 0), np.arange(chain.shape[1]), np.arange(len(chain))
    left = _naming(word, n_words, cutter)
    first, end = np.where(left.any(1), left.argmax(1), 0), (left * (place + 1)).max(1, initial=0)
    head = cutter.forms[word[rows, np.maximum(end - 1, 0)]]
    silent = cutter.forms[word[rows, np.maximum(n_words - 1, 0)]]
    before_head = (place >= first[:, None]) & (place < end[:, None])
    is_nominal = ~(before_head & ~cutter.is_nominal[word]).any(1)
    alone = np.where(end - first == 1, head, np.where((end == 0) & (n_words > 0), silent, -1))
    several = np.where((end - first > 1) & is_nominal, head, -1)
    return alone, several, np.where(n_words > 0, cost, np.inf)


def _naming(word: NDArray[np.int32], n_words: Ints, cutter: Cutter) -> NDArray[np.bool_]:
    """Words of each cut that are left when those that name nothing are taken off both ends."""
    place, rows, last = np.arange(word.shape[1]), np.arange(len(word)), np.maximum(n_words - 1, 0)
    inside = place < n_words[:, None]
    ends = np.zeros_like(inside)
    for before, after in cutter.framed:
        hit = (n_words > 2) & (word[:, 0] == before) & (word[rows, last] == after)
        ends[hit, 0] = ends[hit, last[hit]] = True
    nothing = (cutter.is_filler[word] | ends) & inside
    from_left = np.logical_and.accumulate(nothing | cutter.is_before[word] | ~inside, axis=1)
    right = nothing | cutter.is_after[word] | ~inside
    from_right = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    left: NDArray[np.bool_] = inside & ~from_left & ~from_right
    # 'babylove': every word may be a frame of another; the last that names something is meant.
    bare = ~left.any(1)
    left[bare] = (inside & ~nothing)[bare]
    latest = (left * (place + 1)).max(1, initial=0) - 1
    left[bare] &= (place == latest[:, None])[bare]
    return left


def build_reader(
    forms: Forms,
    meanings: Meanings,
    phrases: Mapping[str, str],
    logprobs: Mapping[str, float],
    frames: Sequence[tuple[str, str]],
) -> Reader:
    """Everything that `resolve` needs.

    Args:
        forms: Written forms.
        meanings: What they mean.
        phrases: Terms of several words, joined by spaces → the same squashed.
        logprobs: Squashed words of the language with the natural logarithm of their probability.
        frames: What people wrap around a noun in a hashtag, as (before, after).
    """
    texts = forms.texts.to_pylist()
    kinds = meanings.kinds.tolist()
    asked = meanings.asked_for.tolist()
    logs_of = {**collocations(phrases, logprobs), **logprobs}
    for text, base in zip(texts, forms.bases.tolist(), strict=True):
        if base >= 0 and text not in logs_of and texts[base] in logs_of:
            logs_of[text] = logs_of[texts[base]] - PLURAL
    costs = {text: -_log(text, logs_of) for text, kind in zip(texts, kinds, strict=True) if kind != WNID}
    number = {text: f for f, text in enumerate(texts)}
    nouns = [
        t for t, k in zip(texts, kinds, strict=True) if len(t) >= typos.SHORTEST and (k != FUNCTION_WORD and k != WNID)
    ]
    terms = set(phrases.values())
    nouns = [t for t in nouns if asked[number[t]] or _log(t, logs_of) > COMMON_ENOUGH[t in terms]]
    logs = np.array([max(_log(t, logs_of), -20.0) + (5.0 if asked[number[t]] else 0.0) for t in nouns])
    return Reader(
        forms,
        number,
        meanings,
        _cutter(number, kinds, costs, logprobs, frames),
        logprobs.keys(),
        typos.build_index(nouns, logs),
        np.array([number[t] for t in nouns], np.int64),
    )


COLLOCATION = 0.75
"""Factor on the summed log-probabilities of the words of a WordNet term."""

PLURAL = 1.0
"""Minus the logarithm of how often a word stands in the plural, where that is not known."""

COMMON_ENOUGH = -14.5, -18.0
"""Log-probability from which a word, and a term of several, is looked for behind a typing error where no label space
asks for it."""


def collocations(phrases: Mapping[str, str], logprobs: Mapping[str, float]) -> dict[str, float]:
    """Log-probability of squashed terms of several words: their words meet more often than by chance."""
    return {
        squashed: COLLOCATION * sum(logprobs.get(word, -UNKNOWN_WORD) for word in phrase.split())
        for phrase, squashed in phrases.items()
    }


def _log(text: str, logprobs: Mapping[str, float]) -> float:
    return logprobs.get(text, -UNKNOWN_WORD)


def _cutter(
    number: Mapping[str, int],
    kinds: Sequence[int],
    costs: dict[str, float],
    logprobs: Mapping[str, float],
    frames: Sequence[tuple[str, str]],
) -> Cutter:
    before = {b for b, a in frames if not a}
    after = {a for b, a in frames if not b}
    pairs = [(b, a) for b, a in frames if a and b]
    parts = before | after | {part for pair in pairs for part in pair}
    digits = list("0123456789")
    costs = (
        {word: -log for word, log in logprobs.items()}
        | costs
        | {part: min(costs.get(part, 15.0), 12.0) for part in parts}
        | dict.fromkeys(digits, 4.0)
    )
    words = [word for word in costs if len(word) > 2 or word in _SHORT or word in parts or word in digits]
    index = {word: i for i, word in enumerate(words)}
    forms = np.array([number.get(word, -1) for word in words], np.int64)
    kind = np.array([kinds[f] if f >= 0 else -1 for f in forms.tolist()])
    return Cutter(
        words=segment.word_set(words),
        costs=np.array([max(costs[word], 0.1) for word in words]),
        forms=forms,
        is_nominal=np.isin(kind, (NOUN, ADJECTIVE, ABSTRACT, PROPER_NAME)),
        is_filler=np.isin(kind, (FUNCTION_WORD, NON_VISUAL)) | np.isin(words, [*digits, *_SHORT - {"ox"}]),
        is_before=np.isin(words, sorted(before)),
        is_after=np.isin(words, sorted(after)),
        framed=[(index[b], index[a]) for b, a in pairs],
    )
