"""From the raw labels of one post to mentions: each occurrence with the class that it means, or why it has none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from curate.wordnet.context import posterior, sure_nodes
from curate.wordnet.normalize import has_other_script, squash
from curate.wordnet.surfaces import RULE_CONFIDENCE, Reading, Vocabulary, is_wnid, read_surface
from curate.wordnet.texts import find_terms

FIELD_CONFIDENCE = {
    "wnid": 1.0, "class": 0.98, "hashtag": 0.95, "query": 0.95, "title": 0.75, "caption": 0.7, "mid": 0.0,
}  # fmt: skip
"""How surely a label of a field is about the picture. Proposals, not measurements; estimate-noise measures."""

TEXTS = ("title", "caption")


class Occurrence(NamedTuple):
    """A label, or a term in a text, before context is looked at.

    Attributes:
        start: Where it begins in the raw label, in characters; 0 where the label is taken whole.
        reading: What it can mean.
        trust: Factor on the confidence, in [0, 1], from the kind of field.
        is_absent: Whether the text says that it is spoken of and not shown.
    """

    start: int
    reading: Reading
    trust: float
    is_absent: bool = False


class Decision(NamedTuple):
    """The columns of `mentions` that follow from an occurrence and its post; runner-up = class, confidence, prior."""

    class_key: str
    rule: str
    confidence: float
    runners_up: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Mapper:
    """What posts are mapped with.

    Attributes:
        vocabulary: Words, senses, label space.
        cues: Word sequences that take back the noun after them.
        min_confidence: Below it the mapper abstains, in [0, 1].
        read: `read_surface` with the vocabulary, cached; made here.
    """

    vocabulary: Vocabulary
    cues: frozenset[tuple[str, ...]]
    min_confidence: float = 0.5
    read: Callable[[str], Reading] = field(init=False)

    def __post_init__(self) -> None:
        cached = lru_cache(maxsize=1 << 18)(lambda surface: read_surface(surface, self.vocabulary))
        object.__setattr__(self, "read", cached)


def find_occurrences(name: str, raw_label: str, language: str | None, mapper: Mapper) -> list[Occurrence]:
    """Occurrences in one raw label, at least one.

    Args:
        name: Field of raw_labels.
        raw_label: The label as ingested.
        language: Its language tag, if the source says so.
        mapper: What to map with.
    """
    trust = FIELD_CONFIDENCE[name]
    surface = _surface(name, raw_label)
    if name == "wnid" and not is_wnid(surface):
        return [Occurrence(0, Reading(surface, (), "unknown_wnid" if surface else "empty"), trust)]
    if not surface:
        rule = "other_script" if has_other_script(raw_label) else "empty"
        return [Occurrence(0, Reading("", (), rule), trust)]
    if language and not language.lower().startswith("en") and name not in ("wnid", "mid"):
        return [Occurrence(0, Reading("" if name in TEXTS else surface, (), "other_language"), trust)]
    if name not in TEXTS:
        whole = mapper.read(surface)
        is_sure = bool(whole.candidates) and whole.candidates[0].rule.partition("+")[0] in ("wnid", "exact", "plural")
        if is_sure or name == "mid" or not _has_words(raw_label):
            return [Occurrence(0, whole, trust)]
    found = [
        Occurrence(term.start, term.reading, FIELD_CONFIDENCE["hashtag"] if term.is_hashtag else trust, term.is_absent)
        for term in find_terms(raw_label, mapper.vocabulary, mapper.cues, mapper.read)
    ]
    if found:
        return found
    return [Occurrence(0, Reading("", (), "no_term_found") if name in TEXTS else whole, trust)]


def _surface(name: str, raw_label: str) -> str:
    if name == "mid":
        return raw_label.strip()
    if name in ("wnid", "class"):
        head = raw_label.strip().split(maxsplit=1)[0] if raw_label.strip() else ""
        if is_wnid(head):
            return head
    return squash(raw_label)


def _has_words(raw_label: str) -> bool:
    return any(separator in raw_label.strip() for separator in " _-,.+/")


def decide_post(occurrences: Sequence[Occurrence], mapper: Mapper) -> list[Decision]:
    """Decisions for all occurrences of one post, in their order; the order has no influence on them."""
    shown = {o.reading.surface: o.reading for o in occurrences if not o.is_absent}
    sure = sure_nodes(shown.values()) if mapper.vocabulary.senses == "context" and len(shown) > 1 else {}
    decisions = []
    for occurrence in occurrences:
        surface = occurrence.reading.surface
        is_open = len(occurrence.reading.candidates) > 1
        evidence = sorted({node for other, node in sure.items() if other != surface}) if is_open else []
        decisions.append(decide(occurrence, evidence, mapper))
    return decisions


def decide(occurrence: Occurrence, evidence: Sequence[int], mapper: Mapper) -> Decision:
    """The class that an occurrence means, given the synsets of the other labels of its post."""
    reading = occurrence.reading
    if not reading.candidates:
        return Decision("", reading.refused, 0.0, ())
    shares = posterior(reading.candidates, evidence, mapper.vocabulary.nouns)
    ranked = sorted(
        (-round(share * occurrence.trust * RULE_CONFIDENCE[c.rule.partition("+")[0]], 6), c.class_key, c)
        for share, c in zip(shares, reading.candidates, strict=True)
    )
    others = tuple((key, -score, c.prior) for score, key, c in ranked)
    best, confidence = ranked[0][2], -ranked[0][0]
    refused = _refusal(occurrence, best.in_space, confidence, mapper)
    if refused:
        return Decision("", refused, 0.0, others)
    rule = best.rule if len(ranked) == 1 else "context" if evidence else "sense_prior"
    return Decision(best.class_key, rule, confidence, others[1:])


def _refusal(occurrence: Occurrence, best_in_space: bool, confidence: float, mapper: Mapper) -> str:
    """Named rule that keeps the best candidate from being the label; '' if none does."""
    candidates = occurrence.reading.candidates
    if not any(c.in_space for c in candidates):
        return "outside_label_space"
    if occurrence.is_absent:
        return "not_shown"
    if len(candidates) > 1 and mapper.vocabulary.senses == "abstain":
        return "ambiguous"
    if confidence < mapper.min_confidence:
        return "ambiguous" if len(candidates) > 1 else "below_min_confidence"
    return "" if best_in_space else "outside_label_space"


def label_map_rows(surface: str, mapper: Mapper) -> list[tuple[str, str, str, float]]:
    """Rows of `label_map` for one surface: what it can mean before any context is looked at."""
    reading = mapper.read(surface)
    rows = [(surface, c.class_key, c.rule, c.prior) for c in reading.candidates]
    return rows or [(surface, "", reading.refused, 0.0)]
