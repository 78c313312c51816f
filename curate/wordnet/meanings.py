"""What every form can mean in a label space: senses gathered into candidate classes. Arrays, built once.

Dimensions: F forms, S senses of forms, C candidates of forms, N synsets, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints
from curate.wordnet.forms import ABSTRACT, ADJECTIVE, NOUN, PROPER_NAME, WNID, Forms
from curate.wordnet.senses import Nouns, group_key

SenseMode = Literal["context", "group", "abstain"]

ASKED_FOR, AT_LEAST = 100.0, 0.02
"""Factor on the weight of a sense that is a class of the user's label space, and what is added to it before: the corpus
was gathered for those classes, the rarest senses among them."""

CONCRETE, NOT_CONCRETE = 4.0, 2.5
"""Ratings of concreteness from which on a word is visible, and below which it is not."""

VISIBLE = 0.5
"""Share of a form's meaning that must be visible, and visibility from which a synset counts as visible."""


@dataclass(frozen=True)
class Classes:
    """A label space over numbered synsets.

    Attributes:
        class_of: Synset that each synset becomes, -1 where none of the space lies at or above it; int64 of shape (N,).
        beside_others: Whether all other synsets are classes too, each its own.
    """

    class_of: Ints
    beside_others: bool = False


@dataclass(frozen=True)
class Meanings:
    """Candidate classes of each form.

    Attributes:
        keys: class_key of each class, length K.
        kinds: As `Forms.kinds`, and ABSTRACT or PROPER_NAME for nouns that mostly mean that; NOUN for whatever a
            label space that was given asks for. int8 of shape (F,).
        starts: Candidates of form f are starts[f]:starts[f + 1], best first; int64 of shape (F + 1,).
        classes: Class of each candidate, int64 of shape (C,).
        priors: Share of each among the form's candidates before context, in (0, 1]; float64 of shape (C,).
        in_space: Whether a candidate may become a label, bool of shape (C,).
        is_plural: Whether the form names the candidate as a plural only, bool of shape (C,).
        is_rolled_up: Whether the class lies above the synsets that the form names, bool of shape (C,).
        sense_starts: Senses of candidate c are sense_starts[c]:sense_starts[c + 1]; int64 of shape (C + 1,).
        nodes: Synset of each sense, int64 of shape (S,).
        asked_for: Whether a meaning lies in a label space that was given, bool of shape (F,).
    """

    keys: Sequence[str]
    kinds: NDArray[np.int8]
    starts: Ints
    classes: Ints
    priors: NDArray[np.float64]
    in_space: NDArray[np.bool_]
    is_plural: NDArray[np.bool_]
    is_rolled_up: NDArray[np.bool_]
    sense_starts: Ints
    nodes: Ints
    asked_for: NDArray[np.bool_]


def forms_of(forms: Forms) -> Ints:
    """Form of each sense, int64 of shape (S,)."""
    return np.repeat(np.arange(len(forms.texts)), np.diff(forms.starts))


