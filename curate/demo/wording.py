"""What people write beside a picture: hashtags, captions, titles, queries."""

import re
from typing import Any

from curate.demo.canvas import Rng
from curate.demo.posts import Claim, Post
from curate.demo.vocabulary import (
    ATTRIBUTES,
    CONCEPTS,
    FACES,
    FILLERS,
    MENTIONS,
    NO_MENTIONS,
    QUERIES,
    SCENES,
    TITLES,
    Concept,
    plural,
)

_BY_WNID = {concept.wnid: concept for concept in CONCEPTS}


def wording(post: Post, rng: Rng) -> dict[str, Any]:
    """The texts of a post.

    Args:
        post: Whose claims are put in words.
        rng: Which words.

    Returns:
        hashtags and caption (instagram), hashtags and title (flickr) or query and title (google).
    """
    if post.user.platform == "google":
        return {"query": _query(post.claims, rng), "title": _filled(TITLES, post.claims, rng, 0.75)}
    tags = _tags(post.claims, rng)
    if post.user.platform == "flickr":
        return {"hashtags": tags, "title": _filled((*MENTIONS, "{words}"), post.claims, rng, 0.3)}
    return {"hashtags": ["#" + tag for tag in tags], "caption": _filled(MENTIONS, post.claims, rng, 0.4)}


def _one(rng: Rng, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _word(concept: Concept, rng: Rng) -> str:
    return concept.words[0] if rng.random() < 0.65 else _one(rng, concept.words)


def _hashtag(word: str, emoji: str, rng: Rng) -> str:
    """A term as a tag: squashed, CamelCase, plural, upper case, with underscores or an emoji."""
    draw = rng.random()
    if draw < 0.16:
        word = plural(word)
    parts = re.sub(r"[^\w ]", "", word).split()
    if 0.16 <= draw < 0.28:
        return "".join(part.capitalize() for part in parts)
    if 0.28 <= draw < 0.32:
        return "".join(parts).upper()
    if 0.32 <= draw < 0.37:
        return "_".join(parts)
    return "".join(parts) + (emoji if 0.37 <= draw < 0.44 else "")


def _tags(claims: tuple[Claim, ...], rng: Rng) -> list[str]:
    tags = []
    for claim in claims:
        concept = _BY_WNID[claim.wnid]
        tags.append(_hashtag(_word(concept, rng), concept.emoji, rng))
        if rng.random() < 0.15:
            tags.append(_hashtag(_one(rng, concept.words), concept.emoji, rng))
        if claim.noise_type == "wrong_sense":
            continue
        # Broader words are what tells the two cranes apart.
        if rng.random() < (0.8 if concept.name == "crane" else 0.45):
            tags.append(_hashtag(_one(rng, concept.broader), "", rng))
        if rng.random() < 0.2:
            tags.append(_one(rng, concept.foreign))
    tags += [_one(rng, FILLERS) for _ in range(int(rng.integers(1, 7)))]
    tags += [_one(rng, ATTRIBUTES) for _ in range(int(rng.random() < 0.4))]
    tags += [_one(rng, SCENES) for _ in range(int(rng.random() < 0.4))]
    unique = list(dict.fromkeys(tags))
    return [unique[index] for index in rng.permutation(len(unique))]


def _query(claims: tuple[Claim, ...], rng: Rng) -> str:
    if not claims:
        return _one(rng, ("wallpaper", *SCENES))
    concept = _BY_WNID[claims[0].wnid]
    if concept.name == "crane":
        return f"crane {concept.broader[0]}"
    word = _word(concept, rng)
    return _one(rng, QUERIES).format(word=word, words=plural(word))


def _filled(templates: tuple[str, ...], claims: tuple[Claim, ...], rng: Rng, share: float) -> str:
    """A sentence that names the first claim, with the given probability, or nothing."""
    named = bool(claims) and claims[0].noise_type != "wrong_sense" and rng.random() < share
    template = _one(rng, templates if named else NO_MENTIONS)
    word = _word(_BY_WNID[claims[0].wnid], rng) if named else ""
    number = int(rng.integers(1000, 9999))
    return template.format(word=word, words=plural(word), face=_one(rng, FACES), scene=_one(rng, SCENES), number=number)
