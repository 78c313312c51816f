import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import CurateError, FormatError, MissingInputError, WordNetVersionError
from curate.wordnet import label_space, lexicon
from curate.wordnet.label_space import (
    BUILT_IN,
    LabelSpace,
    OwnClass,
    open_label_space,
    vocabulary_rows,
)

KNOWN = {"n00000001", "n00000002", "n00000003"}
CAR = "n02958343"


def opened(folder, text, known=KNOWN):
    (folder / "space").write_text(text, encoding="utf-8")
    return open_label_space(str(folder / "space"), known)


@pytest.mark.parametrize(
    "text",
    [
        'wnid,name\nn00000002,two\nn00000001,"one, or so"\n',
        "\ufeffname,WNID\r\ntwo,n00000002\r\n\r\none,n00000001\r\n",
        "name,wnid\nsame,n00000002\nsame,n00000001\n",
        "n00000002 two\nn00000001\n",
        "# ours\nn00000002\nn00000001\nn00000002\n",
    ],
)
def test_csv_and_plain_lists(tmp_path, text):
    assert opened(tmp_path, text) == LabelSpace(["n00000002", "n00000001"], [])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", FormatError, "no wnid"),
        ("wnid\n", FormatError, "no wnid"),
        ("dog\ncat\n", FormatError, "line 1: 'dog' is no wnid.*'name,parent'"),
        ("wnid\nn00000001\ndog\n", FormatError, "line 3: 'dog'"),
        ("wnid,name\nn00000001,one\n,two\n", FormatError, "line 3: '' is no wnid"),
        ("n00000001\nn00000002\nn00000009\n", FormatError, "line 3: 'n00000009' is no noun of WordNet 3.0"),
        ("n00000007\nn00000008\nn00000001\n", WordNetVersionError, "2 of its 3"),
        ("synset,name\nn00000001,dog\n", FormatError, "line 1: unknown column 'synset'.*wnid"),
        ("name,parent,name\n", FormatError, "line 1: column 'name' is there twice"),
        ("name\n", FormatError, "no class in it"),
        ("name,parent\ndog,\n,dog\n", FormatError, "line 3: a class needs a name"),
        ("name,parent\ndog,\nDog,\n", FormatError, "line 3: 'Dog' is there twice"),
        ("name,parent\ndog,pet\n", FormatError, "line 2: no class 'pet' to be a parent"),
        ("name,parent\ndog,n00000009\n", FormatError, "line 2: 'n00000009' is no noun"),
        ("name,parent\nn00000001,\n", FormatError, "line 2: 'n00000001' cannot be a name"),
        ("name,parent\na;b,\n", FormatError, "line 2: 'a;b' cannot be a name"),
        ("name,parent,wnid\ndog,,x\n", FormatError, "line 2: 'x' is no wnid"),
        ("name,parent,wnid\ndog,,n00000001\ncat,,n00000001\n", FormatError, "line 3: n00000001 is 'dog' already"),
        ("name,parent\ndog,dog\n", FormatError, "line 2: its parents run in a circle: dog > dog"),
        ("name,parent\npup,a\na,b\nb,c\nc,a\n", FormatError, "line 3: .* circle: a > b > c > a"),
        ("name,parent\ndog,,big, brown\n", FormatError, "line 2: more cells"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, error, message):
    with pytest.raises(error, match=message) as raised:
        opened(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_no_such_file(tmp_path):
    with pytest.raises(MissingInputError, match="no file"):
        open_label_space(str(tmp_path / "space"), KNOWN)
    with pytest.raises(MissingInputError, match="Did you mean 'imagenet-1k'"):
        open_label_space("imagenet1k", KNOWN)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00\xd8", b'name\n"' + b"x" * 200_000])
def test_no_text(tmp_path, data):
    (tmp_path / "space").write_bytes(data)
    with pytest.raises(FormatError):
        open_label_space(str(tmp_path / "space"), KNOWN)


def test_a_tree_of_its_own(tmp_path):
    space = opened(tmp_path, "name,parent,synonyms\nvehicle,,\ncar,Vehicle,auto|motor  car\nhome,vehicle; car,\n")
    assert space.wnids == [] and not space.beside_wordnet
    assert space.own == [
        OwnClass("vehicle", (), None, ()),
        OwnClass("car", ("Vehicle",), None, ("auto", "motor car")),
        OwnClass("home", ("vehicle", "car"), None, ()),
    ]
    assert vocabulary_rows(space, {}).to_pylist() == [
        {"class_key": "u:vehicle", "name": "vehicle", "parent_key": ""},
        {"class_key": "u:car", "name": "car", "parent_key": "u:vehicle"},
        {"class_key": "u:home", "name": "home", "parent_key": "u:vehicle"},
        {"class_key": "u:home", "name": "home", "parent_key": "u:car"},
    ]


def test_a_tree_below_and_around_wordnet(tmp_path):
    below = opened(tmp_path, "name,parent\nwrx,n00000001\n")
    assert below.beside_wordnet and below.wnids == []
    space = opened(tmp_path, "name,parent,wnid\nfast,,\nauto,fast,n00000001\nwrx,auto,\n")
    assert space.wnids == ["n00000001"] and not space.beside_wordnet
    assert [tuple(row.values()) for row in vocabulary_rows(space, {}).to_pylist()] == [
        ("u:fast", "fast", ""), ("n00000001", "auto", "u:fast"), ("u:wrx", "wrx", "n00000001")
    ]  # fmt: skip


def test_a_list_of_synsets_as_rows():
    rows = vocabulary_rows(LabelSpace(["n00000002"], []), {"n00000002": "two"})
    assert rows.to_pylist() == [{"class_key": "n00000002", "name": "two", "parent_key": ""}]


@pytest.mark.parametrize(("name", "n"), [("imagenet-1k", 1000), ("imagenet-12k", 11821), ("imagenet-21k", 21841)])
def test_named_lists_are_nouns_of_wordnet(name, n):
    synsets = lexicon.synset_rows()
    known = dict(zip(synsets["wnid"].to_pylist(), synsets["name"].to_pylist(), strict=True))
    space = open_label_space(name, known)
    assert len(space.wnids) == len(set(space.wnids)) == n and space.own == []
    assert ("n02084071" in space.wnids) == (name != "imagenet-1k")  # dog has its breeds there
    assert vocabulary_rows(space, known).num_rows == n


def test_what_the_named_lists_share():
    known = lexicon.synset_rows()["wnid"].to_pylist()
    small, middle, large = (set(open_label_space(name, set(known)).wnids) for name in BUILT_IN)
    assert small - large == {"n04399382"} and middle < large and len(small - middle) == 7


def test_a_named_list_in_another_wordnet():
    with pytest.raises(WordNetVersionError, match="imagenet-1k: 1000 of its 1000"):
        open_label_space("imagenet-1k", KNOWN)


def test_a_named_list_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(label_space, "find_spec", lambda name: None)
    with pytest.raises(MissingInputError, match="Install timm"):
        open_label_space("imagenet-1k", KNOWN)
    assert set(BUILT_IN) == {"imagenet-1k", "imagenet-12k", "imagenet-21k"}


def test_a_named_list_does_not_load_torch():
    """In a process of its own, since the others have loaded it."""
    import subprocess

    code = (
        "import sys; from curate.wordnet import label_space as s; s._built_in('imagenet-1k'); "
        "sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.lists(st.sampled_from(["a", "b", "n00000001", "", "a|b", ",", '"', "x"]), max_size=4), max_size=5))
def test_any_text_is_read_or_refused(tmp_path_factory, rows):
    folder = tmp_path_factory.getbasetemp()
    try:
        space = opened(folder, "name,parent,wnid\n" + "\n".join(map(",".join, rows)))
    except CurateError:
        return
    keys = vocabulary_rows(space, {})["class_key"].to_pylist()
    assert set(keys) == {each.class_key for each in space.own}
