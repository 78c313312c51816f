"""The demo's posts before a pixel is drawn: what each shows, what its labels claim, what it copies, what is broken.

Noise is planted per claimed class: of the posts that claim it, a share drawn from a Beta distribution shows
something else.
"""

from dataclasses import dataclass, replace

import numpy as np

from curate.demo.canvas import Rng
from curate.demo.copies import DAMAGES, TRANSFORMS
from curate.demo.vocabulary import CONCEPTS, NAMES, TINY, Concept

NOISE_MEAN, NOISE_STRENGTH, NOISE_RANGE = 0.25, 3.0, (0.03, 0.6)
_PLATFORMS = (("instagram", 0.55), ("flickr", 0.28), ("google", 0.17))


@dataclass(frozen=True)
class Sizes:
    """How much of everything is planted.

    Attributes:
        posts: Posts in all.
        eval_images: Images of the evaluation set.
        leaks: Posts that copy an evaluation image.
        exact_copies: Posts with the bytes of an earlier one.
        near_copies: Posts with a changed copy of an earlier one's picture.
        unlabelled: Posts that name no class.
        damaged: Posts of each kind of damage.
        shards: Tar files.
    """

    posts: int
    eval_images: int
    leaks: int
    exact_copies: int
    near_copies: int
    unlabelled: int
    damaged: int
    shards: int


FULL = Sizes(3600, 480, 50, 70, 90, 180, 2, 5)
SMALL = Sizes(300, 60, 10, 5, 10, 15, 1, 2)


@dataclass(frozen=True)
class User:
    """Who posts, and where."""

    name: str
    platform: str


@dataclass(frozen=True)
class Claim:
    """A class that a post's words name.

    Attributes:
        wnid: The class.
        noise_type: correct, sibling, random, outside (a picture of no class), wrong_sense or extra (a second label).
    """

    wnid: str
    noise_type: str


@dataclass(frozen=True)
class Post:
    """One post.

    Attributes:
        number: Unique; seeds picture and words.
        kind: normal, unlabelled, leak, near_dup (of another post, exact copies included) or damaged.
        shows: True class; None = outside the vocabulary.
        claims: Classes that its words name.
        user: Who posted it.
        origin: Number of the post, or of the evaluation image, that it copies; -1 = none.
        transform: How the copy was changed; empty = no copy.
        damage: What is broken; empty = nothing.
    """

    number: int
    kind: str
    shows: str | None
    claims: tuple[Claim, ...]
    user: User
    origin: int = -1
    transform: str = ""
    damage: str = ""


def label_space(tiny: bool) -> tuple[Concept, ...]:
    """The classes in use."""
    return tuple(c for c in CONCEPTS if not tiny or c.wnid in TINY)


