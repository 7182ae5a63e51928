"""What a frame's types let through and no terminal can mean is refused; times stay twice."""

from typing import Any

import msgspec
import pytest

from adapters.mt5 import frames, parse
from adapters.mt5.frames import BadFrameError
from engine.link import PositionChange, Sent
from tests.adapters.mt5.link_samples import (
    ACCOUNT_REPORT,
    GMT,
    OFFSET_S,
    deal,
    hello,
    position,
    quote,
)


def part(**fields: Any) -> frames.Report:
    first: dict[str, Any] = {"account": ACCOUNT_REPORT, "complete": True}
    return frames.Report(n=1, gmt_msc=1, **{**first, **fields})


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"identifier": 0}, "$.p"),
        ({"identifier": 2**64}, "$.p.identifier"),
        ({"symbol": ""}, "$.p"),
        ({"symbol": "x" * 257}, "$.p.symbol"),
        ({"type": 2}, "$.p"),
        ({"volume": 0.0}, "$.p"),
        ({"volume": -0.1}, "$.p"),
        ({"price_open": -1.0}, "$.p"),
        ({"magic": -(2**63) - 1}, "$.p.magic"),
    ],
)
def test_a_position_that_cannot_be_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(BadFrameError, match=f"wrong at {where.replace('$', '.')}$"):
        parse.check_position(msgspec.structs.replace(position(7), **change), "$.p")


def test_only_a_closed_position_may_have_no_volume_left() -> None:
    gone = msgspec.structs.replace(position(7), volume=0.0)
    parse.check_position(gone, "$.p", PositionChange.CLOSED)
    with pytest.raises(BadFrameError):
        parse.check_position(gone, "$.p", PositionChange.CHANGED)


@pytest.mark.parametrize("change", [{"ticket": 0}, {"volume": -1.0}, {"position_id": -1}])
def test_a_deal_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadFrameError):
        parse.check_deal(msgspec.structs.replace(deal(7), **change))


def test_a_deal_of_a_type_not_known_yet_passes() -> None:
    parse.check_deal(msgspec.structs.replace(deal(7), type=99, reason=42, entry=9))


def test_the_same_position_twice_makes_no_report() -> None:
    with pytest.raises(BadFrameError, match="twice the same"):
        parse.full_report([part(positions=(position(7), position(7)))])


def test_a_report_without_an_account_is_none() -> None:
    with pytest.raises(BadFrameError, match="account"):
        parse.full_report([part(account=None)])


def test_a_report_is_complete_only_if_every_part_is() -> None:
    two = [part(positions=(position(7),)), part(positions=(position(8),), complete=False)]
    found = parse.full_report(two)
    assert not found.complete
    assert [p.identifier for p in found.positions] == [7, 8]


def test_a_quote_has_the_servers_clock_and_utc() -> None:
    (found,) = parse.link_quotes([quote()], OFFSET_S)
    assert (found.time_msc, found.server_msc) == (GMT, GMT + OFFSET_S * 1000)


def test_undocumented_bits_of_a_ticks_flags_are_dropped() -> None:
    row = frames.QuoteRow("EURUSD", 1, 1.0, 1.1, 0x400 | 6)
    assert parse.link_quotes([row], 0)[0].flags == 6


def test_a_crossed_quote_passes_the_link_for_the_feed_to_count() -> None:
    (found,) = parse.link_quotes([quote(bid=1.2, ask=1.1)], 0)
    assert (found.bid, found.ask) == (1.2, 1.1)


def test_a_time_that_is_none_stays_none() -> None:
    sent = Sent(GMT, OFFSET_S, 0)
    assert sent.utc_msc(0) == 0
    assert sent.utc_msc(GMT + OFFSET_S * 1000) == GMT


def test_facts_are_those_of_the_hello() -> None:
    facts = parse.terminal_facts(hello(), 4, resumed=True)
    assert (facts.key.server, facts.key.login, facts.epoch, facts.resumed) == (
        "Demo-1",
        1001,
        4,
        True,
    )
