import hashlib
import pickle
import random

import duckdb
import pyarrow as pa
import pytest

from curate.errors import MissingInputError, ParameterError
from curate.schema import check_rows, conform, digest_rows
from curate.stages import load_wordnet
from curate.stages.map_labels import STAGE
from tests.tables import MemoryTables
from tests.wordnet.conftest import raw_labels
from tests.wordnet.pieces import wordnet_piece

POSTS = {
    "egret": [("hashtag", "#egret"), ("hashtag", "crane"), ("caption", "wading birds, no ukulele")],
    "crane": [("hashtag", "crane")],
    "mixed": [("query", "platypus photo"), ("title", "File:platypus.jpg"), ("hashtag", ""), ("hashtag", "写真")],
    "words": [("hashtag", "love"), ("hashtag", "the"), ("hashtag", "xqzzy"), ("caption", "as he was in it")],
    "given": [("wnid", "n01873310"), ("wnid", "n00000000"), ("mid", "/m/写真写真"), ("class", "n02084071 dog")],
    "spoken": [("hashtag", "ukulele"), ("title", "Thinking of the ukulele"), ("hashtag", "ukelele")],
    "other": [("hashtag", "platypus", "fr"), ("caption", "un platypus", "fr"), ("hashtag", "#egret #dog")],
}


@pytest.fixture(scope="module")
def wordnet():
    return wordnet_piece("crane", "egret", "wadingbird", "ukulele", "platypus", "dog", "love", "a", "it", "as")


def map_all(wordnet, rows, **params):
    """All parts of mentions, as the runner makes them."""
    tables = MemoryTables({**wordnet, "raw_labels": rows})
    chosen = STAGE.params(**params)
    worker = STAGE.make_worker(tables, chosen)
    parts = [conform(worker(part.load())["mentions"], "mentions") for part in STAGE.parts(tables, chosen)]
    mentions = pa.concat_tables(parts)
    check_rows(mentions, "mentions")
    return mentions


def run(wordnet, rows, **params):
    """mentions, and label_map gathered from them."""
    mentions, chosen = map_all(wordnet, rows, **params), STAGE.params(**params)
    gathered = MemoryTables({**wordnet, "raw_labels": rows, "mentions": mentions})
    label_map = conform(STAGE.gather(gathered, chosen)["label_map"], "label_map")
    check_rows(label_map, "label_map")
    return mentions, label_map


def test_every_raw_label_has_a_mention_with_a_class_or_a_rule(wordnet):
    mentions, label_map = run(wordnet, raw_labels(POSTS))
    found = {(m["image_id"], m["field"], m["position"]): (m["class_key"], m["rule"]) for m in mentions.to_pylist()}
    assert found == {
        ("egret", "hashtag", 0): ("n02008796", "exact"),
        ("egret", "hashtag", 1): ("n02012849", "context"),
        ("egret", "caption", 0): ("", "not_shown"),  # the last term of the caption
        ("crane", "hashtag", 0): ("", "ambiguous"),
        ("mixed", "query", 0): ("n01873310", "exact"),
        ("mixed", "title", 0): ("n01873310", "exact"),
        ("mixed", "hashtag", 0): ("", "empty"),
        ("mixed", "hashtag", 1): ("", "other_script"),
        ("words", "hashtag", 0): ("", "non_visual"),
        ("words", "hashtag", 1): ("", "function_word"),
        ("words", "hashtag", 2): ("", "not_in_wordnet"),
        ("words", "caption", 0): ("", "no_term_found"),
        ("given", "wnid", 0): ("n01873310", "wnid"),
        ("given", "wnid", 1): ("", "unknown_wnid"),
        ("given", "mid", 0): ("", "unsupported_mid"),
        ("given", "class", 0): ("n02084071", "wnid"),
        ("spoken", "hashtag", 0): ("", "not_shown"),
        ("spoken", "title", 0): ("", "not_shown"),
        ("spoken", "hashtag", 1): ("", "not_shown"),
        ("other", "hashtag", 0): ("", "other_language"),
        ("other", "caption", 0): ("", "other_language"),
        ("other", "hashtag", 1): ("n02084071", "sense_prior"),  # the last of two
    }
    assert all((m["confidence"] > 0) == (m["class_key"] != "") for m in mentions.to_pylist())
    surfaces = set(mentions["surface"].to_pylist()) - {""}
    assert surfaces == set(label_map["surface"].to_pylist())
    refused = {row["surface"]: row["rule"] for row in label_map.to_pylist() if row["candidate"] == ""}
    assert refused["xqzzy"] == "not_in_wordnet"


def test_order_and_parts_do_not_matter(wordnet):
    whole = raw_labels(POSTS)
    order = list(range(whole.num_rows))
    random.Random(5).shuffle(order)
    images = [image.as_py() for image in whole["image_id"]]
    halves = [whole.filter(pa.array([(image in ("egret", "words")) == first for image in images])) for first in (0, 1)]
    digests = {
        (digest_rows(mentions, "mentions"), digest_rows(label_map, "label_map"))
        for mentions, label_map in (run(wordnet, rows) for rows in (whole, whole.take(pa.array(order)), halves))
    }
    assert len(digests) == 1


def test_no_labels_at_all(wordnet):
    mentions, label_map = run(wordnet, raw_labels(POSTS).slice(0, 0))
    assert mentions.num_rows == label_map.num_rows == 0


