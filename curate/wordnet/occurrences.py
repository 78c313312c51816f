"""Which surfaces stand in a raw label: read once per distinct label, remembered, and looked up for whole columns.

Memory grows with distinct labels, not with posts; running text is read afresh every time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints, expand
from curate.wordnet.forms import NOUN, WNID
from curate.wordnet.normalize import has_other_script, squash_all
from curate.wordnet.surfaces import EMPTY, EXACT, REFUSALS, RULES, Reader, resolve
from curate.wordnet.texts import Hashtag, Patterns, find_terms

TEXTS = ("title", "caption")
"""Fields that are running text; all others name things."""

READ_RULES = (*RULES, *REFUSALS, "unknown_wnid", "unsupported_mid", "other_script", "other_language", "no_term_found")
"""How a surface leads to its form, or why it leads nowhere."""

_FIRST_REFUSAL = len(RULES)
_UNKNOWN_WNID, _MID, _OTHER_SCRIPT, _OTHER_LANGUAGE, _NO_TERM = range(len(READ_RULES) - 5, len(READ_RULES))
_SEPARATORS = r"\S[ _\-,.+/]+\S"
_WNID = "^n[0-9]{8}$"


class Occurrences(NamedTuple):
    """Surfaces in rows of raw labels, in row order.

    Attributes:
        rows: Row of each, int64 of shape (O,).
        starts: Where it begins in the raw label, in characters; int64 of shape (O,).
        surfaces: Number in `Surfaces`, int64 of shape (O,).
        absent: Whether the text says that it is not shown, bool of shape (O,).
    """

    rows: Ints
    starts: Ints
    surfaces: Ints
    absent: NDArray[np.bool_]

    def take(self, places: Ints) -> "Occurrences":
        """Some of them, in the order given."""
        return Occurrences(self.rows[places], self.starts[places], self.surfaces[places], self.absent[places])


def join(parts: Sequence[Occurrences]) -> Occurrences:
    """Occurrences of several readings in row order, those of a row in the order of their places."""
    none = np.zeros(0, np.int64)
    columns = zip(*(Occurrences(none, none, none, none > 0), *parts), strict=True)
    rows, starts, surfaces, absent = (np.concatenate(column) for column in columns)
    found = Occurrences(rows, starts, surfaces, absent)
    return found.take(np.lexsort((starts, rows)))


class Growing:
    """An int64 array that is appended to."""

    def __init__(self) -> None:
        self._buffer, self._n = np.zeros(1024, np.int64), 0

    def __len__(self) -> int:
        return self._n

    @property
    def values(self) -> Ints:
        """What was appended so far."""
        return self._buffer[: self._n]

    def append(self, values: Ints) -> None:
        """Add values at the end."""
        while self._n + len(values) > len(self._buffer):
            self._buffer = np.concatenate([self._buffer, np.zeros_like(self._buffer)])
        self._buffer[self._n : self._n + len(values)] = values
        self._n += len(values)


@dataclass
class Surfaces:
    """Surfaces that were met.

    Attributes:
        texts: Squashed text of each.
        forms: Form of each, -1 where it leads nowhere.
        rules: Number in READ_RULES.
    """

    texts: list[str] = field(default_factory=list)
    forms: Growing = field(default_factory=Growing)
    rules: Growing = field(default_factory=Growing)

    def add(self, texts: list[str], forms: Ints, rules: Ints) -> Ints:
        """Enter surfaces, and return their numbers; one that was entered before gets another."""
        numbers = np.arange(len(self.texts), len(self.texts) + len(texts))
        self.texts += texts
        self.forms.append(forms)
        self.rules.append(rules)
        return numbers


class LabelReader:
    """Reads columns of raw labels; remembers the labels that it met.

    Args:
        reader: Reads surfaces.
        make_patterns: Makes what terms are found by; called when the first text is met.
        is_verb: Whether a form mostly is a verb: in a text it must follow a determiner. bool of shape (F,).
    """

    def __init__(self, reader: Reader, make_patterns: Callable[[], Patterns], is_verb: NDArray[np.bool_]) -> None:
        self.reader, self._make_patterns, self.surfaces = reader, make_patterns, Surfaces()
        self._is_verb = is_verb & ~reader.meanings.asked_for
        self._numbers: dict[tuple[str, bool], dict[str, int]] = {}
        self._firsts, self._counts = Growing(), Growing()
        self._starts, self._members, self._absent = Growing(), Growing(), Growing()
        self._surface_of_form = np.full(len(reader.forms.texts), -1, np.int64)
        self._texts = reader.forms.texts
        self._nothing = self.surfaces.add([""] * 2, np.full(2, -1), np.array([_FIRST_REFUSAL + EMPTY, _NO_TERM]))

    @cached_property
    def patterns(self) -> Patterns:
        """What terms in texts are found by."""
        return self._make_patterns()

    def read(self, labels: pa.Array, name: str, *, foreign: bool = False) -> Occurrences:
        """Occurrences in raw labels of one field, at least one in each.

        Args:
            labels: Raw labels, string.
            name: Field of raw_labels.
            foreign: Whether their language is known not to be English.
        """
        if name in TEXTS and not foreign:
            return self._read_texts(labels.to_pylist())
        encoded = labels.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        numbers = self._numbers.setdefault((name, foreign), {})
        fresh = [label for label in distinct if label not in numbers]
        if fresh:
            found = self._read_names(pa.array(fresh, pa.string()), name, foreign)
            first = len(self._firsts)  # reading may have met hashtags, and remembered them
            self._remember(found, len(fresh))
            numbers.update(zip(fresh, range(first, first + len(fresh)), strict=True))
        number_D = np.fromiter((numbers[label] for label in distinct), np.int64, len(distinct))
        number = number_D[encoded.indices.to_numpy()] if len(distinct) else np.zeros(0, np.int64)
        rows, places = expand(self._firsts.values[number], self._counts.values[number])
        return Occurrences(
            rows, self._starts.values[places], self._members.values[places], self._absent.values[places] > 0
        )

    def read_surfaces(self, texts: pa.Array) -> Ints:
        """Number of each surface, as a hashtag of that text has it."""
        return self.surfaces.add(texts.to_pylist(), *self._resolve(texts))

    def _resolve(self, texts: pa.Array) -> tuple[Ints, Ints]:
        """Form of each surface, and its number in READ_RULES."""
        forms, rules = resolve(texts, self.reader)
        return forms, np.where(forms < 0, _FIRST_REFUSAL, 0) + rules

    def _remember(self, found: Occurrences, n_labels: int) -> None:
        counts = np.bincount(found.rows, minlength=n_labels)
        self._firsts.append(len(self._starts) + np.cumsum(counts) - counts)
        self._counts.append(counts)
        self._starts.append(found.starts)
        self._members.append(found.surfaces)
        self._absent.append(found.absent.astype(np.int64))

    def _read_texts(self, texts: list[str]) -> Occurrences:
        terms, hashtags = find_terms(texts, self.patterns)
        is_noun = self.reader.meanings.kinds[terms.forms] == NOUN
        is_noun &= terms.is_nominal | ~self._is_verb[terms.forms]
        tags = self._read_hashtags(hashtags)
        without = np.setdiff1d(np.arange(len(texts)), np.concatenate([terms.rows[is_noun], tags.rows]))
        blank = np.array([not texts[i].strip() for i in without.tolist()], bool)
        here = terms.take(is_noun)
        return join(
            [
                Occurrences(here.rows, here.starts, self._of_forms(here.forms), here.is_absent),
                tags,
                Occurrences(
                    without, np.zeros_like(without), self._nothing[np.where(blank, 0, 1)], np.zeros(len(without), bool)
                ),
            ]
        )

    def _read_hashtags(self, hashtags: list[Hashtag]) -> Occurrences:
        """Hashtags in texts, at their places there."""
        found = self.read(pa.array([tag.tag for tag in hashtags], pa.string()), "hashtag")
        rows = np.array([tag.row for tag in hashtags], np.int64)[found.rows]
        starts = np.array([tag.start for tag in hashtags], np.int64)[found.rows]
        return found._replace(rows=rows, starts=starts + found.starts)

    def _of_forms(self, forms: Ints) -> Ints:
        """Surfaces that are forms as they stand in a text."""
        fresh = np.unique(forms[self._surface_of_form[forms] < 0])
        if fresh.size:
            texts = self._texts.take(pa.array(fresh)).to_pylist()
            self._surface_of_form[fresh] = self.surfaces.add(texts, fresh, np.full(len(fresh), EXACT))
        return self._surface_of_form[forms]

    def _read_names(self, labels: pa.Array, name: str, foreign: bool) -> Occurrences:
        """Occurrences in distinct labels of a field that names things."""
        rows = np.arange(len(labels))
        surfaces = pc.utf8_trim_whitespace(labels) if name == "mid" else self._heads(labels, name)
        forms, rules = np.full(len(labels), -1, np.int64), np.full(len(labels), _MID, np.int64)
        is_empty = pc.equal(surfaces, "").to_numpy(zero_copy_only=False)
        if foreign and name not in ("wnid", "mid"):
            rules[:] = _OTHER_LANGUAGE
        elif name != "mid":
            forms, rules = self._resolve(surfaces)
        if name == "wnid":
            is_wnid = (forms >= 0) & (self.reader.forms.kinds[forms] == WNID)
            forms, rules = np.where(is_wnid, forms, -1), np.where(is_wnid, rules, _UNKNOWN_WNID)
        rules[is_empty] = [
            _OTHER_SCRIPT if has_other_script(label) else _FIRST_REFUSAL + EMPTY
            for label in labels.filter(pa.array(is_empty)).to_pylist()
        ]
        # A wnid that WordNet does not have is no misspelt word.
        odd = pc.match_substring_regex(surfaces, _WNID).to_numpy(zero_copy_only=False) & (rules != EXACT)
        rules[odd & (rules != _OTHER_LANGUAGE)] = _UNKNOWN_WNID
        forms[odd] = -1
        if name in TEXTS:
            surfaces = pc.if_else(pa.array(rules == _OTHER_LANGUAGE), "", surfaces)
        whole = Occurrences(
            rows, np.zeros(len(rows), np.int64), self.surfaces.add(surfaces.to_pylist(), forms, rules),
            np.zeros(len(rows), bool),
        )  # fmt: skip
        if foreign or name in ("wnid", "mid"):
            return whole
        several = pc.match_substring_regex(labels, _SEPARATORS).to_numpy(zero_copy_only=False) & (rules != EXACT) & ~odd
        return self._with_terms(whole, labels, several & ~is_empty)

    def _heads(self, labels: pa.Array, name: str) -> pa.Array:
        """Squashed labels; of a class 'n02084071 dog' the wnid."""
        squashed = squash_all(labels)
        if name in ("wnid", "class"):
            head = pc.struct_field(pc.extract_regex(labels, r"^\s*(?P<head>n[0-9]{8})(?:\s|$)"), "head")
            squashed = pc.coalesce(head, squashed)
        return squashed

    def _with_terms(self, whole: Occurrences, labels: pa.Array, several: NDArray[np.bool_]) -> Occurrences:
        """Labels of several words that are no term as a whole are read as texts; those without a term stay whole."""
        which = np.flatnonzero(several)
        terms, hashtags = find_terms(labels.take(pa.array(which)).to_pylist(), self.patterns)
        is_noun = self.reader.meanings.kinds[terms.forms] == NOUN
        here, tags = terms.take(is_noun), self._read_hashtags(hashtags)
        found = join(
            [
                Occurrences(which[here.rows], here.starts, self._of_forms(here.forms), here.is_absent),
                tags._replace(rows=which[tags.rows]),
            ]
        )
        return join([whole.take(np.flatnonzero(~np.isin(whole.rows, found.rows))), found])
