"""A seeded sample of ticks that nobody ever traded, said to be so in its names and headers.

FX weeks with their daily break and weekend gap, lively and quiet hours, spreads that widen, ticks
of one millisecond, several correlated symbols and one news jump. The same arguments give the same
bytes (with the same numpy).
"""

from collections.abc import Sequence
from datetime import date, time
from pathlib import Path

import msgspec
import numpy as np

from adapters.tick_files.convert import write_ticks
from adapters.tick_files.market import (
    OTHER_SPREAD,
    SPREADS,
    Jump,
    Walks,
    digits_of,
    liveliness,
    pair_of,
    random_numbers,
    tick_times,
    worth_at,
)
from adapters.tick_files.merge import Columns
from adapters.tick_files.sessions import Session, new_york_s, sessions
from engine.errors import UserError
from engine.marking.ticks import Floats

SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD")
START = date(2026, 3, 6)
"""A Friday before a change of clocks in New York: two days of it have a weekend gap in them."""
WEEKEND_BPS = 12.0
NIGHT_BPS = 1.0
BREAK_S = 300
"""The first five minutes after 17:00 New York have no tick."""


class News(msgspec.Struct, frozen=True):
    """One release that everything jumps at."""

    size_bps: float = 45.0
    """What gold loses in that one tick, in hundredths of a percent; less than 0: it gains."""
    day: int | None = None
    """Of the sample's trading days, from 0; None: the last."""
    at: time = time(8, 30)
    """New York time."""


class SyntheticFile(msgspec.Struct, frozen=True):
    """One file that was written."""

    path: str
    symbol: str
    digits: int
    rows: int
    first_msc: int
    last_msc: int


def synthesize(
    out: Path,
    *,
    symbols: Sequence[str] = SYMBOLS,
    days: int = 5,
    seed: int = 1,
    start: date = START,
    ticks_per_day: int = 40_000,
    news: News | None = News(),  # noqa: B008 - frozen
    to: str = "store",
) -> tuple[SyntheticFile, ...]:
    """Write `SYMBOL.synthetic.ticks` (or `.tsv` for `to="mt5-tsv"`) into the folder `out`.

    `days` trading days from `start`, about `ticks_per_day` ticks a day and symbol. Memory: 24
    bytes a tick.

    Raises:
        UserError: a symbol of unknown currencies, a folder that cannot be written, nothing to make.
    """
    if days < 1 or not 1 <= ticks_per_day <= 5_000_000 or seed < 0:
        raise UserError(
            f"cannot make {days} days of {ticks_per_day} ticks with seed {seed}",
            help="at least 1 day, 1 to 5,000,000 ticks a day, a seed not below 0",
        )
    symbols = tuple(dict.fromkeys(symbols))
    for symbol in symbols:
        pair_of(symbol)
    plan = list(sessions(start, days))
    jump = _jump(news, plan)
    said = f"made by tidegate ticks synthesize, seed {seed}, {days} days from {start}"
    if jump:
        said += f", a news jump of {jump.size_bps:g} bps"
    walks = Walks(seed)
    parts: dict[str, list[Columns]] = {symbol: [] for symbol in symbols}
    for number, session in enumerate(plan):
        broken = number > 0 and plan[number - 1].closes_s != session.opens_s
        lively = liveliness(session, jump)
        paths = walks.day(session, lively, WEEKEND_BPS if broken else NIGHT_BPS)
        for symbol in symbols:
            numbers = random_numbers(seed, symbol, session.day.toordinal())
            rate = lively * (ticks_per_day / 86_400.0)
            rate[:BREAK_S] = 0.0
            parts[symbol].append(_day(symbol, session, numbers, rate, paths, jump))
    made = []
    suffix = "ticks" if to == "store" else "tsv"
    for symbol, days_of_it in parts.items():
        columns = tuple(np.concatenate([day[c] for day in days_of_it]) for c in range(3))
        path = out / f"{symbol}.synthetic.{suffix}"
        times, bids, asks = columns
        digits = digits_of(symbol)
        if not len(times):
            raise UserError("so few ticks a day that there are none", help="raise ticks_per_day")
        write_ticks(path, to, symbol, digits, times, bids, asks, synthetic=said)
        made.append(
            SyntheticFile(str(path), symbol, digits, len(times), int(times[0]), int(times[-1]))
        )
    return tuple(made)


def _jump(news: News | None, plan: list[Session]) -> Jump | None:
    if news is None or news.size_bps == 0.0:
        return None
    day = len(plan) - 1 if news.day is None else news.day
    if not 0 <= day < len(plan) or abs(news.size_bps) > 2_000:
        raise UserError(
            f"a news jump of {news.size_bps:g} bps on day {day}",
            help=f"days are 0 to {len(plan) - 1}, the size at most 2000 either way",
        )
    return Jump(new_york_s(plan[day].day, news.at) * 1000, news.size_bps)


def _day(
    symbol: str,
    session: Session,
    numbers: np.random.Generator,
    rate: Floats,
    paths: dict[str, Floats],
    jump: Jump | None,
) -> Columns:
    """The symbol's ticks of one session."""
    into_msc = tick_times(numbers, rate)
    at_s = into_msc / 1000.0
    times = session.opens_s * 1000 + into_msc
    fallen = np.zeros(len(times))
    excited = np.zeros(len(times))
    if jump:
        fallen[times >= jump.at_msc] = jump.size_bps * 1e-4
        excited = jump.calm(times / 1000.0)
    base, quote = pair_of(symbol)
    worth = worth_at(base, paths[base], at_s, fallen)
    scale = 10.0 ** digits_of(symbol)
    middle = worth / worth_at(quote, paths[quote], at_s, fallen) * scale
    to_break_s = np.minimum(at_s - BREAK_S, session.seconds - at_s)
    widening = 1.0 + 3.0 / (1.0 + np.maximum(to_break_s, 0.0) / 300.0) + 8.0 * excited
    spread = SPREADS.get(symbol, OTHER_SPREAD) * widening * (0.6 + 0.8 * numbers.random(len(times)))
    points = np.maximum(np.floor(spread + 0.5), 1.0)
    jitter = (numbers.random(len(times)) - 0.5) * 0.3 * points
    bids = np.floor(middle + jitter - points / 2.0 + 0.5)
    return times, bids / scale, (bids + points) / scale
