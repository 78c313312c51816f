"""Nouns and their senses: which synsets a word can name, how likely each is in a picture's label, and the merge rule.

Words are squashed lemmas (lower-case a-z and 0-9), synsets are numbered by their place among the sorted wnids.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.wordnet.hierarchy import Ints, closure, parent_links
from curate.wordnet.lexicon import word_list
from curate.wordnet.prior import SynsetFacts, sense_odds, sense_shares, synset_facts, word_senses

PARTLY_SEEN = 0.5
"""Visibility of what is neither a thing nor an abstraction: shapes, events, groups of things."""

SEEN = dict.fromkeys(("Tops", "animal", "artifact", "body", "food", "object", "person", "plant"), 1.0) | dict.fromkeys(
    ("communication", "event", "group", "location", "phenomenon", "possession", "shape", "substance"), PARTLY_SEEN
)
"""How much more readily than an abstraction a synset of a lexicographer file is what a photograph shows, relative."""

NOT_SEEN = 0.2
"""The same for all other files: acts, attributes, cognition, feelings, states, times."""


def group_key(wnids: Iterable[str]) -> str:
    """class_key of a set of synsets: the wnid of a single one, else 'g:' and 16 hex digits of a hash of the set."""
    members = sorted(set(wnids))
    if len(members) == 1:
        return members[0]
    return "g:" + sha256("".join(members).encode()).hexdigest()[:16]


def merge_groups(senses: Mapping[str, Iterable[str]]) -> dict[frozenset[str], list[str]]:
    """The partition of words by their meanings: two words are one class iff they have equal sets of noun synsets.

    Words that only share a synset stay apart (Mahajan et al., ECCV 2018, as recovered from their printed tag list).

    Args:
        senses: Squashed word → wnids of all its noun synsets.

    Returns:
        Set of wnids → its words, sorted.
    """
    groups: dict[frozenset[str], list[str]] = {}
    for word in sorted(senses):
        groups.setdefault(frozenset(senses[word]), []).append(word)
    return groups


def sense_groups(lemmas: pa.Table) -> dict[str, tuple[list[str], str]]:
    """Every 'g:' class that the senses of a word can make.

    Args:
        lemmas: The table `lemmas` (columns wnid, lemma, squashed).

    Returns:
        class_key → its sorted wnids, and as its name the alphabetically first of its words as WordNet writes it.
    """
    senses: dict[str, set[str]] = {}
    written: dict[str, str] = {}
    columns = (lemmas["squashed"].to_pylist(), lemmas["wnid"].to_pylist(), lemmas["lemma"].to_pylist())
    for word, wnid, lemma in zip(*columns, strict=True):
        senses.setdefault(word, set()).add(wnid)
        written[word] = max(written.get(word, ""), lemma)  # lower case sorts last
    groups = merge_groups({word: wnids for word, wnids in senses.items() if len(wnids) > 1})
    return {group_key(wnids): (sorted(wnids), written[words[0]]) for wnids, words in groups.items()}


@dataclass(frozen=True)
class Nouns:
    """The noun synsets as arrays and the words that name them.

    Attributes:
        wnids: wnid of each synset, ascending.
        index: wnid → number of the synset.
        senses: Squashed word → numbers of its synsets, ascending.
        weights: Squashed word → P(sense | the word labels a picture) of each of these, in (0, 1], summing to 1.
        strengths: Squashed word → how readily it labels pictures in any of its senses, > 0, relative to other words.
        seen: How readily a photograph shows each synset, in (0, 1]; 1 where people collected pictures of it.
        is_name: Whether it is a person, place or the like with a name of its own; buildings and mountains can be seen.
        phrases: Terms of several words, the words joined by a space.
        children: More specific end of each hypernym link.
        parents: More general end of each hypernym link.
        information: Intrinsic information content of each synset in [0, 1]; 0 = entity, 1 = a leaf
            (Seco, Veale & Hayes, ECAI 2004).
    """

    wnids: Sequence[str]
    index: Mapping[str, int]
    senses: Mapping[str, tuple[int, ...]]
    weights: Mapping[str, tuple[float, ...]]
    strengths: Mapping[str, float]
    seen: NDArray[np.float64]
    is_name: NDArray[np.bool_]
    phrases: frozenset[str]
    children: Ints
    parents: Ints
    information: NDArray[np.float64]


def read_nouns(synsets: pa.Table, lemmas: pa.Table, hypernyms: pa.Table) -> Nouns:
    """Build the lookups from the three WordNet tables (rows in any order)."""
    synsets = synsets.select(["wnid", "name", "lexname"]).sort_by("wnid").combine_chunks()
    wnids = synsets["wnid"].to_pylist()
    children, parents = parent_links(synsets["wnid"], hypernyms["wnid"], hypernyms["hypernym_wnid"])
    nodes, ancestors, _ = closure(children, parents, len(wnids))
    n_below = np.bincount(ancestors, minlength=len(wnids))
    facts = synset_facts(synsets, hypernyms)
    words, senses = word_senses(lemmas, synsets)
    starts = np.searchsorted(senses.words, np.arange(len(words) + 1)).tolist()
    odds = sense_odds(senses, facts)
    strengths = np.bincount(senses.words, weights=odds, minlength=len(words))
    by_word, shares = senses.nodes.tolist(), sense_shares(senses, odds).tolist()
    return Nouns(
        wnids=wnids,
        index={wnid: i for i, wnid in enumerate(wnids)},
        senses={word: tuple(by_word[a:b]) for word, (a, b) in zip(words, pairwise(starts), strict=True)},
        weights={word: tuple(shares[a:b]) for word, (a, b) in zip(words, pairwise(starts), strict=True)},
        strengths=dict(zip(words, strengths.tolist(), strict=True)),
        seen=_visibility(facts, wnids, nodes, ancestors),
        is_name=facts.is_name & ~np.isin(facts.lexnames, ("artifact", "object")),
        phrases=_phrases(lemmas["lemma"]),
        children=children,
        parents=parents,
        information=1.0 - np.log(n_below) / np.log(max(len(wnids), 2)),
    )


def _visibility(facts: SynsetFacts, wnids: Sequence[str], nodes: Ints, ancestors: Ints) -> NDArray[np.float64]:
    """Visibility by lexicographer file, 1 where pictures were collected; a colour is no thing, nor is kinship."""
    marks = {word[1:]: word[0] for word in word_list("visibility") if word[0] in "+-"}
    by_file = np.array([SEEN.get(name, NOT_SEEN) for name in facts.lexnames.tolist()])
    seen = np.where((facts.collected > 0) & (facts.lexnames != "attribute"), 1.0, by_file)
    for sign, value in (("-", NOT_SEEN), ("+", PARTLY_SEEN)):
        is_marked = np.isin(wnids, [wnid for wnid, mark in marks.items() if mark == sign])
        below = np.unique(nodes[is_marked[ancestors]])
        seen[below] = value if sign == "-" else np.maximum(seen[below], value)
    return seen


def _phrases(lemmas: pa.ChunkedArray) -> frozenset[str]:
    """Terms of several words, cut as a text is (apostrophes join, all other signs part)."""
    joined = pc.replace_substring(pc.utf8_lower(lemmas), "'", "")
    spaced = pc.utf8_trim(pc.replace_substring_regex(joined, "[^a-z0-9]+", " "), " ")
    return frozenset(spaced.filter(pc.match_substring(spaced, " ")).to_pylist())
