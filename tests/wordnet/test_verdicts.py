"""What people expect of frequent hashtags and caption words, as floors; the files say how they were judged."""

from pathlib import Path

import pytest

from curate.wordnet.mapping import map_rows
from tests.wordnet.conftest import raw_labels

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def judge(mapper):
    """(text, verdict, whether it is met, classes found) of each line of a file, each text a post of its own."""

    def judge(name, field):
        lines = [line.split("\t") for line in (HERE / name).read_text().splitlines() if not line.startswith("#")][1:]
        posts = {f"{i:04d}": [(field, text)] for i, (text, *_) in enumerate(lines)}
        keys = {image: set() for image in posts}
        for mention in map_rows(raw_labels(posts), mapper).to_pylist():
            keys[mention["image_id"]] |= {mention["class_key"]} - {""}
        rows = []
        for (text, verdict, wnids), found in zip(lines, keys.values(), strict=True):
            right = {
                "class": bool(found) and found <= set(wnids.split(",")),
                "ambiguous": found <= set(wnids.split(",")),
                "refused": not found,
            }
            rows.append((text, verdict, right[verdict], sorted(found)))
        return rows

    return judge


def share(rows, verdict=None):
    """Share of lines whose verdict is met."""
    met = [ok for _, given, ok, _ in rows if verdict in (None, given)]
    return sum(met) / len(met)


def test_the_most_frequent_hashtags(judge):
    rows = judge("expected_hashtags.tsv", "hashtag")
    assert len(rows) == 300
    assert share(rows) >= 0.90, [row for row in rows if not row[2]]


def test_words_of_captions(judge):
    rows = judge("expected_caption_words.tsv", "caption")
    assert len(rows) == 500
    missed = [row for row in rows if not row[2]]
    assert share(rows) >= 0.93, missed
    assert share(rows, "refused") >= 0.98, missed  # a word that names nothing seen hardly ever becomes a class
