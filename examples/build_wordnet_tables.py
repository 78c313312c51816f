"""Rebuilds the WordNet tables that ship in curate/wordnet/data, and proves their counts.

Needs the files of WordNet 3.0 (Debian: apt-get install wordnet-base), nltk, whose reader does the parsing, and timm,
whose package data list the synsets of ImageNet's editions: which synsets people found worth collecting pictures of.

    python examples/build_wordnet_tables.py                # write curate/wordnet/data
    python examples/build_wordnet_tables.py --check        # rebuild elsewhere and compare

The same pyarrow version writes the same bytes. Another version may encode the same rows in other bytes; --check then
compares rows, and says so.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.wordnet.hierarchy import node_depths, parent_links
from curate.wordnet.lexicon import DATA
from curate.wordnet.normalize import squash

FILES = [f"{kind}.{pos}" for kind in ("data", "index") for pos in ("noun", "verb", "adj", "adv")]
FILES += ["noun.exc", "verb.exc", "adj.exc", "adv.exc", "index.sense", "cntlist.rev"]

# Debian leaves this file out; nltk wants it. Order = lexicographer file number.
LEXNAMES = """adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body
noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object
noun.person noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state
noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption
verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative
verb.weather adj.ppl"""
EDITIONS = (("imagenet22k_synsets",), ("imagenet12k_synsets", "imagenet21k_miil_synsets"), ("imagenet_synsets",))
"""Lists of timm with ever fewer synsets: any pictures, several hundred, the thousand of the challenge."""

GLOSS_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*")
COMMON = 1500
"""Glosses that a word may be in to tell them apart; some hundred commoner ones are left out."""

PART_OF_SPEECH = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


def open_wordnet(folder: Path, nltk_data: Path) -> Any:
    """Nltk's reader over the files of a WordNet folder; nltk reads only below NLTK_DATA."""
    corpus = nltk_data / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for name in FILES:
        if (folder / name).exists():
            shutil.copy(folder / name, corpus / name)
    lines = [f"{i:02d}\t{name}\t{PART_OF_SPEECH[name.split('.')[0]]}" for i, name in enumerate(LEXNAMES.split())]
    (corpus / "lexnames").write_text("\n".join(lines) + "\n")
    os.environ["NLTK_DATA"] = str(nltk_data)
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    return WordNetCorpusReader(str(corpus), None)


def wnid_of(synset: Any) -> str:
    return f"n{synset.offset():08d}"


def collected_synsets() -> dict[str, int]:
    """1 for the synsets of ImageNet-21k, 2 for those with several hundred pictures, 3 for those of ImageNet-1k."""
    spec = find_spec("timm")  # found, not imported: that would load torch
    if spec is None or not spec.submodule_search_locations:
        sys.exit("timm is not installed, and its package data say which synsets ImageNet has. Run pip install timm.")
    folder = Path(spec.submodule_search_locations[0]) / "data" / "_info"
    level: dict[str, int] = {}
    for i, names in enumerate(EDITIONS, 1):
        level |= dict.fromkeys((w for name in names for w in (folder / f"{name}.txt").read_text().split()), i)
    return level


