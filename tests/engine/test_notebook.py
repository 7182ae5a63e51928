"""A replay in a notebook: well-formed, escaped, without scripts, small."""

import re
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from engine.domain.guards import Action, EquityLimit, Percent, Reference
from engine.domain.ids import AccountKey
from engine.notebook import SPARKLINES, headline
from engine.replay_result import Replay
from tests.domain.accounts import START_MSC, buy
from tests.engine.replays import gold_ticks, one_account, random_replay, replayed

MAX_LOSS = EquityLimit(
    name="<max&loss>",
    action=Action.CLOSE_AND_HALT,
    reference=Reference.INITIAL,
    amount=Percent(percent=5.0),
)
TICKS = gold_ticks((START_MSC, 1900.0), (START_MSC + 500, 1901.0), (START_MSC + 999, 1890.0))


def house(lots: list[float], symbol: str = "XAUUSD", server: str = "Demo-1") -> Replay:
    """One account a number of lots bought at 1900: ten dollars fall by the last tick."""
    [account] = one_account([MAX_LOSS], []).accounts
    accounts = [
        replace(
            account,
            spec=replace(account.spec, key=AccountKey(server, 1001 + number)),
            positions=(buy(symbol, size, 1900.0),),
        )
        for number, size in enumerate(lots)
    ]
    book = one_account([MAX_LOSS], [])
    return replayed(type(book)(book.path, "", "", book.instruments, tuple(accounts)), TICKS)


def parsed(html: str) -> ET.Element:
    """The HTML as XML, which it is also."""
    return ET.fromstring(html.replace("<br>", "<br/>"))


def test_the_headline_counts_breached_warned_and_unknown() -> None:
    assert headline(house([1.0, 0.4, 0.1])) == (
        "Replay: 1 of 3 accounts breached; 1 warned; 0 unknown"
    )
    assert headline(house([1.0], "EURUSD")) == (
        "Replay: 0 of 1 account breached; 0 warned; 1 unknown"
    )


def test_the_worst_accounts_come_first_each_with_its_line() -> None:
    page = parsed(house([0.1, 0.4, 1.0])._repr_html_())
    rows = page.findall(".//tbody/tr")
    assert ["".join(row[1].itertext()) for row in rows] == ["1003", "1002", "1001"]
    assert len(page.findall(".//svg")) == 3
    assert "".join(rows[0][3].itertext()) == "9 000.00"
    assert "2026-01-05T00:00:00.999Z" in "".join(rows[0].itertext())


@pytest.mark.parametrize("seed", range(3))
def test_every_point_of_a_line_is_a_number_inside_the_picture(seed: int) -> None:
    html = random_replay(seed)._repr_html_()
    points = re.findall(r'points="([^"]*)"', html)
    assert points
    for x, y in (pair.split(",") for line in points for pair in line.split()):
        assert 0 <= float(x) <= 160
        assert 0 <= float(y) <= 28


def test_names_are_escaped_and_nothing_runs() -> None:
    html = house([1.0], server="<script>alert(1)</script>")._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;max&amp;loss&gt;" in html
    parsed(html)


def test_an_account_never_known_has_no_number_and_no_line() -> None:
    page = parsed(house([1.0], "EURUSD")._repr_html_())
    [row] = page.findall(".//tbody/tr")
    assert "".join(row[3].itertext()) == "\N{EM DASH}"
    assert "never valued" in "".join(row.itertext())
    assert not page.findall(".//svg")


def test_many_accounts_show_twenty_and_say_how_many_are_left() -> None:
    html = house([0.01] * (SPARKLINES + 5))._repr_html_()
    assert html.count("<svg") == SPARKLINES
    assert "5 more accounts" in html


def test_one_tick_is_enough() -> None:
    book = one_account([MAX_LOSS], [buy("XAUUSD", 1.0, 1900.0)])
    html = replayed(book, gold_ticks((START_MSC, 1900.0)))._repr_html_()
    assert len(parsed(html).findall(".//svg")) == 1
