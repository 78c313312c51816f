"""Terms in running text: the longest WordNet nouns on word boundaries, and whether the text takes them back."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from curate.wordnet.normalize import Token, singulars, tokens
from curate.wordnet.surfaces import Reading, Vocabulary

_FOREIGN = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|@\w+")
_CLAUSE_END = re.compile(r"[.,;:!?()|\n]|\s[-–—]\s")

REACH = 3
"""How many words before a term a cue may stand."""


class Term(NamedTuple):
    """A noun in a text.

    Attributes:
        start: Where it begins, in characters.
        reading: What it can mean.
        is_hashtag: Whether it is written as a hashtag.
        is_absent: Whether the words before it say that it is spoken of and not shown.
    """

    start: int
    reading: Reading
    is_hashtag: bool
    is_absent: bool


def find_terms(
    text: str, vocabulary: Vocabulary, cues: frozenset[tuple[str, ...]], read: Callable[[str], Reading]
) -> Iterator[Term]:
    """Terms of a text from left to right, none inside another.

    Addresses and user names are left out, and so are words that label nothing and abstractions, which in running
    text are rarely about the picture; hashtags are taken as hashtags.

    Args:
        text: Caption, title or query.
        vocabulary: What to read with.
        cues: Word sequences that take back the noun after them.
        read: `read_surface` with that vocabulary, possibly cached.
    """
    blanked = _FOREIGN.sub(lambda m: " " * len(m.group()), text)
    words = tokens(blanked)
    i = 0
    while i < len(words):
        is_hashtag = words[i].start > 0 and text[words[i].start - 1] in "#＃"
        n = 1 if is_hashtag else _longest(words, i, blanked, vocabulary)
        reading = read("".join(word.word for word in words[i : i + n]))
        if is_hashtag or (reading.candidates and _is_plain(reading) and _is_visible(reading, vocabulary)):
            absent = not is_hashtag and _is_absent(words, i, i + n, blanked, cues)
            yield Term(words[i].start, reading, is_hashtag, absent)
        i += n


def _longest(words: list[Token], i: int, text: str, vocabulary: Vocabulary) -> int:
    """Number of words of the longest term that begins here; 1 if there is no longer one."""
    nouns = vocabulary.nouns
    limit = min(nouns.longest.get(words[i].word, 1), len(words) - i)
    for n in range(limit, 1, -1):
        span = words[i : i + n]
        if _CLAUSE_END.search(text, span[0].start, span[-1].end):
            continue
        head = " ".join(word.word for word in span[:-1])
        last = span[-1].word
        if any(f"{head} {form}" in nouns.phrases for form in (last, *singulars(last, vocabulary.plurals))):
            return n
    return 1


def _is_plain(reading: Reading) -> bool:
    return reading.candidates[0].rule.partition("+")[0] in ("exact", "plural")


def _is_visible(reading: Reading, vocabulary: Vocabulary) -> bool:
    """Whether at least half of what a word means can be seen, or is asked for."""
    if vocabulary.classes is not None and any(c.in_space for c in reading.candidates):
        return True
    seen = vocabulary.nouns.seen
    return sum(c.prior for c in reading.candidates if max(seen[node] for node in c.nodes) >= 0.5) >= 0.5


def _is_absent(words: list[Token], first: int, end: int, text: str, cues: frozenset[tuple[str, ...]]) -> bool:
    for begin in range(first - 1, max(first - 1 - REACH - 2, -1), -1):
        if _CLAUSE_END.search(text, words[begin].end, words[begin + 1].start):
            return False
        for n in (1, 2, 3):
            cue = tuple(word.word for word in words[begin : begin + n])
            if cue in cues and first - (begin + n) <= REACH - 1:
                return True
    return False
