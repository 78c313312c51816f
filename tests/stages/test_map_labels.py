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
from tests.wordnet.pieces import wordnet_piece

POSTS = {
    "egret": [("hashtag", "#egret"), ("hashtag", "crane"), ("caption", "wading birds, no ukulele")],
    "crane": [("hashtag", "crane")],
    "mixed": [("query", "platypus photo"), ("title", "File:platypus.jpg"), ("hashtag", ""), ("hashtag", "写真")],
    "words": [("hashtag", "love"), ("hashtag", "the"), ("hashtag", "xqzzy"), ("caption", "as he was in it")],
    "given": [("wnid", "n01873310"), ("wnid", "n00000000"), ("mid", "/m/0bt9lr"), ("class", "n02084071")],
}


def raw_labels(posts=POSTS):
    rows, counts = [], {}
    for image, labels in posts.items():
        for name, text in labels:
            position = counts[image, name] = counts.get((image, name), -1) + 1
            rows.append({"image_id": image, "field": name, "position": position, "raw_label": text})
    return conform(pa.Table.from_pylist([row | {"score": None, "language": None} for row in rows]), "raw_labels")


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
    mentions, label_map = run(wordnet, raw_labels())
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
    }
    assert all((m["confidence"] > 0) == (m["class_key"] != "") for m in mentions.to_pylist())
    surfaces = set(mentions["surface"].to_pylist()) - {""}
    assert surfaces == set(label_map["surface"].to_pylist())
    refused = {row["surface"]: row["rule"] for row in label_map.to_pylist() if row["candidate"] == ""}
    assert refused["xqzzy"] == "not_in_wordnet"


def test_order_and_parts_do_not_matter(wordnet):
    whole = raw_labels()
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
    mentions, label_map = run(wordnet, raw_labels().slice(0, 0))
    assert mentions.num_rows == label_map.num_rows == 0


def test_label_space_from_a_file(wordnet, tmp_path):
    (tmp_path / "classes.csv").write_text("wnid,name\nn02083346,canine\nn01503061,bird\n")
    mentions, _ = run(wordnet, raw_labels(), classes=str(tmp_path / "classes.csv"))
    assert {m["class_key"] for m in mentions.to_pylist() if m["image_id"] == "given"} == {"n02083346", ""}


def test_fixed_senses_are_the_same_in_every_post(wordnet):
    mentions, label_map = run(wordnet, raw_labels(), senses="group")
    cranes = {m["class_key"] for m in mentions.to_pylist() if m["surface"] == "crane"}
    assert len(cranes) == 1
    assert cranes == {row["candidate"] for row in label_map.to_pylist() if row["surface"] == "crane"}


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
    assert n_right >= 0.9 * len(synonyms)
    assert n_right >= 0.99 * sum(place in found for place in synonyms)
    judged = {place: key for place, key in found.items() if expected[place][1] != "garbage"}
    assert sum(expected[place][0] == key for place, key in judged.items()) >= 0.98 * len(judged)


@pytest.mark.parametrize(
    ("params", "error"),
    [({"classes": "no/such/file"}, MissingInputError), ({"min_confidence": 1.5}, ParameterError)],
)
def test_wrong_parameters_are_told_before_any_work(wordnet, params, error):
    with pytest.raises(error):
        list(STAGE.parts(MemoryTables({**wordnet, "raw_labels": raw_labels()}), STAGE.params(**params)))


def test_workers_can_be_made_in_other_processes():
    assert STAGE.pool == "process"
    assert pickle.loads(pickle.dumps(STAGE.make_worker)) is STAGE.make_worker
