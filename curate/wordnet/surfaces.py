"""What a surface form can mean: the rules from a squashed label to candidate classes. A pure function of the form."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from curate.wordnet.normalize import shortened, singulars
from curate.wordnet.senses import Nouns, group_key

SenseMode = Literal["context", "group", "abstain"]

ASKED_FOR = 3.0
"""Weight of a sense that is a class of the user's label space: the corpus was gathered for those classes."""

RIVAL = 0.25
"""Weight of the senses of a singular where the form is a word of its own (glass against glasses)."""

MAX_LENGTH = 100
"""Longest surface, in characters, that is looked at; WordNet's longest noun has 71."""

RULE_CONFIDENCE = {
    "wnid": 1.0, "exact": 1.0, "plural": 0.98, "elongated": 0.9, "number_removed": 0.9, "frame_removed": 0.85,
}  # fmt: skip
"""How surely a form is the word that a rule makes of it. Proposals, not measurements."""

_WNID = re.compile(r"n[0-9]{8}")
_NUMBER = re.compile(r"^[0-9]+|[0-9]+$")


class Candidate(NamedTuple):
    """A possible meaning of a surface.

    Attributes:
        class_key: A synset, or a set of them that stays together.
        nodes: Numbers of the synsets that the form can name and that fall under the class.
        prior: Share among the candidates before context.
        rule: How the form leads to it: one of RULE_CONFIDENCE, and '+rolled_up' where the class stands above the
            synset named, '+outside' where it is none of the label space.
        in_space: Whether it may become a label.
    """

    class_key: str
    nodes: tuple[int, ...]
    prior: float
    rule: str
    in_space: bool


class Reading(NamedTuple):
    """All that a surface can mean, best first; `refused` names the rule where it is nothing."""

    surface: str
    candidates: tuple[Candidate, ...]
    refused: str


@dataclass(frozen=True)
class Vocabulary:
    """What surfaces are read with.

    Attributes:
        nouns: WordNet.
        plurals: Irregular plurals, squashed.
        function_words: Words that label nothing.
        non_visual: Words that no picture shows.
        frames: What people wrap around a noun in a hashtag, as (before, after), longest first.
        classes: Label space: number of a synset → number of the class nearest above it. None = every synset.
        senses: What happens to words of several senses.
    """

    nouns: Nouns
    plurals: Mapping[str, Sequence[str]]
    function_words: frozenset[str]
    non_visual: frozenset[str]
    frames: Sequence[tuple[str, str]]
    classes: Mapping[int, int] | None = None
    senses: SenseMode = "context"


def is_wnid(text: str) -> bool:
    """Whether a text has the form of a noun's wnid; there need not be one."""
    return _WNID.fullmatch(text) is not None


