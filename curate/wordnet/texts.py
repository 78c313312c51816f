"""Terms in running text: the longest WordNet nouns on word boundaries, and whether the text takes them back.

Many texts at once: they are laid end to end in one normal form, searched by one Aho-Corasick automaton, and the hits
are judged as arrays.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import ahocorasick_rs
import numpy as np
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints
from curate.wordnet.forms import NON_VISUAL, NOUN, Forms
from curate.wordnet.normalize import plain

REACH = 3
"""How many words after a cue a term may stand."""

NOUN_REACH = 3
"""How many words after a determiner the noun may stand (a big brown bear)."""

DETERMINERS = (
    "a", "an", "the", "this", "that", "these", "those", "my", "our", "your", "his", "her", "its", "their", "some",
    "any", "each", "another", "two", "three", "four", "five",
)  # fmt: skip
"""Words that a noun follows; some are cues too."""

_HASHTAG = re.compile(r"[#＃](\w+)")
_ADDRESS = re.compile(r"https?://\S+|www\.\S+")
_USER = re.compile(r"\S+@\S+|@\w+")
_DROPPED, _IN_WORD, _BETWEEN, _CLAUSE_END = range(4)
_LETTER = np.isin(np.arange(256), [ord(c) for c in "abcdefghijklmnopqrstuvwxyz"])
_CLASS = np.full(256, _BETWEEN, np.uint8)
_CLASS[_LETTER | np.isin(np.arange(256), [ord(c) for c in "0123456789"])] = _IN_WORD
_CLASS[[ord(c) for c in ".,;:!?()|\n"]] = _CLAUSE_END
_DROPPED_BYTE = 2
_AFTER_A_COMMAND = tuple(f" {word} ".encode() for word in ("this", "that", "me", "him", "her", "it", "us", "them"))
_SHORT = frozenset({"ox", "tv", "pc", "cd"})


@dataclass(frozen=True)
class Patterns:
    """What texts are searched for.

    Attributes:
        automaton: Searches for the padded patterns.
        forms: Form of each pattern, -1 for a cue and a determiner; int64.
        cue_reach: How many words after a cue a term may stand, 0 for all else; int64.
        noun_reach: How many words after a determiner a noun may stand, 0 for all else; int64.
    """

    automaton: ahocorasick_rs.AhoCorasick
    forms: Ints
    cue_reach: Ints
    noun_reach: Ints


class Terms(NamedTuple):
    """Nouns found in texts, in the order of the texts.

    Attributes:
        rows: Text of each, int64.
        starts: Where each begins in its text, in characters, int64.
        forms: Form of each, see `Forms`, int64.
        is_absent: Whether the words around it say that it is spoken of and not shown.
        is_nominal: Whether a determiner before it says that it is a noun.
    """

    rows: Ints
    starts: Ints
    forms: Ints
    is_absent: NDArray[np.bool_]
    is_nominal: NDArray[np.bool_]

    def take(self, which: NDArray[np.bool_]) -> "Terms":
        """Those that are marked."""
        return Terms(*(column[which] for column in self))  # type: ignore[arg-type]


class Hashtag(NamedTuple):
    """A hashtag in a text: the text's number, where it begins after its sign, and the tag."""

    row: int
    start: int
    tag: str


def build_patterns(forms: Forms, phrases: Mapping[str, str], cues: Iterable[str]) -> Patterns:
    """The automaton over all forms and cues.

    Args:
        forms: Written forms; function words and single letters are left out.
        phrases: Terms of several words, joined by spaces → the same squashed.
        cues: Word sequences joined by '_' that take back a noun after them; one that ends in '^' only the next word.
    """
    texts = forms.texts.to_pylist()
    spaced = _spaced(forms, texts, phrases)
    single = [
        (text, f)
        for f, text in enumerate(texts)
        if forms.kinds[f] in (NOUN, NON_VISUAL) and not text.isdigit() and (len(text) > 2 or text in _SHORT)
    ]
    marks = {cue.rstrip("^").replace("_", " "): (1 if cue.endswith("^") else REACH, 0) for cue in cues}
    for word in DETERMINERS:
        marks[word] = (marks.get(word, (0, 0))[0], NOUN_REACH)
    entries = [(text, f, (0, 0)) for text, f in single + spaced if text not in marks]
    entries += [(text, -1, reach) for text, reach in marks.items()]
    automaton = ahocorasick_rs.AhoCorasick(
        [" " + text.replace(" ", "  ") + " " for text, _, _ in entries],
        matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
        store_patterns=False,
    )
    reach = np.array([reach for _, _, reach in entries])
    return Patterns(automaton, np.array([f for _, f, _ in entries]), reach[:, 0], reach[:, 1])


