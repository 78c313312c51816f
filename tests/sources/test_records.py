from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sources.records import blocks, clean_text, format_of_name, image_id, suffix


def test_image_id_is_what_its_documentation_says():
    packed = b"\0\0\0\0\0\0\0\x05posts" + b"\0\0\0\0\0\0\0\x02\xc3\xa9" + b"\0\0\0\0\0\0\0\x0212"
    assert image_id("posts", "é", 12) == sha256(packed).hexdigest()[:32]


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_image_ids_do_not_run_together(a, b, c, d):
    pairs = [tuple(clean_text(text)[0] for text in pair) for pair in ((a, b), (c, d))]
    assert (image_id(*pairs[0], 0) == image_id(*pairs[1], 0)) == (pairs[0] == pairs[1])


@given(st.text(st.characters(), max_size=20))
def test_cleaned_text_can_be_stored_and_is_cleaned_once(text):
    cleaned, changed = clean_text(text)
    cleaned.encode()
    assert "\x00" not in cleaned
    assert changed == (cleaned != text)
    assert clean_text(cleaned) == (cleaned, False)


@settings(max_examples=30)
@given(st.integers(0, 4000), st.integers(0, 10**6), st.data())
def test_a_key_more_or_less_changes_few_blocks(n, first, data):
    keys = [f"{first + i:09d}.jpg" for i in range(n)]
    cut = blocks(keys)
    assert [start for _, start, _ in cut] == [0, *(stop for _, _, stop in cut[:-1])][: len(cut)]
    assert not n or cut[-1][2] == n
    assert len({name for name, _, _ in cut}) == len(cut)
    assert all(0 < stop - start <= 1024 for _, start, stop in cut)
    if n:
        gone = data.draw(st.integers(0, n - 1))
        fewer = keys[:gone] + keys[gone + 1 :]
        before = {(name, tuple(keys[start:stop])) for name, start, stop in cut}
        after = {(name, tuple(fewer[start:stop])) for name, start, stop in blocks(fewer)}
        # Its own block, the one that it may have begun, and those after a forced border up to the next free one.
        assert len(before - after) <= 6


def test_names_of_formats():
    assert suffix("a/b.c/photo.JPG") == "jpg"
    assert suffix("a.b/photo") == ""
    assert format_of_name("jpg") == format_of_name("jpeg") == "jpeg"
    assert format_of_name("php") is None
