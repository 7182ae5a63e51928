"""Broken files of every kind: one clear refusal that names the file, never a traceback."""

import gzip
import json
import lzma
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.tick_files.front import open_ticks, warm_up
from adapters.tick_files.inspect import inspect
from adapters.tick_files.source import HEAD_BYTES
from adapters.tick_files.store import StoreHeader, write_store
from engine.errors import UserError
from tests.adapters.tick_files.ticks_on_disk import Tick, lean_zip, ticks_of

LINES = "".join(f"{n},1.1,1.2\n" for n in range(200))
TSV = "<DATE>\t<TIME>\t<BID>\t<ASK>\n" + "".join(
    f"2022.11.10\t15:00:{n:02}.017\t1.08{n:03}\t1.09\n" for n in range(60)
)


def samples(folder: Path) -> dict[str, Path]:
    """One good file of every format and wrapping."""
    times = np.arange(60, dtype=np.int64)
    write_store(
        folder / "x.ticks", StoreHeader(symbol="X", digits=1), times, np.ones(60), np.ones(60)
    )
    hour = b"".join(struct.pack(">IIIff", n, 114_545, 114_543, 1.0, 1.0) for n in range(60))
    tick = {"time_msc": 1_700_000_000_000, "bid": 1.5, "ask": 1.75}
    contents = {
        "2019-02-04_10h_ticks.bi5": lzma.compress(hour, lzma.FORMAT_ALONE),
        "export.tsv": TSV.encode(),
        "export16.tsv": TSV.encode("utf-16"),
        "export.tsv.gz": gzip.compress(TSV.encode(), mtime=0),
        "capture.json": json.dumps({"metadata": {}, "ticks": [tick] * 20}).encode(),
        "capture.csv": b"ask,bid,time_msc\n" + b"1.75,1.5,1700000000000\n" * 20,
        "histdata.csv": b"20130101 170014123,1.3196,1.3198,0\n" * 20,
        "truefx.csv": b"EUR/USD,20130101 22:00:00.295,1.31961,1.3198\n" * 20,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    lean_zip(folder, "20140502", LINES)
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return samples(tmp_path_factory.mktemp("good"))


NAMES = (
    "2019-02-04_10h_ticks.bi5", "20140502_quote.zip", "capture.csv", "capture.json", "export.tsv",
    "export.tsv.gz", "export16.tsv", "histdata.csv", "truefx.csv", "x.ticks",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_are_good(good: dict[str, Path], name: str) -> None:
    ticks, (quality,) = ticks_of(("X", [good[name]]), digits={"X": 5})
    assert len(ticks) == quality.rows >= 20


@given(st.sampled_from(NAMES), st.data())
@settings(deadline=None, max_examples=400)
def test_damage_of_any_kind_is_read_or_refused_and_nothing_else(
    good: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = bytearray(good[name].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        kind = data.draw(st.sampled_from(["change", "cut", "drop", "insert", "repeat"]))
        if kind == "change" and at < len(content):
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at:]
        elif kind == "drop":
            del content[at : at + data.draw(st.integers(1, 30))]
        elif kind == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=30))
        else:
            content[at:at] = content[at : at + 40]
    path = tmp_path_factory.getbasetemp() / "damaged" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    refused = None
    ticks: list[Tick] = []
    try:
        ticks, _ = ticks_of(("X", [path]), digits={"X": 5})
    except UserError as error:
        refused = error
    assert refused is None or str(path) in str(refused.place)
    times = [tick[1] for tick in ticks]
    assert times == sorted(times)
    assert all(0.0 < bid <= ask < float("inf") for _, _, _, bid, ask in ticks)


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=200)
def test_junk_is_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk"
    path.write_bytes(junk)
    with pytest.raises(UserError) as refused:
        open_ticks([("X", [path])])
    assert str(path) in str(refused.value.place)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "the file is empty"),
        ("blank.csv", b"\r\n \r\n", "the file is empty"),
        ("empty.csv.gz", gzip.compress(b"", mtime=0), "the file is empty"),
        ("story.txt", b"Once upon a time\n", "no tick file format known here; it begins 'Once"),
        ("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "no tick file format"),
        ("a.csv.gz", gzip.compress(b"1,1,1\n" * 999, mtime=0)[:40], "broken or cut short"),
        ("a.csv.gz", b"\x1f\x8b" + b"\0" * 20, "broken or cut short"),
        ("20140502.zip", b"PK\x03\x04" + b"\0" * 20, "broken or cut short"),
        ("2019-02-04_10h_ticks.bi5", b"\x5d\0\0", "cut short"),
        ("2019-02-04_10h_ticks.bi5", lzma.compress(b"x" * 30, lzma.FORMAT_ALONE), "not whole 20"),
        ("a.json", b'{"ticks": [{"time_msc": 1', "not a whole JSON capture"),
        ("a.json", b'{"bars": []}', "not a whole JSON capture"),
        ("a.json", b"[" * 100_000, "not a whole JSON capture"),
        ("a.json", b'["\xff\xfe"]', "not a whole JSON capture"),
        ("20140502.csv", b"1,1,1\n" + b"9" * (HEAD_BYTES + 9), "a line longer than 65536 bytes"),
        ("20140502.csv", b"1,1,1\n" + b"9" * (1 << 24) + b"\n", "a line longer than 65536 bytes"),
    ],
)
def test_the_refusal_says_what_is_wrong_with_the_file(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        open_ticks([("X", [path])], digits={"X": 5})
    assert said in refused.value.message
    place = str(refused.value.place)
    assert place.startswith(str(path))
    assert "row" in place or "byte" in place


def test_a_file_cut_short_in_a_gzip_is_refused_although_its_rows_so_far_are_good(
    tmp_path: Path,
) -> None:
    path = tmp_path / "20140502.csv.gz"
    packed = gzip.compress("".join(f"{n},1.1,1.2\n" for n in range(4_000)).encode())
    path.write_bytes(packed)
    assert len(ticks_of(("X", [path]))[0]) == 4_000
    path.write_bytes(packed[:-5])
    with pytest.raises(UserError, match="broken or cut short"):
        open_ticks([("X", [path])])


def test_a_zip_with_two_tick_files_is_refused_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "20140502.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "1,1,1\n")
        archive.writestr("b.csv", "1,1,1\n")
    with pytest.raises(UserError, match=r"2 tick files: a\.csv, b\.csv"):
        open_ticks([("X", [path])])


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        open_ticks([("X", [tmp_path / "absent"])])
    with pytest.raises(UserError, match="cannot read"):
        open_ticks([("X", [tmp_path])])


def test_inspect_shows_what_a_replay_refuses(tmp_path: Path) -> None:
    path = tmp_path / "20140502.csv"
    path.write_text("1,1.1,1.2\n2,1.3,1.2\n3,1.3,1.2\n")
    with pytest.raises(UserError, match="2 of 3 rows are bad"):
        open_ticks([("X", [path])])
    seen = inspect(path)
    assert not seen.replayable
    assert seen.defects == (
        "row 2 (line 2): crossed, ask 1.2 below bid 1.3",
        "row 3 (line 3): crossed, ask 1.2 below bid 1.3",
    )


def test_warming_up_leaves_nothing_to_compile() -> None:
    warm_up()