def parse_frames(patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Patterns such as 'my*life' as (before, after), those with most letters first."""
    frames = {(before, after) for before, _, after in (pattern.partition("*") for pattern in patterns)}
    return sorted(frames, key=lambda frame: (-len(frame[0] + frame[1]), frame))


def read_surface(surface: str, vocabulary: Vocabulary) -> Reading:
    """All that a surface form can mean.

    Args:
        surface: Squashed label; a mid ('/m/…') as it is.
        vocabulary: What to read it with.
    """
    nouns = vocabulary.nouns
    if is_wnid(surface):
        node = nouns.index.get(surface)
        return (
            _refuse(surface, "unknown_wnid") if node is None else _reading(surface, {node: (1.0, "wnid")}, vocabulary)
        )
    for rule, refused in (
        ("unsupported_mid", surface.startswith("/")),
        ("too_long", len(surface) > MAX_LENGTH),
        ("function_word", _is_function_word(surface, vocabulary)),
        ("number", surface.isdigit()),
    ):
        if refused:
            return _refuse(surface, rule)
    for rule, words in _forms(surface, vocabulary):
        found = _senses(rule, words, vocabulary)
        if not found:
            continue
        if not vocabulary.non_visual.isdisjoint((surface, *words)) and not _asked_for(found, vocabulary):
            return _refuse(surface, "non_visual")
        return _reading(surface, found, vocabulary)
    return _refuse(surface, "non_visual" if surface in vocabulary.non_visual else "not_in_wordnet")


def _is_function_word(word: str, vocabulary: Vocabulary) -> bool:
    return word in vocabulary.function_words and word not in vocabulary.non_visual


def _refuse(surface: str, rule: str) -> Reading:
    return Reading(surface, (), rule)


def _forms(surface: str, vocabulary: Vocabulary) -> list[tuple[str, tuple[str, ...]]]:
    """Rules and the words that each makes of a surface, surest first. Later ones are only made if asked for."""
    known = vocabulary.nouns.senses
    forms = [("exact", (surface,)), ("plural", _bases(surface, vocabulary))]
    if surface in known or forms[1][1] or surface in vocabulary.non_visual:
        return forms
    forms += [("elongated", _words(word, vocabulary)) for word in shortened(surface)]
    bare = _NUMBER.sub("", surface)
    if bare != surface and len(bare) > 2:
        forms += [("number_removed", _words(word, vocabulary)) for word in (bare, *shortened(bare))]
    forms += [("frame_removed", _words(core, vocabulary)) for core in _cores(bare, vocabulary)]
    return forms


def _bases(word: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            base for base in singulars(word, vocabulary.plurals) if base in vocabulary.nouns.senses and base != word
        )
    )


def _words(word: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The noun that a form is, or those that it is the plural of."""
    if _is_function_word(word, vocabulary):
        return ()
    return (word,) if word in vocabulary.nouns.senses or word in vocabulary.non_visual else _bases(word, vocabulary)


def _cores(surface: str, vocabulary: Vocabulary) -> list[str]:
    """What is left of a hashtag when one frame is taken off, then a second one; at least three letters."""
    once = list(_unframed(surface, vocabulary))
    return once + [core for outer in once for core in _unframed(outer, vocabulary)]


def _unframed(surface: str, vocabulary: Vocabulary) -> list[str]:
    return [
        surface[len(before) : len(surface) - len(after)]
        for before, after in vocabulary.frames
        if len(surface) >= len(before) + len(after) + 3 and surface.startswith(before) and surface.endswith(after)
    ]


def _senses(rule: str, words: Sequence[str], vocabulary: Vocabulary) -> dict[int, tuple[float, str]]:
    """Senses of the words, each with its weight and rule.

    A form in -s that is a word of its own may also be the plural of another (glasses, brains): both compete, except
    in group mode, where a word is the set of its own senses.
    """
    found: dict[int, tuple[float, str]] = {}
    if vocabulary.senses == "group":
        words = words[:1]
    forms = [(rule, word) for word in words]
    if rule == "exact" and vocabulary.senses != "group" and words[0] in vocabulary.nouns.senses:
        forms += [("plural", base) for base in _bases(words[0], vocabulary)]
    for how, word in forms:
        for node, weight in zip(
            vocabulary.nouns.senses.get(word, ()), vocabulary.nouns.weights.get(word, ()), strict=True
        ):
            before, first = found.get(node, (0.0, how))
            found[node] = (before + weight * (RIVAL if how != rule else 1.0), first)
    return found


def _asked_for(found: Mapping[int, object], vocabulary: Vocabulary) -> bool:
    return vocabulary.classes is not None and any(node in vocabulary.classes for node in found)


def _reading(surface: str, found: Mapping[int, tuple[float, str]], vocabulary: Vocabulary) -> Reading:
    """Candidates of a surface from the weights and rules of its senses."""
    nouns, classes = vocabulary.nouns, vocabulary.classes
    named: dict[int, list[int]] = {}
    for node in sorted(found):
        named.setdefault(node if classes is None else classes.get(node, node), []).append(node)
    inside = {c for c in named if classes is None or classes.get(c) == c}
    if vocabulary.senses == "group" and inside:
        if len(inside) > 1:
            # All senses, those outside a label space too: the key then follows from the word alone.
            key = group_key(nouns.wnids[node] for node in found)
            return Reading(surface, (Candidate(key, tuple(found), 1.0, found[min(found)][1], True),), "")
        named = {c: named[c] for c in inside}
    weights = {c: sum(_weight(node, found, vocabulary) for node in nodes) for c, nodes in named.items()}
    total = sum(weights.values())
    candidates = [
        Candidate(
            nouns.wnids[c], tuple(nodes), round(weights[c] / total, 6), _rule(c, nodes, found, c in inside), c in inside
        )
        for c, nodes in named.items()
    ]
    return Reading(surface, tuple(sorted(candidates, key=lambda c: (-c.prior, c.class_key))), "")


def _weight(node: int, found: Mapping[int, tuple[float, str]], vocabulary: Vocabulary) -> float:
    """A class of the label space counts as visible, whatever its lexicographer file, and as asked for."""
    weight = found[node][0]
    if vocabulary.classes is None or vocabulary.classes.get(node) != node:
        return weight
    return ASKED_FOR * weight / float(vocabulary.nouns.seen[node])


def _rule(c: int, nodes: Sequence[int], found: Mapping[int, tuple[float, str]], inside: bool) -> str:
    rule = found[max(nodes, key=lambda node: found[node][0])][1]
    return rule + ("" if inside and c in nodes else "+rolled_up" if inside else "+outside")
