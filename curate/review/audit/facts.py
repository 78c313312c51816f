"""What the page says of a class, and where its images lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from curate.review.pairs import Place

_NAMES = "SELECT class_key, name FROM classes WHERE class_key IN (SELECT unnest($1))"
_SENSES = (
    "SELECT m.class_key, s.name, s.gloss, list(l.lemma ORDER BY l.tag_count DESC, l.lemma) "
    "FROM class_members AS m JOIN synsets AS s USING (wnid) LEFT JOIN lemmas AS l USING (wnid) "
    "WHERE m.class_key IN (SELECT unnest($1)) GROUP BY ALL ORDER BY m.class_key, s.name"
)
_ABOVE = (
    "SELECT a.class_key, list(c.name ORDER BY c.depth, c.name) FROM ancestors AS a "
    "JOIN classes AS c ON c.class_key = a.ancestor_key WHERE a.distance > 0 AND a.class_key IN (SELECT unnest($1)) "
    "GROUP BY ALL"
)
_BESIDE = (
    "SELECT p.class_key, list(DISTINCT c.name ORDER BY c.name) FROM class_parents AS p "
    "JOIN class_parents AS o USING (parent_key) JOIN classes AS c ON c.class_key = o.class_key "
    "WHERE o.class_key <> p.class_key AND c.n_images_direct > 0 AND p.class_key IN (SELECT unnest($1)) GROUP BY ALL"
)
_NAMESAKES = (
    "SELECT c.class_key, list(DISTINCT o.name || ' (' || p.name || ')' ORDER BY o.name || ' (' || p.name || ')') "
    "FROM classes AS c JOIN classes AS o ON lower(o.name) = lower(c.name) AND o.class_key <> c.class_key "
    "JOIN class_parents AS l ON l.class_key = o.class_key JOIN classes AS p ON p.class_key = l.parent_key "
    "WHERE o.n_images_total > 0 AND c.class_key IN (SELECT unnest($1)) GROUP BY ALL"
)
_PLACES = (
    "SELECT image_id, s.root, i.uri, i.byte_offset, i.byte_length, i.sha256 "
    "FROM images AS i JOIN sources AS s USING (source) WHERE image_id IN (SELECT unnest($1))"
)


@dataclass(frozen=True)
class Sense:
    """A synset that a class stands for.

    Attributes:
        words: Its lemmas, the usual one first.
        gloss: What it means; None where glosses are not installed.
    """

    words: Sequence[str]
    gloss: str | None


@dataclass(frozen=True)
class ClassFacts:
    """What a class is.

    Attributes:
        class_key: Its key.
        name: Its name.
        senses: What it stands for; none for a class of the user's own.
        above: Names of the classes above it, the most general first.
        beside: Names of the classes with images that have a parent with it in common: what it is easily taken for.
        namesakes: Other classes of the same name, each with the one above it.
    """

    class_key: str
    name: str
    senses: Sequence[Sense]
    above: Sequence[str]
    beside: Sequence[str]
    namesakes: Sequence[str]


def read_facts(con: duckdb.DuckDBPyConnection, class_keys: Sequence[str]) -> dict[str, ClassFacts]:
    """What some classes are.

    Args:
        con: Connection with classes, class_members, class_parents, ancestors, synsets and lemmas.
        class_keys: Their keys.
    """
    senses: dict[str, list[Sense]] = {}
    for class_key, name, gloss, words in con.execute(_SENSES, [class_keys]).fetchall():
        found = [word.replace("_", " ") for word in words if word]
        senses.setdefault(class_key, []).append(Sense(found or [name], gloss))
    names, above, beside, namesakes = (
        dict(con.execute(query, [class_keys]).fetchall()) for query in (_NAMES, _ABOVE, _BESIDE, _NAMESAKES)
    )
    return {
        key: ClassFacts(
            class_key=key,
            name=names.get(key, key),
            senses=senses.get(key, []),
            above=above.get(key, []),
            beside=beside.get(key, []),
            namesakes=namesakes.get(key, []),
        )
        for key in class_keys
    }


def read_places(con: duckdb.DuckDBPyConnection, image_ids: Sequence[str]) -> Mapping[str, Place]:
    """Where images lie, by image_id.

    Args:
        con: Connection with images and sources.
        image_ids: The images.
    """
    rows = con.execute(_PLACES, [image_ids]).fetchall()
    return {image_id: Place(*place) for image_id, *place in rows}
