import pytest

from curate.errors import FormatError, MissingInputError
from curate.wordnet.concreteness import read_concreteness

HEADER = "Word\tBigram\tConc.M\tConc.SD\tUnknown\n"


def _written(tmp_path, text):
    file = tmp_path / "ratings.tsv"
    file.write_text(text, encoding="utf-8")
    return file


def test_words_and_phrases_are_squashed(tmp_path):
    file = _written(tmp_path, HEADER + 'Zebra\t0\t4.93\t0.2\t0\nfire truck\t1\t4.9\t0.3\t0\n"hope\t0\t1.2\t0.3\t0\n\n')
    assert read_concreteness(file) == {"zebra": 4.93, "firetruck": 4.9, "hope": 1.2}


def test_spellings_of_one_word_are_averaged(tmp_path):
    file = _written(tmp_path, HEADER + "ice cream\t1\t5.0\t0\t0\nicecream\t0\t4.0\t0\t0\n")
    assert read_concreteness(str(file)) == {"icecream": 4.5}


def test_columns_are_found_by_name(tmp_path):
    assert read_concreteness(_written(tmp_path, "\ufeffConc.M\tWord\n2\tlove\n")) == {"love": 2.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns none"),
        ("Word,Conc.M\nzebra,4\n", "has the columns Word,Conc.M"),
        (HEADER, "has no rated word"),
        (HEADER + "zebra\t0\tvery\n", "line 2: Conc.M is 'very'"),
        (HEADER + "zebra\t0\t4\nlion\t0\t6\n", "line 3: Conc.M is '6'"),
        (HEADER + "zebra\t0\tnan\n", "line 2: Conc.M is 'nan'"),
        (HEADER + "zebra\n", "line 2: Conc.M is ''"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path, text, said):
    with pytest.raises(FormatError, match=said):
        read_concreteness(_written(tmp_path, text))


def test_no_text_is_refused(tmp_path):
    file = tmp_path / "ratings.tsv"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="cannot be read"):
        read_concreteness(file)
    with pytest.raises(FormatError, match="cannot be read"):
        read_concreteness(tmp_path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(MissingInputError, match="Brysbaert"):
        read_concreteness(tmp_path / "none.tsv")


def test_published_ratings(data):
    ratings = read_concreteness(data / "tags" / "concreteness_brysbaert2014.tsv")
    assert len(ratings) > 39_000
    assert ratings["zebra"] > 4.5 > 2.5 > ratings["hope"]