def _spaced(forms: Forms, texts: Sequence[str], phrases: Mapping[str, str]) -> list[tuple[str, int]]:
    """Terms of several words and their plurals as they stand in a text, each with its form."""
    number = {text: f for f, text in enumerate(texts)}
    of_base: dict[int, list[int]] = {}
    for f, base in enumerate(forms.bases.tolist()):
        if base >= 0:
            of_base.setdefault(base, []).append(f)
    found: dict[str, int] = {}
    for phrase, squashed in sorted(phrases.items()):
        head, _, _ = phrase.rpartition(" ")
        stem = head.replace(" ", "")
        for f in of_base.get(number.get(squashed, -1), ()):
            if texts[f].startswith(stem):
                found.setdefault(f"{head} {texts[f][len(stem) :]}", f)
    return list(found.items())


def find_terms(texts: Sequence[str], patterns: Patterns) -> tuple[Terms, list[Hashtag]]:
    """Terms of many texts from left to right, none inside another; hashtags apart.

    Addresses and user names are left out.

    Args:
        texts: Captions, titles or queries.
        patterns: What to search for.
    """
    hashtags: list[Hashtag] = []
    flat = [_flatten(text, row, hashtags) for row, text in enumerate(texts)]
    spread = _spread(flat or [""])
    matches = patterns.automaton.find_matches_as_indexes(spread.data.tobytes().decode("ascii"))
    if not matches:
        none = np.zeros(0, np.int64)
        return Terms(none, none, none, none > 0, none > 0), hashtags
    pattern, start, end = np.array(matches, np.int64).T
    form = patterns.forms[pattern]
    terms = np.flatnonzero(form >= 0)
    first = start[terms] + 1
    absent = _follows(patterns.cue_reach[pattern], start, end, terms, spread)
    absent |= _commanded(start[terms], end[terms], spread)
    nominal = _follows(patterns.noun_reach[pattern], start, end, terms, spread)
    rows, places = spread.places(first)
    return Terms(rows, places, form[terms], absent, nominal), hashtags


class _Spread(NamedTuple):
    """Texts end to end: words parted by two spaces, clauses by ' . '.

    Attributes:
        data: The characters, all ASCII.
        sources: For each, the byte of the joined texts that it comes from.
        words: For each, how many words have begun.
        clauses: For each, how many clauses have ended.
        begins: Byte at which each text begins.
        moved: Texts in which a character became several: place in the text of each of their bytes.
    """

    data: NDArray[np.uint8]
    sources: NDArray[np.int32]
    words: NDArray[np.int32]
    clauses: NDArray[np.int32]
    begins: Ints
    moved: Mapping[int, Ints]

    def places(self, positions: Ints) -> tuple[Ints, Ints]:
        """Text of each position, and its place there in characters."""
        byte = self.sources[positions].astype(np.int64)
        rows = np.searchsorted(self.begins, byte, side="right") - 1
        places = byte - self.begins[rows]
        for i in np.flatnonzero(np.isin(rows, list(self.moved))).tolist() if self.moved else ():
            places[i] = self.moved[int(rows[i])][places[i]]
        return rows, places