def test_label_space_from_a_file(wordnet, tmp_path):
    (tmp_path / "classes.csv").write_text("wnid,name\nn02083346,canine\nn01503061,bird\n")
    mentions, _ = run(wordnet, raw_labels(POSTS), classes=str(tmp_path / "classes.csv"))
    assert {m["class_key"] for m in mentions.to_pylist() if m["image_id"] == "given"} == {"n02083346", ""}


def test_fixed_senses_are_the_same_in_every_post(wordnet):
    mentions, label_map = run(wordnet, raw_labels(POSTS), senses="group")
    cranes = {m["class_key"] for m in mentions.to_pylist() if m["surface"] == "crane"}
    assert len(cranes) == 1
    assert cranes == {row["candidate"] for row in label_map.to_pylist() if row["surface"] == "crane"}


def test_a_vocabulary_of_ones_own(wordnet, tmp_path):
    (tmp_path / "own.csv").write_text("name,parent,synonyms\nodd beast,,platypus|ukulele\nhound,odd beast,dog\n")
    posts = POSTS | {"own": [("caption", "two odd beasts"), ("hashtag", "oddbeast"), ("hashtag", "myhound")]}
    mentions, label_map = run(wordnet, raw_labels(posts), classes=str(tmp_path / "own.csv"))
    keys = {m["class_key"] for m in mentions.to_pylist() if m["image_id"] == "own"}
    assert keys == {"u:odd beast", "u:hound"}
    assert {"u:odd beast", "u:hound"} <= set(label_map["candidate"].to_pylist())


def test_word_lists_of_ones_own(wordnet, tmp_path):
    (tmp_path / "stop.txt").write_text("platypus\n")
    (tmp_path / "ratings.tsv").write_text("Word\tConc.M\nukulele\t1.1\n")
    lists = {"stop_list": str(tmp_path / "stop.txt"), "concreteness": str(tmp_path / "ratings.tsv")}
    posts = {"a": [("hashtag", "platypus"), ("hashtag", "ukuleles"), ("hashtag", "egret")]}
    mentions, _ = run(wordnet, raw_labels(posts), **lists)
    assert mentions["rule"].to_pylist() == ["non_visual", "abstract", "exact"]


def test_the_vocabulary_is_written_down(wordnet, tmp_path):
    (tmp_path / "classes.txt").write_text("n02084071\n")
    tables = MemoryTables({**wordnet, "raw_labels": raw_labels(POSTS)}, empty=["mentions"])
    rows = STAGE.gather(tables, STAGE.params(classes=str(tmp_path / "classes.txt")))["vocabulary"].to_pylist()
    assert [(row["class_key"], row["name"]) for row in rows] == [("n02084071", "dog")]
    assert STAGE.gather(tables, STAGE.params())["vocabulary"].num_rows == 0


def test_precision_and_coverage_on_web_posts(data):
    """Synonym tags of held-out posts reach their class; what names no class reaches none."""
    con = duckdb.connect()
    con.execute(f"CREATE VIEW tags AS FROM '{data}/webposts/truth/tags.parquet'")
    tags = con.execute(
        "SELECT DISTINCT key, field, raw_tag, class_wnid, role FROM tags WHERE field <> 'caption' ORDER BY ALL"
    ).fetchall()
    held_out = [tag for tag in tags if int(hashlib.sha256(tag[0].encode()).hexdigest(), 16) % 2]
    posts, expected = {}, {}
    for key, name, text, wnid, role in held_out:
        labels = posts.setdefault(key, [])
        name = {"hashtags": "hashtag"}.get(name, name)
        expected[key, name, sum(n == name for n, _ in labels)] = (wnid, role)
        labels.append((name, text))
    wordnet = load_wordnet.STAGE.run(MemoryTables({}), load_wordnet.STAGE.params())
    mentions = map_all(wordnet, raw_labels(posts), classes=str(data / "webposts" / "vocab.csv"))
    found = {(m["image_id"], m["field"], m["position"]): m["class_key"] for m in mentions.to_pylist() if m["class_key"]}
    synonyms = {place: wnid for place, (wnid, role) in expected.items() if role == "synonym"}
    n_right = sum(found.get(place) == wnid for place, wnid in synonyms.items())
    n_wrong = sum(place in found for place in synonyms) - n_right
    assert n_right >= 0.95 * len(synonyms)
    assert n_wrong <= 0.01 * len(synonyms)
    judged = {place: key for place, key in found.items() if expected[place][1] != "garbage"}
    assert sum(expected[place][0] == key for place, key in judged.items()) >= 0.98 * len(judged)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"classes": "no/such/file"}, MissingInputError),
        ({"stop_list": "no/such/file"}, MissingInputError),
        ({"concreteness": "no/such/file"}, MissingInputError),
        ({"min_confidence": 1.5}, ParameterError),
        ({"min_confidence": float("nan")}, ParameterError),
    ],
)
def test_wrong_parameters_are_told_before_any_work(wordnet, params, error):
    with pytest.raises(error):
        list(STAGE.parts(MemoryTables({**wordnet, "raw_labels": raw_labels(POSTS)}), STAGE.params(**params)))


def test_workers_can_be_made_in_other_processes():
    assert STAGE.pool == "process"
    assert pickle.loads(pickle.dumps(STAGE.make_worker)) is STAGE.make_worker
