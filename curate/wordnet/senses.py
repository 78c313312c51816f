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

SEEN = dict.fromkeys(("Tops", "animal", "artifact", "body", "food", "object", "person", "plant"), 1.0) | dict.fromkeys(
    ("attribute", "communication", "event", "group", "location", "phenomenon", "possession", "shape", "substance"), 0.5
)
"""How much more readily than an abstraction a synset of a lexicographer file is what a photograph shows, relative."""

NOT_SEEN = 0.2
"""The same for all other files: acts, cognition, feelings, states, times."""

SMOOTHING = 1.0
"""Added to tag counts: most senses never occur in WordNet's tagged texts, and may yet be meant."""

NAMESAKE = {True: 0.1, False: 0.5}
"""Weight of a proper name that is also a common noun: of a person (Hart Crane), of anything else (the Red River)."""


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
        weights: Squashed word → relative frequency of each of these senses as a picture's label, > 0.
        seen: How readily a photograph shows each synset, in (0, 1].
        phrases: Terms of several words, the words joined by a space.
        longest: First word of such a term → most words of one that begins with it.
        children: More specific end of each hypernym link.
        parents: More general end of each hypernym link.
        ancestors: Each synset's ancestors and itself.
        information: Intrinsic information content of each synset in [0, 1]; 0 = entity, 1 = a leaf
            (Seco, Veale & Hayes, ECAI 2004).
    """

    wnids: Sequence[str]
    index: Mapping[str, int]
    senses: Mapping[str, tuple[int, ...]]
    weights: Mapping[str, tuple[float, ...]]
    seen: NDArray[np.float64]
    phrases: frozenset[str]
    longest: Mapping[str, int]
    children: Ints
    parents: Ints
    ancestors: Sequence[frozenset[int]]
    information: NDArray[np.float64]


def read_nouns(synsets: pa.Table, lemmas: pa.Table, hypernyms: pa.Table) -> Nouns:
    """Build the lookups from the three WordNet tables (rows in any order)."""
    synsets = synsets.select(["wnid", "lexname"]).sort_by("wnid").combine_chunks()
    wnids, lexnames = synsets["wnid"].to_pylist(), synsets["lexname"].to_pylist()
    seen = np.array([SEEN.get(name.removeprefix("noun."), NOT_SEEN) for name in lexnames])
    children, parents = parent_links(synsets["wnid"], hypernyms["wnid"], hypernyms["hypernym_wnid"])
    namesake = np.ones(len(wnids))
    for node in children[hypernyms["is_instance"].to_numpy()].tolist():
        namesake[node] = NAMESAKE[lexnames[node] == "noun.person"]
    nodes, ancestors, _ = closure(children, parents, len(wnids))
    n_below = np.bincount(ancestors, minlength=len(wnids))
    cuts, above = np.searchsorted(nodes, np.arange(len(wnids) + 1)).tolist(), ancestors.tolist()
    senses, weights = _weigh_senses(lemmas, synsets["wnid"], seen, namesake)
    phrases, longest = _phrases(lemmas["lemma"])
    return Nouns(
        wnids=wnids,
        index={wnid: i for i, wnid in enumerate(wnids)},
        senses=senses,
        weights=weights,
        seen=seen,
        phrases=phrases,
        longest=longest,
        children=children,
        parents=parents,
        ancestors=[frozenset(above[a:b]) for a, b in pairwise(cuts)],
        information=1.0 - np.log(n_below) / np.log(max(len(wnids), 2)),
    )


def _weigh_senses(
    lemmas: pa.Table, wnids: pa.ChunkedArray, seen: NDArray[np.float64], namesake: NDArray[np.float64]
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[float, ...]]]:
    """Senses of each word, ascending, and (tag count + SMOOTHING) x visibility of each; see `Nouns`."""
    encoded = lemmas["squashed"].combine_chunks().dictionary_encode()
    words, of_word = encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
    nodes = pc.index_in(lemmas["wnid"], value_set=wnids).to_numpy().astype(np.int64)
    # Two lemmas of a synset may squash to one word: one sense, and their counts add up.
    pairs, which = np.unique(of_word * len(wnids) + nodes, return_inverse=True)
    counts = np.bincount(which, weights=lemmas["tag_count"].to_numpy(), minlength=len(pairs))
    of_word, nodes = pairs // len(wnids), pairs % len(wnids)
    n_common = np.bincount(of_word, weights=namesake[nodes] == 1.0, minlength=len(words))
    by_name = np.where(n_common[of_word] > 0, namesake[nodes], 1.0)
    weights = ((counts + SMOOTHING) * seen[nodes] * by_name).tolist()
    cuts, flat = np.searchsorted(of_word, np.arange(len(words) + 1)).tolist(), nodes.tolist()
    return (
        {word: tuple(flat[a:b]) for word, (a, b) in zip(words, pairwise(cuts), strict=True)},
        {word: tuple(weights[a:b]) for word, (a, b) in zip(words, pairwise(cuts), strict=True)},
    )


def _phrases(lemmas: pa.ChunkedArray) -> tuple[frozenset[str], dict[str, int]]:
    """Terms of several words, cut as `tokens` cuts a text (apostrophes join, all other signs part)."""
    joined = pc.replace_substring(pc.utf8_lower(lemmas), "'", "")
    spaced = pc.utf8_trim(pc.replace_substring_regex(joined, "[^a-z0-9]+", " "), " ")
    phrases = frozenset(spaced.filter(pc.match_substring(spaced, " ")).to_pylist())
    longest: dict[str, int] = {}
    for phrase in phrases:
        first = phrase.partition(" ")[0]
        longest[first] = max(phrase.count(" ") + 1, longest.get(first, 0))
    return phrases, longest


def relatedness(a: int, b: int, nouns: Nouns) -> float:
    """Information content of what two synsets have in common, in [0, 1]; higher = closer (Resnik, IJCAI 1995)."""
    shared = nouns.ancestors[a] & nouns.ancestors[b]
    return max((float(nouns.information[node]) for node in shared), default=0.0)
