import io
import os
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sources.records import Record, Reject
from curate.sources.webdataset import Member, TarError, find_shards, read_members, read_shard


def tar_of(members, format=tarfile.USTAR_FORMAT, **fields):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 0.5
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


_NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\x00"), min_size=1, max_size=40)


@settings(max_examples=80)
@given(
    st.lists(st.tuples(_NAME, st.binary(max_size=1500)), max_size=6),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_members_are_those_of_tarfile(members, format):
    try:
        data = tar_of(members, format)
    except ValueError:  # a name too long for ustar
        return
    found = list(read_members(io.BytesIO(data)))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [(info.name, info.offset_data, info.size) for info in tar]
    assert [(m.name, m.offset, len(m.data)) for m in found] == expected
    assert [m.data for m in found] == [content for _, content in members]
    assert all(data[m.offset : m.offset + len(m.data)] == m.data for m in found)


@settings(max_examples=100)
@given(st.integers(0, 6000), st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=4))
def test_mangled_tars_raise_nothing_else(length, changes):
    data = bytearray(tar_of([("a.jpg", b"x" * 700), ("b" * 120 + ".json", b"{}")], tarfile.PAX_FORMAT))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        for member in read_members(io.BytesIO(bytes(data[:length]))):
            assert isinstance(member, Member | Reject)
    except TarError as error:
        assert str(error)


def test_every_cut_is_noticed():
    data = tar_of([("a.jpg", b"x" * 700), ("b.jpg", b"y" * 100)])
    end = 512 + 1024 + 512 + 512
    for length in range(0, end + 1, 128):
        with pytest.raises(TarError, match="cut off"):
            list(read_members(io.BytesIO(data[:length])))
    assert len(list(read_members(io.BytesIO(data[: end + 512])))) == 2


def test_links_folders_and_large_sizes():
    links = tar_of([("a.jpg", b"")], type=tarfile.SYMTYPE, linkname="/etc/passwd")
    assert [m.rule for m in read_members(io.BytesIO(links), "x.tar")] == ["no_regular_file"]
    assert list(read_members(io.BytesIO(tar_of([("d", b"")], type=tarfile.DIRTYPE)))) == []
    huge = bytearray(tar_of([("a.jpg", b"x")], tarfile.GNU_FORMAT))
    huge[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    huge[148:156] = b" " * 8
    huge[148:156] = b"%06o\0 " % sum(huge[:512])
    with pytest.raises(TarError, match="amid a member"):
        list(read_members(io.BytesIO(bytes(huge))))


def shard(tmp_path, members):
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(members))
    found = list(read_shard(path, "a.tar"))
    return [r for r in found if isinstance(r, Record)], [r for r in found if isinstance(r, Reject)]


def test_grouping(tmp_path):
    members = [
        ("./d/1.jpg", b"1"), ("./d/1.json", b'{"title": "t"}'), ("./d/1.txt", b"t\n"), ("./d/1.npy", b"?"),
        ("2.left.jpg", b"2"), ("2.right.jpg", b"3"),
        ("4.txt", b"first\n"), ("4.json", b'{"caption": "other"}'), ("4.cls", b"5"), ("4.webp", b"4"),
    ]  # fmt: skip
    records, rejects = shard(tmp_path, members)
    assert [(r.key, r.data, r.suffix) for r in records] == [
        ("d/1", b"1", "jpg"), ("2", b"2", "jpg"), ("2", b"3", "jpg"), ("4", b"4", "webp"),
    ]  # fmt: skip
    assert [label[:2] for label in records[0].labels] == [("title", "t")]
    assert [label[:2] for label in records[3].labels] == [
        ("caption", "other"), ("class", "5"), ("caption", "first"),
    ]  # fmt: skip
    assert [r.remarks for r in records] == [[], [], [], []]
    assert rejects == []


def test_shards_come_in_order(tmp_path):
    for name in ("b.tar", "a/c.tar", "a.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [os.path.relpath(path, tmp_path) for path in find_shards(tmp_path)] == ["a.tar", "a/c.tar", "b.tar"]
    assert find_shards(tmp_path / "a.tar") == [tmp_path / "a.tar"]