class _Table(dict[int, str]):
    r"""Characters as ASCII: '\x02' for what is dropped, a space for other scripts; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        flat = plain(chr(code)).lower()
        known = {"’": "'", "‘": "'", "–": "-", "—": "-", "。": ".", "、": ",", "！": "!", "？": "?", "…": "."}
        value = "\x02" if not flat else "".join(known.get(c, c if c.isascii() else " ") for c in flat)
        self[code] = value
        return value


_TABLE = _Table()


def _flatten(text: str, row: int, hashtags: list[Hashtag]) -> str:
    """A text with hashtags, addresses and user names blanked; the hashtags are put aside."""
    if "http" in text or "www." in text:
        text = _ADDRESS.sub(_blank, text)
    if "#" in text or "＃" in text:
        hashtags.extend(Hashtag(row, m.start(1), m.group(1)) for m in _HASHTAG.finditer(text))
        text = _HASHTAG.sub(_blank, text)
    if "@" in text:
        text = _USER.sub(_blank, text)
    return text


def _blank(match: re.Match[str]) -> str:
    # A hashtag ends a clause: '#cat #fish' is no catfish.
    return "." + " " * (len(match.group()) - 1)


def _spread(flat: Sequence[str]) -> _Spread:
    texts = [text if text.isascii() else text.translate(_TABLE) for text in flat]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    begins = 1 + np.cumsum(lengths) - lengths
    moved = {
        row: np.array([i for i, c in enumerate(old) for _ in (c if c.isascii() else _TABLE[ord(c)])], np.int64)
        for row, (new, old) in enumerate(zip(texts, flat, strict=True))
        if len(new) != len(old)
    }
    data = np.frombuffer(("\n" + "\n".join(texts) + "\n").lower().encode(), np.uint8)
    sources = np.flatnonzero(data != _DROPPED_BYTE).astype(np.int32)
    data = data[sources]
    marked = _CLASS[data]
    quote = np.flatnonzero(data == ord("'"))
    inside = quote[(_CLASS[data[quote - 1]] == _IN_WORD) & _LETTER[data[quote + 1]]]
    dash = np.flatnonzero(data == ord("-"))
    ends = dash[(data[dash - 1] == ord(" ")) & (data[dash + 1] == ord(" "))]
    marked[inside], marked[ends] = _DROPPED, _CLAUSE_END
    kept = marked != _DROPPED
    data, sources, marked = data[kept], sources[kept], marked[kept]
    is_word = marked == _IN_WORD
    first = ~is_word
    first[1:] &= is_word[:-1]
    gaps = np.flatnonzero(first)
    ends_clause = np.maximum.reduceat(marked, gaps) == _CLAUSE_END
    width = is_word.astype(np.int8)
    width[gaps] = np.where(ends_clause, 3, 2)
    spread = np.repeat(np.where(is_word, data, np.uint8(ord(" "))), width)
    at = np.flatnonzero(np.diff(spread == ord(" "), prepend=False) & (spread == ord(" ")))
    stops = at[ends_clause] + 1
    spread[stops] = ord(".")
    words = np.zeros(len(spread), np.int32)
    words[(at + width[gaps])[:-1]] = 1
    clauses = np.zeros(len(spread), np.int32)
    clauses[stops] = 1
    return _Spread(
        spread,
        np.repeat(sources, width),
        np.cumsum(words, dtype=np.int32),
        np.cumsum(clauses, dtype=np.int32),
        begins,
        moved,
    )


def _follows(reach: Ints, start: Ints, end: Ints, terms: Ints, spread: _Spread) -> NDArray[np.bool_]:
    """Terms that a mark stands before, in the same clause and within its reach (0 for what is no mark)."""
    last = np.maximum.accumulate(np.where(reach > 0, np.arange(len(start)), -1))[terms]
    mark = np.maximum(last, 0)
    first, before = start[terms] + 1, end[mark] - 2
    gap = spread.words[first] - spread.words[before] - 1
    found: NDArray[np.bool_] = (last >= 0) & (gap < reach[mark]) & (spread.clauses[first] == spread.clauses[before])
    return found


def _commanded(start: Ints, end: Ints, spread: _Spread) -> NDArray[np.bool_]:
    """Words that begin a clause and are followed by 'this', 'it' and the like: verbs ('watch this!')."""
    found = np.zeros(len(start), bool)
    for i in np.flatnonzero(spread.data[np.maximum(start - 1, 0)] == ord(".")).tolist():
        found[i] = spread.data[end[i] : end[i] + 6].tobytes().startswith(_AFTER_A_COMMAND)
    return found


__all__ = ["Hashtag", "Patterns", "Terms", "build_patterns", "find_terms"]