def build_meanings(
    forms: Forms,
    nouns: Nouns,
    space: Classes | None,
    mode: SenseMode,
    *,
    is_adjective: NDArray[np.bool_],
    ratings: NDArray[np.float64],
) -> Meanings:
    """Gather the senses of all forms into candidate classes.

    Args:
        forms: Written forms with their senses.
        nouns: WordNet.
        space: Label space; None = every synset is a class, and none is asked for.
        mode: In mode group a form is one class, the set of all its senses (Mahajan et al., ECCV 2018).
        is_adjective: Whether a form mostly is an adjective, bool of shape (F,).
        ratings: How concrete people find each form, 1 to 5, NaN where unknown; float64 of shape (F,).
    """
    n_forms, n_nodes = len(forms.texts), len(nouns.wnids)
    of_form = forms_of(forms)
    given = np.full(n_nodes, -1) if space is None else space.class_of
    class_S = np.where(given[forms.nodes] >= 0, given[forms.nodes], forms.nodes)
    everything = space is None or space.beside_others
    inside_S = np.ones(len(class_S), bool) if everything else given[forms.nodes] >= 0
    weight_S = np.where(given[forms.nodes] == forms.nodes, ASKED_FOR * (forms.weights + AT_LEAST), forms.weights)
    keys = list(nouns.wnids)
    if mode == "group":
        class_S, kept = _group(forms, of_form, class_S, inside_S, nouns.wnids, keys)
        of_form, class_S, weight_S, inside_S = of_form[kept], class_S[kept], weight_S[kept], inside_S[kept]
        nodes_S, plural_S = forms.nodes[kept], forms.is_plural[kept]
    else:
        nodes_S, plural_S = forms.nodes, forms.is_plural
    pairs, which = np.unique(of_form * len(keys) + class_S, return_inverse=True)
    form_C, class_C = pairs // len(keys), pairs % len(keys)
    weight_C = np.bincount(which, weights=weight_S, minlength=len(pairs))
    total_F = np.bincount(form_C, weights=weight_C, minlength=n_forms)
    prior_C = np.round(weight_C / total_F[form_C], 6)
    order = np.lexsort((class_C, -prior_C, form_C))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    by_candidate = np.lexsort((nodes_S, place[which]))
    in_space = np.bincount(which, weights=inside_S, minlength=len(pairs)) > 0
    named = np.bincount(which, weights=class_S == nodes_S, minlength=len(pairs)) > 0
    asked_F = np.bincount(forms_of(forms), weights=given[forms.nodes] >= 0, minlength=n_forms) > 0
    return Meanings(
        keys=keys,
        kinds=_kinds(forms, nouns, asked_F, is_adjective, ratings),
        starts=np.searchsorted(form_C[order], np.arange(n_forms + 1)),
        classes=class_C[order],
        priors=prior_C[order],
        in_space=in_space[order],
        is_plural=(np.bincount(which, weights=~plural_S, minlength=len(pairs)) == 0)[order],
        is_rolled_up=(in_space & ~named & (class_C < n_nodes))[order],
        sense_starts=np.searchsorted(place[which][by_candidate], np.arange(len(pairs) + 1)),
        nodes=nodes_S[by_candidate],
        asked_for=asked_F,
    )


def _kinds(
    forms: Forms,
    nouns: Nouns,
    asked_F: NDArray[np.bool_],
    is_adjective: NDArray[np.bool_],
    ratings: NDArray[np.float64],
) -> NDArray[np.int8]:
    """What mostly cannot be seen is abstract, what mostly is a name is a name; what is asked for is neither."""
    n_forms = len(forms.texts)
    total = np.bincount(forms_of(forms), weights=forms.weights, minlength=n_forms)
    seen = np.bincount(forms_of(forms), weights=forms.weights * (nouns.seen[forms.nodes] >= VISIBLE), minlength=n_forms)
    names = np.bincount(forms_of(forms), weights=forms.weights * nouns.is_name[forms.nodes], minlength=n_forms)
    is_noun = forms.kinds == NOUN
    abstract = ((seen < VISIBLE * total) & ~(ratings >= CONCRETE)) | (ratings < NOT_CONCRETE)
    kinds = np.where(is_noun & abstract, ABSTRACT, forms.kinds)
    kinds = np.where(is_noun & (names > VISIBLE * total), PROPER_NAME, kinds)
    kinds = np.where(is_noun & is_adjective, ADJECTIVE, kinds)
    return np.where(asked_F & (forms.kinds != WNID), NOUN, kinds).astype(np.int8)


def _group(
    forms: Forms, of_form: Ints, class_S: Ints, inside_S: NDArray[np.bool_], wnids: Sequence[str], keys: list[str]
) -> tuple[Ints, NDArray[np.bool_]]:
    """Class of each sense where a form is the set of its senses, and which senses stay; new keys are appended.

    A form with one class inside the label space is that class; one with several is the set of all its senses, those
    outside the space too, so that the key follows from the word alone.
    """
    n_forms = len(forms.texts)
    n_inside = np.bincount(
        np.unique(np.stack([of_form, class_S])[:, inside_S], axis=1)[0].astype(np.int64), minlength=n_forms
    )
    kept = inside_S | (n_inside[of_form] != 1)
    number: dict[str, int] = {}
    merged = class_S.copy()
    for f in np.flatnonzero(n_inside > 1).tolist():
        a, b = int(forms.starts[f]), int(forms.starts[f + 1])
        key = group_key(wnids[node] for node in forms.nodes[a:b].tolist())
        merged[a:b] = number.setdefault(key, len(keys) + len(number))
    keys.extend(number)
    return merged, kept
