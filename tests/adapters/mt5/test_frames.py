"""Frames: ASCII, one line, typed; errors name the place and never what was there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mt5 import frames
from adapters.mt5.frames import BadFrameError, decode_from_engine, decode_from_terminal, encode
from engine.link import Action
from tests.adapters.mt5.link_samples import deal, hello, position


def test_the_kind_comes_first_and_the_line_is_ascii() -> None:
    line = encode(frames.Deal(n=1, gmt_msc=2, deal=deal(3)))
    assert line.startswith(b'{"t":"d",')
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert encode(hello()).isascii()


@given(st.text(max_size=40))
def test_any_comment_survives_the_escaping(comment: str) -> None:
    text = comment.encode("utf-8", "replace").decode()
    frame = frames.Result(n=1, gmt_msc=2, intent_id="i", retcode=10009, comment=text)
    line = encode(frame)
    assert line.isascii()
    assert decode_from_terminal(line[:-1]) == frame
    assert json.loads(line)["comment"] == text


def test_keys_of_a_newer_terminal_are_let_pass() -> None:
    line = b'{"t":"k","n":4,"later":{"x":[1,2]}}'
    assert decode_from_engine(line) == frames.Acknowledged(n=4)


QUOTE = b'{"t":"q","n":1,"gmt_msc":5,"quotes":[["EURUSD",1,%s,1.1,2]]}'


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (QUOTE % b'"1.1"', "$.quotes[0][2]"),
        (QUOTE % b"1e999", "$.quotes[0][2]"),
        (QUOTE % b"null", "$.quotes[0][2]"),
        (QUOTE % b"true", "$.quotes[0][2]"),
        (QUOTE % b"NaN", "not JSON"),
        (b'{"t":"q","n":1,"gmt_msc":5,"quotes":[["EURUSD",1]]}', "$.quotes[0]"),
        (b'{"t":"q","n":0,"gmt_msc":5,"quotes":[]}', "$.n"),
        (b'{"t":"q","n":1.5,"gmt_msc":5,"quotes":[]}', "$.n"),
        (b'{"t":"q","n":true,"gmt_msc":5,"quotes":[]}', "$.n"),
        (b'{"t":"q","n":' + b"9" * 5000 + b',"gmt_msc":5,"quotes":[]}', "$.n"),
        (b'{"t":"q","gmt_msc":5,"quotes":[]}', "$"),
        (b'{"t":"zz","n":1}', "$.t"),
        (b'{"n":1}', "$"),
        (b"[1]", "$"),
        (b"null", "$"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"t":"k","n":1}', "$.t"),
        (b'{"t":"q","x":' + b"[" * 60_000, "not JSON"),
        (b'{"t":"b\xc3\xa9"}', "not ASCII"),
    ],
)
def test_what_is_no_frame_is_refused_by_its_place(line: bytes, where: str) -> None:
    with pytest.raises(BadFrameError) as caught:
        decode_from_terminal(line)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        b'{"t":"canary"}',
        b'{"t":"h","v":1,"login":"canary"}',
        b'{"t":"a","hmac":"canary"}',
        b"canary",
        b'{"t":"e","code":"Canary"}',
        b'{"t":"s","canary":1,"n":"canary"}',
    ],
)
def test_an_error_never_shows_what_was_sent(line: bytes) -> None:
    with pytest.raises(BadFrameError) as caught:
        decode_from_terminal(line)
    shown = f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__suppress_context__}"
    assert "anary" not in shown
    assert caught.value.__suppress_context__


def test_absent_parts_of_a_command_are_left_out() -> None:
    line = encode(frames.Command(action=Action.CLOSE, intent_id="int_1", epoch=3, ttl_ms=5000))
    assert set(json.loads(line)) == {"t", "action", "intent_id", "epoch", "ttl_ms"}


@given(st.lists(st.integers(1, 50), max_size=30))
def test_records_are_packed_into_stretches_that_fit(sizes: list[int]) -> None:
    records = [b"x" * size for size in sizes]
    ends = frames.packed(records, 60)
    assert ends[-1] == len(records)
    starts = [0, *ends]
    for start, end in zip(starts, ends, strict=False):
        assert sum(len(record) + 1 for record in records[start:end]) <= 61
    assert ends == sorted(ends)


def test_a_position_reads_with_the_names_of_the_terminals_own_library() -> None:
    record = json.loads(frames.encode_record(position(7)))
    assert record["price_open"] == 1.095
    assert record["identifier"] == 7
