"""Small replays made here, and their pages taken apart."""

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

from engine.book import parse_book
from engine.marking.reference import ReferenceFeed
from engine.marking.ticks import FileQuality
from engine.replay import replay
from engine.replay_result import Replay
from facade.report.page import render
from tests.random_books import ListStream

START_MSC = 1_398_945_600_000  # 2014-05-01T12:00:00Z
INSTRUMENTS = """
[[instrument]]
symbol = "XAUUSD"
calc_mode = "cfd"
digits = 2
contract_size = 100.0
base_currency = "XAU"
profit_currency = "USD"
[[instrument]]
symbol = "USDJPY"
calc_mode = "forex"
digits = 3
contract_size = 100000.0
base_currency = "USD"
profit_currency = "JPY"
[[ruleset]]
name = "daily"
[[ruleset.guard]]
name = "daily_loss"
kind = "equity_limit"
reference = "balance_at_reset"
amount = { percent = 5.0, of = "initial" }
reset = { zone = "Europe/Prague", at = "00:00" }
action = "close_and_halt"
"""


class MadeStream(ListStream):
    """Ticks that say which files they are of."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        rows: list[tuple[int, int, float, float]],
        *,
        name: str = "ticks.csv",
        invalid: int = 0,
    ) -> None:
        super().__init__(symbols, rows)
        self._name, self._invalid = name, invalid

    def quality(self) -> tuple[FileQuality, ...]:
        """A file a symbol."""
        times = self.whole.time_msc
        return tuple(
            FileQuality(
                path=f"/somewhere/{symbol}.{self._name}",
                symbol=symbol,
                format="made",
                sha256=f"{number:064x}",
                rows=len(times) + self._invalid,
                invalid_rows=self._invalid,
                invalid_by_cause={"crossed": self._invalid},
                first_invalid="row 17: ask 1.1 below bid 1.2" if self._invalid else None,
                first_msc=int(times[0]),
                last_msc=int(times[-1]),
            )
            for number, symbol in enumerate(self.symbols)
        )


def account(
    login: int, *, currency: str = "USD", balance: float = 10_000.0, lots: float = 1.0,
    symbol: str = "XAUUSD", opened: float = 1300.0, ruleset: str = "daily", more: str = "",
) -> str:  # fmt: skip
    """A buying account of the book; without lots it holds nothing."""
    text = f"""
[[account]]
login = {login}
server = "Demo-1"
currency = "{currency}"
balance = {balance}
ruleset = "{ruleset}"
"""
    if lots:
        text += f"""
[[account.position]]
id = {login * 10}
symbol = "{symbol}"
side = "buy"
volume_lots = {lots}
open_price = {opened}
{more}
"""
    return text


def gold(prices: Sequence[float], *, every_msc: int = 1_000, **kept: Any) -> MadeStream:
    """Gold at these bids, one each so many milliseconds, the ask 0.30 above."""
    rows = [
        (START_MSC + number * every_msc, 0, bid, round(bid + 0.3, 2))
        for number, bid in enumerate(prices)
    ]
    return MadeStream(("XAUUSD",), rows, **kept)


def replayed(
    accounts: str, stream: ListStream, *, instruments: str = INSTRUMENTS,
    compare_poll: Sequence[str] = (),
) -> Replay:  # fmt: skip
    """A replay of a book of these accounts, on the plain twin of the kernel."""
    book = parse_book(instruments + accounts, "house.toml")
    return replay(book, stream, feed=ReferenceFeed(stream.symbols), compare_poll=compare_poll)


def falling(to: float, ticks: int = 60) -> list[float]:
    """Bids from 1300 down to a price in even steps, and a few there."""
    return [round(1300.0 - (1300.0 - to) * n / ticks, 2) for n in range(ticks + 1)] + [to] * 5


class Page(HTMLParser):
    """A rendered page: what is text, and which elements with which attributes there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self._silent = 0
        self.feed(html)
        self.text = re.sub(r"[ \n]+", " ", "".join(self._texts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style")
        if tag in ("td", "th", "p", "li", "dt", "dd", "caption", "h1", "h2", "h3"):
            self._texts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._texts.append(data)

    def embedded(self, name: str) -> Any:
        """The JSON of that name."""
        found = re.search(
            rf'<script type="application/json" id="{name}">([^<]*)</script>', self.html
        )
        assert found, name
        return json.loads(found[1])

    def count(self, tag: str, **attributes: str) -> int:
        """Elements of the tag that have these attributes."""
        return sum(
            name == tag and all(have.get(key.rstrip("_")) == value
                                for key, value in attributes.items())
            for name, have in self.elements
        )  # fmt: skip


def page_of(result: Replay) -> Page:
    """The report of a replay."""
    return Page(render(result))