def build_tables(reader: Any) -> dict[str, pa.Table]:
    """Rows of all tables: synsets by offset, lemmas in the order of their synset, the others by key."""
    nouns = sorted(reader.all_synsets("n"), key=lambda synset: synset.offset())
    senses: dict[str, list[int]] = {}
    lemmas, hypernyms = [], []
    for synset in nouns:
        for lemma in synset.lemmas():
            word = lemma.name().lower()
            if word not in senses:
                senses[word] = [sense.offset() for sense in reader.synsets(word, pos="n")]
            rank = senses[word].index(synset.offset()) + 1
            lemmas.append((wnid_of(synset), lemma.name().replace("_", " "), rank, lemma.count()))
        hypernyms += [(wnid_of(synset), wnid_of(parent), False) for parent in synset.hypernyms()]
        hypernyms += [(wnid_of(synset), wnid_of(parent), True) for parent in synset.instance_hypernyms()]
    # nltk keeps the exception lists to itself under this name; morphy() would give only the first base form.
    exceptions = sorted(
        (form.replace("_", " "), base.replace("_", " "))
        for form, bases in reader._exception_map["n"].items()
        for base in dict.fromkeys(bases)
    )
    gloss_vocabulary, glosses = gloss_words(reader, nouns)
    level = collected_synsets()
    synsets = [(wnid_of(s), s.lexname(), level.get(wnid_of(s), 0), bool(s.topic_domains())) for s in nouns]
    flags = {"collected": pa.int8(), "is_topical": pa.bool_()}
    return {
        "parts_of_speech": _table(
            parts_of_speech(reader, {squash(lemma) for _, lemma, *_ in lemmas}),
            squashed=pa.string(),
            n_verb=pa.int16(),
            n_adjective=pa.int16(),
        ),
        "synsets": _table(synsets, wnid=pa.string(), lexname=pa.string(), **flags),
        "lemmas": _table(lemmas, wnid=pa.string(), lemma=pa.string(), sense_rank=pa.int16(), tag_count=pa.int16()),
        "hypernyms": _table(sorted(hypernyms), wnid=pa.string(), hypernym_wnid=pa.string(), is_instance=pa.bool_()),
        "gloss_vocabulary": pa.table({"word": pa.array(gloss_vocabulary, pa.string())}),
        "glosses": _table(glosses, words=pa.list_(pa.int16()), parts=pa.list_(pa.int32())),
        "exceptions": _table(exceptions, form=pa.string(), base=pa.string()),
    }


def parts_of_speech(reader: Any, nouns: set[str]) -> list[tuple[str, int, int]]:
    """How often words that are nouns stand as verbs and as adjectives in WordNet's tagged texts, where they do.

    A noun in -ing has the count of its verb besides (riding: ride), a third of it: one form of three.
    """
    counts: dict[str, list[int]] = {}
    for i, pos in enumerate("va"):
        for lemma in reader.all_lemma_names(pos):
            n = sum(each.count() for each in reader.lemmas(lemma, pos))
            counts.setdefault(squash(lemma), [0, 0])[i] += n
    for noun in nouns:
        if noun.endswith("ing"):
            stem = noun[:-3]
            bases = {stem, stem + "e", stem[:-1] if stem[-2:-1] == stem[-1:] else stem}
            counts.setdefault(noun, [0, 0])[0] += max(counts.get(base, [0])[0] for base in sorted(bases)) // 3
    return sorted((word, verb, adj) for word, (verb, adj) in counts.items() if word in nouns and verb + adj)


def gloss_words(reader: Any, nouns: list[Any]) -> tuple[list[str], list[tuple[list[int], list[int]]]]:
    """What each gloss speaks of: base forms of its rarer words, with its field (music, baseball); no sentences.

    Returns:
        The words, commonest first; and for each synset the places of its words among these, ascending, and those of the
        synsets that are parts, members or substance of it among all synsets, ascending.
    """
    base: dict[str, str] = {}

    def base_form(token: str) -> str:
        if token not in base:
            forms = (reader.morphy(token, pos) for pos in "nvar")
            base[token] = squash(next((form for form in forms if form), ""))
        return base[token]

    found = []
    for synset in nouns:
        fields = [field.lemma_names()[0] for field in synset.topic_domains()]
        text = " ".join([synset.definition(), *synset.examples(), *fields])
        tokens = {piece for token in GLOSS_TOKEN.findall(text.lower()) for piece in (token, *token.split("-"))}
        found.append({base_form(token) for token in tokens if len(token) > 2} - {""})
    counts = Counter(word for words in found for word in words)
    # A word of a single gloss can only meet a noun's own name.
    named = {squash(part) for s in nouns for name in s.lemma_names() for part in (name, *name.split("_"))}
    ranked = sorted((-n, word) for word, n in counts.items() if n <= COMMON and (n > 1 or word in named))
    words = [word for _, word in ranked]
    place = {word: i for i, word in enumerate(words)}
    number = {synset: i for i, synset in enumerate(nouns)}
    rows = []
    for synset, own in zip(nouns, found, strict=True):
        below = synset.part_meronyms() + synset.member_meronyms() + synset.substance_meronyms()
        rows.append((sorted(place[w] for w in own if w in place), sorted({number[part] for part in below})))
    return words, rows


