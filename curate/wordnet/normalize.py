"""From labels as people write them to forms that can be looked up. Pure functions on strings."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_NOT_SQUASHED = re.compile(r"[^a-z0-9]+")
_RUN = re.compile(r"(.)\1{2,}")

# Detachment rules for nouns: WordNet 3.0, morphy(7WN).
DETACHMENTS = (
    ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"),
    ("ies", "y"),
)  # fmt: skip


def plain(text: str) -> str:
    """Text with compatibility forms, accents, emoji joiners and other marks taken off; case and length may change."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Me", "Mc", "Cf"))


def squash(text: str) -> str:
    """Lower-case letters a-z and digits of a text, accents taken off and everything else removed. Idempotent."""
    if not text.isascii():
        text = plain(text)
    return _NOT_SQUASHED.sub("", text.lower())


def has_other_script(text: str) -> bool:
    """Whether a text has letters, but none of them Latin."""
    letters = [c for c in plain(text) if c.isalpha()]
    return bool(letters) and not any("a" <= c <= "z" for c in "".join(letters).lower())


def singulars(word: str, exceptions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Forms that a noun may be the plural of, surest first; a form need not be a word.

    Args:
        word: Squashed word or multiword term (its last word is what changes).
        exceptions: Irregular plurals, squashed, each with its base forms. Where there is one, no rule applies.
    """
    if word in exceptions:
        yield from exceptions[word]
        return
    if word.endswith("ful"):  # boxesful → boxful
        yield from (base + "ful" for base in singulars(word[:-3], exceptions))
        return
    if word.endswith("ss") or len(word) <= 2:
        return
    for suffix, ending in DETACHMENTS:
        if word.endswith(suffix) and len(word) > len(suffix):
            yield word[: -len(suffix)] + ending


def shortened(word: str) -> Iterator[str]:
    """Forms of a word with drawn-out letters: runs of three or more as two, then as one; three letters at least."""
    if _RUN.search(word):
        yield from (form for form in (_RUN.sub(r"\1\1", word), _RUN.sub(r"\1", word)) if len(form) > 2)


def squash_all(texts: pa.Array) -> pa.Array:
    """`squash` of every string of an array."""
    is_ascii = pc.string_is_ascii(texts)
    squashed = pc.replace_substring_regex(pc.ascii_lower(texts), "[^a-z0-9]+", "")
    if pc.all(is_ascii).as_py() is not False:
        return squashed
    others = pc.invert(is_ascii)
    return pc.replace_with_mask(squashed, others, pa.array(map(squash, texts.filter(others).to_pylist()), pa.string()))
