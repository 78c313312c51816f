import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sources.labels import by_role, read_metadata, split_tags
from curate.sources.records import Label


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#cat #dog", ["#cat", "#dog"]),
        ("#cat#dog, #red", ["#cat", "#dog", "#red"]),
        ("stop sign, red; blue|x", ["stop sign", "red", "blue", "x"]),
        ("cat dog", ["cat", "dog"]),
        ('["stop sign", "red"]', ["stop sign", "red"]),
        ("[not json]", ["[not", "json]"]),
        ("", []),
        ("#日本 #кот", ["#日本", "#кот"]),
    ],
)
def test_tags_of_one_string(text, tags):
    assert split_tags(text) == tags


def test_entries_by_their_names():
    entries = {"tags": ["a"], "label": 3, "text": "t", "author": "ann", "score": 9, "width": 4, "caption": None}
    found = read_metadata(by_role(entries))
    assert found.labels == [Label("hashtag", "a"), Label("caption", "t"), Label("class", "3")]
    assert (found.owner, found.url, found.remarks) == ("ann", None, [])


def test_the_better_name_wins():
    assert by_role({"text": "second", "caption": "first"}) == {"caption": "first"}
    assert by_role({"caption": "first", "text": "second"}) == {"caption": "first"}


def test_scores_belong_to_classes():
    found = read_metadata({"class": "cat", "caption": "a cat", "score": "0.5", "language": "en"})
    assert found.labels == [Label("caption", "a cat", None, "en"), Label("class", "cat", 0.5, "en")]
    assert read_metadata({"class": "cat", "score": "nan"}).labels == [Label("class", "cat")]


def test_values_that_are_no_text_are_remarked():
    found = read_metadata({"hashtag": ["a", {"name": "b"}, 5, 2.0, True], "class": {"x": 1}, "owner": {"id": 1}})
    assert [label.text for label in found.labels] == ["a", "5", "2"]
    assert found.remarks == ["hashtag: a value that is no text"] * 2 + ["class: a value that is no text"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
_NAMES = st.sampled_from(["tags", "hashtags", "caption", "title", "query", "label", "wnid", "url", "user", "language"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_NAMES, _JSON, max_size=5))
def test_any_json_gives_labels_that_can_be_stored(entries):
    found = read_metadata(by_role(json.loads(json.dumps(entries))))
    pa.array([label.text for label in found.labels] + [found.url, found.owner], pa.string()).validate(full=True)
    assert all(label.text.strip() for label in found.labels)
