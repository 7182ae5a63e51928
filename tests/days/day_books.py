"""Seeded worlds of whole days: a book of rules, and two days of ticks of seven symbols or so.

Books are those of `tests.engine.oracle_books`; here days are dense, prices gap over quiet hours and
jump, and the clocks change in about half of the worlds.
"""

import random
import tomllib
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from engine.marking.ticks import TickBatch
from tests.engine.oracle_books import INSTRUMENTS, STARTS, World, notional

Table = dict[str, Any]
Row = tuple[int, int, float, float]
Pair = tuple[float, float]

DAYS = 2
DAY_MSC = 86_400_000
NETTING = 1 / 3
"""Of the accounts."""
CHANGES = (
    "2026-03-07T21:00",  # New York, on the 8th
    "2026-03-28T20:00",  # Europe, on the 29th
    "2026-10-24T20:00",  # Europe, on the 25th
    "2026-10-31T20:00",  # New York, on 1 November
)


class DayWorld(World):
    """One seed: its book, and its ticks as rows and as one batch."""

    def __init__(self, seed: int, ticks_a_day: int | None = None) -> None:
        self.rows: list[Row] = []
        self.seed = seed
        self._ticks_a_day = ticks_a_day
        super().__init__(seed, Path())
        self.table: Table = tomllib.loads(self.text)

    def _keep(self) -> None:
        """Nothing is written."""

    def _walk(self, folder: Path, tick_count: int) -> int:
        """Two days: every symbol once at the start, then bursts, quiet hours, gaps and jumps."""
        del folder, tick_count
        rng = self.rng
        minute = rng.randrange(0, 180) * 60_000 + 7
        if rng.random() < 0.5:
            self.start = datetime.fromisoformat(rng.choice(CHANGES)).replace(tzinfo=UTC)
        elif rng.random() < 0.5:
            self.start = datetime.fromisoformat(rng.choice(STARTS)).replace(tzinfo=UTC)
        else:
            day = rng.randrange(1, 340)
            self.start = datetime.fromtimestamp(1_767_225_600 + day * 86_400, UTC)
        first = int(self.start.timestamp() * 1000) + minute
        self.start = datetime.fromtimestamp(first / 1000, UTC)
        count = DAYS * (self._ticks_a_day or rng.choice((600, 1_000, 2_000, 4_000)))
        prices = {symbol: INSTRUMENTS[symbol][0] for symbol in self.symbols}
        lively = rng.choice((0.0002, 0.0005, 0.001))
        times = self._times(first, count)
        for number, time_msc in enumerate(times):
            warming = number < len(self.symbols)
            place = number if warming else rng.randrange(len(self.symbols))
            symbol = self.symbols[place]
            quiet = number and time_msc - times[number - 1] > 1_800_000
            jump = rng.choices((1.0, 10.0), (90, 10 if quiet else 1))[0]
            prices[symbol] *= 1.0 + rng.gauss(0.0, lively * jump)
            digits = INSTRUMENTS[symbol][1]["digits"]
            half = prices[symbol] * rng.choices((0.0, 0.00004, 0.001), (1, 9, 1))[0]
            bid, ask = round(prices[symbol] - half, digits), round(prices[symbol] + half, digits)
            self.rows.append((time_msc, place, bid, ask))
        return first + DAYS * DAY_MSC

    def _times(self, first: int, count: int) -> list[int]:
        """So many times over the two days; the first ones within a second."""
        rng = self.rng
        warming = len(self.symbols)
        waits = [
            rng.choices((0.0, rng.expovariate(1.0), rng.expovariate(1.0) * 60.0), (3, 30, 1))[0]
            for _ in range(count - warming)
        ]
        scale = (DAYS * DAY_MSC - 1_000) / sum(waits)
        times, at = [first + number for number in range(warming)], float(first + 1_000)
        for wait in waits:
            at += wait * scale
            times.append(int(at))
        assert all(a <= b for a, b in pairwise(times)), "time goes back"
        return times

    @property
    def changes_clocks(self) -> bool:
        """Whether Europe or New York change their clocks in these days."""
        first, last = (
            datetime.fromtimestamp(row[0] / 1000, UTC) for row in (self.rows[0], self.rows[-1])
        )
        zones = (ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"))
        return any(
            first.astimezone(zone).utcoffset() != last.astimezone(zone).utcoffset()
            for zone in zones
        )

    def _account(self, login: int, rulesets: list[str]) -> str:
        """One of the book; a third of them are netting accounts, which hold a symbol once."""
        text = super()._account(login, rulesets)
        if random.Random(f"netting {self.seed} {login}").random() >= NETTING:
            return text
        head, *tables = text.split("[[account.position]]")
        once = {tomllib.loads(table)["symbol"]: table for table in reversed(tables)}
        return "[[account.position]]".join([head + 'margin_mode = "netting"\n', *once.values()])

    def _operation(self) -> str:
        """None known in advance: money comes by deals here."""
        return ""

    def batch(self) -> TickBatch:
        """The ticks as the engine takes them."""
        columns = list(zip(*self.rows, strict=True))
        return TickBatch(
            tuple(self.symbols),
            0,
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int32),
            np.array(columns[2], np.float64),
            np.array(columns[3], np.float64),
        )

    def drawn(self, rng: random.Random, symbol: str, currency: str, quote: Pair) -> Table:
        """A position somebody opens now, at the market; without its number."""
        bid, ask = quote
        digits = INSTRUMENTS[symbol][1]["digits"]
        places = rng.choice((2, 3, 5))
        lots = round(rng.uniform(0.3, 3.0) * 10_000.0 / notional(symbol, currency), places)
        side = rng.choice(("buy", "sell"))
        table: Table = {"symbol": symbol, "side": side, "volume_lots": lots or 0.001}
        table["open_price"] = ask if side == "buy" else bid
        below, above = rng.uniform(0.98, 0.9995), rng.uniform(1.0005, 1.02)
        stop, target = (below, above) if side == "buy" else (above, below)
        if rng.random() < 0.3:
            table["stop_loss"] = round(ask * stop, digits)
        if rng.random() < 0.3:
            table["take_profit"] = round(ask * target, digits)
        return table