def plan_posts(concepts: tuple[Concept, ...], eval_classes: list[str], sizes: Sizes, seed: int) -> list[Post]:
    """Decides everything about the posts except pixels and words.

    Args:
        concepts: Label space.
        eval_classes: Class of each evaluation image, for the leaks.
        sizes: How much of everything.
        seed: Same seed, same posts.

    Returns:
        The posts in the order in which they are stored.
    """
    rng = np.random.default_rng((seed, 1))
    users = _users(rng, sizes.posts // 6)
    fresh = sizes.posts - sizes.leaks - sizes.exact_copies - sizes.near_copies - sizes.unlabelled
    rates = np.clip(
        rng.beta(NOISE_MEAN * NOISE_STRENGTH, (1 - NOISE_MEAN) * NOISE_STRENGTH, len(concepts)), *NOISE_RANGE
    )
    posts: list[Post] = []
    for concept, count, rate in zip(concepts, _class_sizes(rng, fresh, len(concepts)), rates, strict=True):
        wrong = round(float(rate) * count)
        for index in range(count):
            shows, claims = _noisy(rng, concept, concepts) if index < wrong else _clean(rng, concept, concepts)
            posts.append(_post(len(posts), "normal", shows, claims, users, rng))
    for _ in range(sizes.unlabelled):
        shown = concepts[int(rng.integers(len(concepts)))].wnid if rng.random() < 0.7 else None
        posts.append(_post(len(posts), "unlabelled", shown, (), users, rng))
    posts = _with_damage(rng, posts, fresh, sizes.damaged)
    rate_of = {concept.wnid: float(rate) for concept, rate in zip(concepts, rates, strict=True)}
    posts += _copies(rng, posts, sizes, rate_of, users)
    posts += _leaks(rng, len(posts), eval_classes, sizes.leaks, users)
    return [posts[index] for index in rng.permutation(len(posts))]


def _users(rng: Rng, count: int) -> list[User]:
    kinds = [name for name, _ in _PLATFORMS]
    shares = [share for _, share in _PLATFORMS]
    users = []
    for _ in range(max(count, 3)):
        name = NAMES[int(rng.integers(len(NAMES)))]
        form = ("{}.pics", "its{}", "_{}", "the{}photo", "{}{}", "real.{}", "{}_{}")[int(rng.integers(7))]
        users.append(User(form.format(name, int(rng.integers(10, 9999))), str(rng.choice(kinds, p=shares))))
    return users


def _post(number: int, kind: str, shows: str | None, claims: tuple[Claim, ...], users: list[User], rng: Rng) -> Post:
    """A post by one of the users: a few post much, most little."""
    user = users[int(len(users) * rng.random() ** 1.6)]
    # A search has one query, so a result of one has one label.
    return Post(number, kind, shows, claims[:1] if user.platform == "google" else claims, user)


def _class_sizes(rng: Rng, total: int, count: int) -> list[int]:
    """A mild long tail: the largest class is about three times the smallest."""
    weights = (1 + rng.permutation(count)) ** -0.35
    edges = np.round(np.concatenate([[0], np.cumsum(weights / weights.sum())]) * total).astype(int)
    return [int(size) for size in np.diff(edges)]


def _clean(rng: Rng, concept: Concept, concepts: tuple[Concept, ...]) -> tuple[str | None, tuple[Claim, ...]]:
    claims = [Claim(concept.wnid, "correct")]
    known = {c.wnid for c in concepts}
    siblings = [wnid for wnid in concept.siblings if wnid in known]
    if siblings and rng.random() < 0.04:
        claims.append(Claim(siblings[int(rng.integers(len(siblings)))], "extra"))
    return concept.wnid, tuple(claims)


def _noisy(rng: Rng, concept: Concept, concepts: tuple[Concept, ...]) -> tuple[str | None, tuple[Claim, ...]]:
    known = {c.wnid for c in concepts}
    senses = [wnid for wnid in concept.wrong_senses if wnid is None or wnid in known]
    if senses and rng.random() < 0.4:
        shows = senses[int(rng.integers(len(senses)))]
        named = (Claim(shows, "correct"),) if shows and rng.random() < 0.6 else ()
        return shows, (Claim(concept.wnid, "wrong_sense"), *named)
    siblings = [wnid for wnid in concept.siblings if wnid in known]
    draw = rng.random()
    if siblings and draw < 0.6:
        return siblings[int(rng.integers(len(siblings)))], (Claim(concept.wnid, "sibling"),)
    if draw < 0.8:
        others = [c.wnid for c in concepts if c.wnid != concept.wnid]
        return others[int(rng.integers(len(others)))], (Claim(concept.wnid, "random"),)
    return None, (Claim(concept.wnid, "outside"),)


def _with_damage(rng: Rng, posts: list[Post], fresh: int, each: int) -> list[Post]:
    """Breaks some of the fresh posts."""
    chosen = rng.choice(fresh, each * len(DAMAGES), replace=False)
    broken = {int(index): list(DAMAGES)[place % len(DAMAGES)] for place, index in enumerate(chosen)}
    return [replace(p, kind="damaged", damage=broken[i]) if i in broken else p for i, p in enumerate(posts)]


def _copies(rng: Rng, posts: list[Post], sizes: Sizes, rates: dict[str, float], users: list[User]) -> list[Post]:
    """Copies within the corpus, half of them by the same user, with labels of their own."""
    sources = [post for post in posts if post.kind == "normal"]
    count = sizes.exact_copies + sizes.near_copies
    changed = [name for name in TRANSFORMS if name != "identity"]
    copies = []
    for place, index in enumerate(rng.choice(len(sources), count, replace=False)):
        source = sources[int(index)]
        claims = source.claims
        if source.shows is not None and rng.random() >= rates[source.shows]:
            claims = (Claim(source.shows, "correct"),)
        copy = _post(len(posts) + place, "near_dup", source.shows, claims, users, rng)
        transform = "identity" if place < sizes.exact_copies else changed[place % len(changed)]
        user = source.user if rng.random() < 0.5 else copy.user
        kept = copy.claims[:1] if user.platform == "google" else copy.claims
        copies.append(replace(copy, user=user, claims=kept, origin=source.number, transform=transform))
    return copies


def _leaks(rng: Rng, start: int, eval_classes: list[str], count: int, users: list[User]) -> list[Post]:
    """Copies of evaluation images, each kind of change equally often, named rightly."""
    leaks = []
    for place, image in enumerate(rng.choice(len(eval_classes), count, replace=False)):
        shows = eval_classes[int(image)]
        leak = _post(start + place, "leak", shows, (Claim(shows, "correct"),), users, rng)
        leaks.append(replace(leak, origin=int(image), transform=TRANSFORMS[place % len(TRANSFORMS)]))
    return leaks
