import pytest

from curate.errors import FormatError, MissingInputError, WordNetVersionError
from curate.wordnet.label_space import read_label_space

KNOWN = {"n00000001", "n00000002", "n00000003"}


@pytest.mark.parametrize(
    "text",
    [
        'wnid,name\nn00000002,two\nn00000001,"one, or so"\n',
        "\ufeffname,WNID\r\ntwo,n00000002\r\n\r\none,n00000001\r\n",
        "n00000002 two\nn00000001\n",
        "# ours\nn00000002\nn00000001\nn00000002\n",
    ],
)
def test_csv_and_plain_lists(tmp_path, text):
    (tmp_path / "space").write_text(text, encoding="utf-8")
    assert read_label_space(tmp_path / "space", KNOWN) == ["n00000002", "n00000001"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", FormatError, "no wnid"),
        ("wnid\n", FormatError, "no wnid"),
        ("name\ndog\n", FormatError, "line 1: 'name' is no wnid"),
        ("wnid\nn00000001\ndog\n", FormatError, "line 3: 'dog'"),
        ("n00000001\nn00000002\nn00000009\n", FormatError, "line 3: 'n00000009' is no noun of WordNet 3.0"),
        ("n00000007\nn00000008\nn00000001\n", WordNetVersionError, "2 of its 3"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, error, message):
    (tmp_path / "space").write_text(text)
    with pytest.raises(error, match=message):
        read_label_space(tmp_path / "space", KNOWN)


def test_no_such_file(tmp_path):
    with pytest.raises(MissingInputError):
        read_label_space(tmp_path / "space", KNOWN)


def test_no_text(tmp_path):
    (tmp_path / "space").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(FormatError):
        read_label_space(tmp_path / "space", KNOWN)
