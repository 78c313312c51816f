"""Labels out of metadata: which name means what, in a JSON member as in a table's column."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from curate.sources.folder import WNID
from curate.sources.records import Label, clean_text

ROLES = {
    "hashtag": ("hashtags", "hashtag", "tags", "tag"),
    "caption": ("caption", "text"),
    "title": ("title",),
    "query": ("query",),
    "class": ("class", "label", "labels", "class_name", "category"),
    "wnid": ("wnid", "wnids", "synset"),
    "mid": ("mid", "mids"),
    "score": ("score", "confidence"),
    "language": ("language", "lang"),
    "url": ("url",),
    "owner": ("owner", "author", "user"),
    "key": ("key", "id"),
    "path": ("path", "image_path", "filepath", "file", "filename", "file_name", "image"),
}
"""What a column or a JSON entry means, by the names that it may bear, the better name first."""

LABEL_ROLES = ("hashtag", "caption", "title", "query", "class", "wnid", "mid")
_ROLE_OF = {name: (role, rank) for role, names in ROLES.items() for rank, name in enumerate(names)}
_TAG = re.compile(r"#?[^\s#,;|]+")
_SEPARATOR = re.compile(r"[,;|]")
_MID = re.compile(r"/[mg]/\w+", re.ASCII)


@dataclass(slots=True)
class Metadata:
    """What a record's metadata says.

    Attributes:
        labels: In the order of the entries.
        url: Where the image was found.
        owner: Who posted it.
        remarks: What could not be used.
        described: Whether it is a whole object of metadata, not a text alone.
    """

    labels: list[Label] = field(default_factory=list)
    url: str | None = None
    owner: str | None = None
    remarks: list[str] = field(default_factory=list)
    described: bool = False


def class_field(text: str) -> str:
    """The field of a class by its form: 'wnid' (n02084071), 'mid' (/m/0bt9lr, /g/11b6) or 'class'."""
    return "wnid" if WNID.fullmatch(text) else "mid" if _MID.fullmatch(text) else "class"


def split_tags(text: str) -> list[str]:
    """The tags of a string that holds several.

    Args:
        text: '#a #b', 'a, b c', 'a|b', 'a b' or a JSON list.

    Returns:
        Tags as written, '#' included; a tag may hold spaces only if commas, semicolons or bars part the tags.
    """
    stripped = text.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        try:
            found = json.loads(stripped)
        except ValueError:
            found = None
        if isinstance(found, list):
            return [str(item) for item in found]
    if "#" not in text and _SEPARATOR.search(text):
        return [tag.strip() for tag in _SEPARATOR.split(text)]
    return _TAG.findall(text)


def read_metadata(entries: Mapping[str, Any]) -> Metadata:
    """Labels, address and owner out of a JSON object or a table's row.

    Args:
        entries: Values by role (`ROLES`); several labels of one role are a list, and tags may be one string.

    Returns:
        What was found. Empty texts are no labels; text that cannot be stored is escaped, with a remark.
    """
    found = Metadata()
    score, language = _score(entries.get("score")), _text(entries.get("language"), found) or None
    for role in LABEL_ROLES:
        value = entries.get(role)
        if value is None:
            continue
        if role == "hashtag" and isinstance(value, str):
            value = split_tags(value)
        for item in value if isinstance(value, list | tuple) else (value,):
            text = _text(item, found)
            if text is None:
                found.remarks.append(f"{role}: a value that is no text")
            elif text.strip():
                scored = score if role in ("hashtag", "class", "wnid", "mid") else None
                found.labels.append(Label(class_field(text) if role == "class" else role, text, scored, language))
    found.url = _text(entries.get("url"), found) or None
    found.owner = _text(entries.get("owner"), found) or None
    return found


def by_role(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of a JSON object under the names of their roles; of two names for one role the better wins.

    A number called 'score' says nothing about labels in a post, so scores are left out.
    """
    found: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    for name, value in entries.items():
        role, rank = _ROLE_OF.get(name, (None, 0))
        if role is None or role == "score" or value is None or ranks.get(role, rank) < rank:
            continue
        found[role], ranks[role] = value, rank
    return found


def add_caption(labels: list[Label], text: str) -> None:
    """Add a text member as a caption, unless caption or title say the same."""
    said = {label.text.strip() for label in labels if label.field in ("caption", "title")}
    if text.strip() and text.strip() not in said:
        labels.append(Label("caption", text.rstrip("\r\n")))


def _text(value: Any, found: Metadata) -> str | None:
    if type(value) is str and value.isascii() and "\x00" not in value:  # nearly always
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text, escaped = clean_text(value if isinstance(value, str) else _number(value))
    if escaped:
        found.remarks.append("unpaired surrogates or NUL escaped")
    return text


def _number(value: float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _score(value: Any) -> float | None:
    try:
        score = float(value)
    except (TypeError, ValueError):
        return None
    return score if math.isfinite(score) else None