def _table(rows: list[tuple[Any, ...]], **types: pa.DataType) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, types.values(), strict=True)], list(types))


def prove_counts(tables: dict[str, pa.Table]) -> None:
    """Compare with what is known of WordNet 3.0's nouns."""
    wnids = tables["synsets"]["wnid"].to_pylist()
    links = tables["hypernyms"]
    children, parents = parent_links(wnids, links["wnid"], links["hypernym_wnid"])
    with_parent = set(children.tolist())
    found = {
        "synsets": len(wnids),
        "roots": len(wnids) - len(with_parent),
        "greatest depth": int(node_depths(children, parents, len(wnids)).max()),
        "squashed lemmas": len({squash(lemma) for lemma in tables["lemmas"]["lemma"].to_pylist()}),
    }
    known = {"synsets": 82115, "roots": 1, "greatest depth": 19, "squashed lemmas": 116654}
    for what, count in found.items():
        print(f"{what}: {count}" + ("" if count == known[what] else f", but WordNet 3.0 has {known[what]}"))
    if found != known:
        sys.exit("These are not the nouns of WordNet 3.0; nothing was written.")


def write_tables(tables: dict[str, pa.Table], folder: Path) -> None:
    text = {"wnid", "hypernym_wnid", "lemma", "form", "base", "squashed", "word"}
    for name, table in tables.items():
        encodings = {c: "DELTA_BYTE_ARRAY" for c in table.column_names if c in text}
        lists = [c for c in table.column_names if pa.types.is_list(table.schema.field(c).type)]
        encodings |= {f"{c}.list.element": "BYTE_STREAM_SPLIT" for c in lists}
        others = [c for c in table.column_names if c not in text and c not in lists]
        pq.write_table(
            table,
            folder / f"{name}.parquet",
            compression="zstd",
            compression_level=19,
            use_dictionary=others,
            column_encoding=encodings,
            row_group_size=1 << 20,
            data_page_size=1 << 24,
            write_statistics=False,
        )


def compare(built: Path, shipped: Path) -> bool:
    """Print, file by file, whether bytes or at least rows are equal."""
    good = True
    for file in sorted(built.glob("*.parquet")):
        other = shipped / file.name
        same_bytes = other.exists() and file.read_bytes() == other.read_bytes()
        same_rows = same_bytes or (other.exists() and pq.read_table(file).equals(pq.read_table(other)))
        print(f"{file.name}: {'same bytes' if same_bytes else 'same rows' if same_rows else 'DIFFERENT'}")
        good &= same_rows
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--check", action="store_true", help="compare with --out instead of writing it")
    options = parser.parse_args()
    if not (options.wordnet / "data.noun").exists():
        sys.exit(f"{options.wordnet}: no data.noun there. Install wordnet-base or name a folder with --wordnet.")
    with tempfile.TemporaryDirectory() as scratch:
        tables = build_tables(open_wordnet(options.wordnet, Path(scratch) / "nltk_data"))
        prove_counts(tables)
        if options.check:
            write_tables(tables, Path(scratch))
            sys.exit(0 if compare(Path(scratch), options.out) else 1)
        write_tables(tables, options.out)
    size = sum(file.stat().st_size for file in options.out.glob("*.parquet"))
    print(f"{options.out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
