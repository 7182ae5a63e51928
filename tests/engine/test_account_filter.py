"""The filter language: what each term picks, and what is refused in which words."""

import pytest
from msgspec.structs import replace

from engine.account_filter import FilterError, parse_filter, room_of, used_of
from engine.domain.snapshot import Snapshot
from tests.facade.fake_desk import FakeDesk, key_of


def snapshots(bid: float = 1.1010) -> list[Snapshot]:
    """1001 and 1002, long 1 lot from 1.1, on this quote; 1003 holds nothing."""
    desk, flat = FakeDesk((1001, 1002)), FakeDesk((1003,), lots=0.0)
    desk.tick(bid)
    flat.tick(bid)
    return [desk.snapshot(key_of(1001)), desk.snapshot(key_of(1002)), flat.snapshot(key_of(1003))]


def picked(text: str, bid: float = 1.1010) -> list[int]:
    wanted = parse_filter(text)
    return [one.login for one in snapshots(bid) if wanted(one)]


@pytest.mark.parametrize(
    ("text", "logins"),
    [
        ("", [1001, 1002, 1003]),
        ("1002", [1002]),
        ("1001,1003", [1001, 1003]),
        ("server:demo-1", [1001, 1002, 1003]),
        ("server:Demo-9", []),
        ("symbol:eurusd", [1001, 1002]),
        ("symbol:XAUUSD,EURUSD 1002", [1002]),
        ("guard:floor", [1001, 1002, 1003]),
        ("guard:other", []),
        ("state:known", [1001, 1002, 1003]),
        ("state:warn,breach", []),
        ("equity>10000", [1001, 1002]),
        ("equity<=10000", [1003]),
        ("tag:funded", []),
    ],
)
def test_a_term_picks_what_it_names(text: str, logins: list[int]) -> None:
    assert picked(text) == logins


def test_room_and_used_are_of_the_guard_most_used() -> None:
    lower = snapshots(1.0915)[0]  # 850 of the 1,000 that may be lost
    assert (room_of(lower), used_of(lower)) == (150.0, 85.0)
    assert picked("used>80", 1.0915) == [1001, 1002]
    assert picked("used>=85 room<=150", 1.0915) == [1001, 1002]
    assert picked("used>85", 1.0915) == []
    assert picked("room<150", 1.0915) == []
    assert picked("state:warn", 1.0915) == [1001, 1002]


def test_a_breached_account_has_room_below_nothing() -> None:
    below = snapshots(1.0890)[0]
    assert room_of(below) == -100.0
    assert 1001 in picked("room<0", 1.0890)
    assert 1001 in picked("used>100", 1.0890)


def test_what_is_not_known_is_neither_less_nor_more() -> None:
    unknown = replace(snapshots()[0], equity=None, guards=())
    for text in ("room<1e9", "room>-1e9", "used>=0", "used<1e9", "equity<1e9", "equity>-1e9"):
        assert not parse_filter(text)(unknown)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour:red", "no such name"),
        ("state:purple", "closing, breached"),
        ("room<", "no number"),
        ("room<nan", "no number"),
        ("used>inf", "no number"),
        ("server:", "nothing follows"),
        ("abc", "no login"),
        ("10x7", "no login"),
        ("1 " * 21, "at most 20 terms"),
        ("1" * 501, "at most 500 characters"),
    ],
)
def test_what_cannot_be_is_refused_with_the_term_and_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(FilterError, match=told):
        parse_filter(text)


def test_where_nothing_is_left_the_term_that_did_it_is_named() -> None:
    everything = snapshots()
    assert parse_filter("symbol:EURUSD 1003").emptied_by(everything) == "symbol:EURUSD"
    assert parse_filter("1001 server:Demo-9").emptied_by(everything) == "server:Demo-9"
    assert parse_filter("9999 server:Demo-9").emptied_by(everything) is None
