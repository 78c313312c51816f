"""One tiny corpus, written in every layout that ingest reads."""

import csv
import io
import json
import tarfile
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


@dataclass(frozen=True)
class Post:
    """A photograph and what is said about it; every layout can say the wnid."""

    key: str
    seed: int
    wnid: str
    score: float
    query: str
    title: str
    caption: str
    tags: tuple[str, ...]

    @property
    def jpeg(self):
        return jpeg(self.seed)

    @property
    def sha256(self):
        return sha256(self.jpeg).hexdigest()


TENCH, TABBY = "n01440764", "n02123045"
WNIDS = (TENCH, TABBY)
QUERIES = {TENCH: "tinca tinca", TABBY: "猫 tabby"}
POSTS = [
    Post("k1", 1, TENCH, 0.5, QUERIES[TENCH], "A fish", "caught “today”, 20 kg", ("fish", "#river")),
    Post("k2", 2, TABBY, 0.25, QUERIES[TABBY], "Кот", "мой кот, смотрит", ("кот", "рыжий кот")),
    Post("k3", 3, TABBY, 1.0, QUERIES[TABBY], 'third, "quoted"\nline', "x" * 3000, ("🐈", "a b'c")),
]


@cache
def jpeg(seed):
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((24, 20), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_tar(path, members, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def metadata(post):
    return {
        "wnid": post.wnid, "query": post.query, "title": post.title, "caption": post.caption, "tags": list(post.tags),
    }  # fmt: skip


def webdataset(folder):
    members = []
    for post in POSTS:
        members += [(f"{post.key}.jpg", post.jpeg), (f"{post.key}.json", json.dumps(metadata(post)).encode()),
                    (f"{post.key}.txt", post.caption.encode())]  # fmt: skip
    write_tar(folder / "00000.tar", members)
    return folder


def img2dataset(folder):
    """Tars without JSON, and the log of the download, in which one row failed."""
    write_tar(folder / "00000.tar", [(f"{post.key}.jpg", post.jpeg) for post in POSTS])
    rows = [{"key": post.key, "status": "success", "error_message": None, "url": f"http://x/{post.key}.jpg",
             **metadata(post)} for post in POSTS]  # fmt: skip
    rows.append({"key": "k4", "status": "failed_to_download", "error_message": "HTTP 404", "url": "http://x/4.jpg"})
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    return folder


def folder_of_classes(folder):
    for post in POSTS:
        write(folder / post.wnid / f"{post.key}.jpg", post.jpeg)
    return folder


def _rows(folder):
    for post in POSTS:
        write(folder / "img" / f"{post.key}.jpg", post.jpeg)
        yield {"path": f"img/{post.key}.jpg", "score": post.score, **metadata(post)}


def csv_list(folder, delimiter=",", name="list.csv"):
    rows = [{**row, "tags": "|".join(row["tags"])} for row in _rows(folder)]
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return folder / name


def tsv_list(folder):
    return csv_list(folder, "\t", "list.tsv")


def jsonl_list(folder):
    write(folder / "list.jsonl", "".join(json.dumps(row) + "\n" for row in _rows(folder)))
    return folder / "list.jsonl"


def parquet_list(folder):
    pq.write_table(pa.Table.from_pylist(list(_rows(folder))), folder / "list.parquet")
    return folder / "list.parquet"


def jft_list(folder):
    """No header; an image comes once per label, its rows apart; two labels beside the wnid."""
    rows = [(row["path"], row["wnid"], row["score"]) for row in _rows(folder)]
    rows += [(path, label, score) for path, _, score in rows for label in ("/m/01yrx", "some cat")]
    write(folder / "list.tsv", "".join(f"{path}\t{label}\t{score}\n" for path, label, score in rows))
    return folder / "list.tsv"


def hf_parquet(folder, image="image"):
    """Two shards; classes are numbers with names in the schema."""
    (folder / "data").mkdir(parents=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {image: {"_type": "Image"}, "label": {"names": list(WNIDS), "_type": "ClassLabel"}}
    for number, posts in enumerate((POSTS[:2], POSTS[2:])):
        rows = {
            image: pa.array([{"bytes": post.jpeg, "path": f"{post.key}.jpg"} for post in posts], kind),
            "label": pa.array([WNIDS.index(post.wnid) for post in posts], pa.int64()),
            "query": [post.query for post in posts], "title": [post.title for post in posts],
            "text": [post.caption for post in posts], "tags": [list(post.tags) for post in posts],
            "score": [post.score for post in posts],
        }  # fmt: skip
        schema = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        table = pa.table(rows).replace_schema_metadata(schema)
        pq.write_table(table, folder / "data" / f"train-{number:05d}-of-00002.parquet", row_group_size=1)
    return folder


def webvision(folder, version=1, posts=POSTS):
    """Classes count from 0 in the list and from 1 in the map of queries; query 1 is unused."""
    images = "google" if version == 1 else "google_images_resized"
    listed, meta = [], []
    for number, wnid in enumerate(WNIDS):
        entries = [{"id": "other", "title": "of another image"}]
        for post in posts:
            if post.wnid == wnid:
                entries.append(
                    {"id": post.key, "title": post.title, "description": post.caption, "tags": list(post.tags)}
                )
                write(folder / images / f"q{number + 2:04d}" / f"{post.key}.jpg", post.jpeg)
                listed.append(f"google/q{number + 2:04d}/{post.key}.jpg {number}\n")
                meta.append(f"google/q{number + 2:04d}.json {len(entries)}\n")
        write(folder / ("google_json" if version == 1 else "google") / f"q{number + 2:04d}.json", json.dumps(entries))
    queries = "".join(f"{number + 2} {QUERIES[wnid]}\n" for number, wnid in enumerate(WNIDS))
    info = {
        "train_filelist_google.txt": "".join(listed), "train_meta_list_google.txt": "".join(meta),
        "queries_google.txt" if version == 1 else "queries.txt": "1 unused\n" + queries,
        "queries_synsets_map.txt": "1 1\n2 1\n3 2\n", "synsets.txt": f"{TENCH} tench, Tinca tinca\n{TABBY} tabby\n",
    }  # fmt: skip
    for name, content in info.items():
        write(folder / "info" / name, content)
    return folder


def webvision2(folder):
    return webvision(folder, version=2)
