"""A made-up market: what currencies are worth second by second, and what a symbol quotes then.

Each currency's worth in US dollars is one random walk, so every cross is consistent: EURJPY is
EURUSD times USDJPY but for spread and rounding. Walks share a dollar factor, which correlates
them. Only sums, products and quotients of seeded numbers are used, no exponentials or logarithms,
so that the same seed gives the same bytes on another machine with the same numpy.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from adapters.tick_files.sessions import Session
from engine.errors import UserError
from engine.marking.ticks import Floats, Int64s

YEAR_S = 260 * 86_400


@dataclass(frozen=True, slots=True)
class Currency:
    """What a currency is like, against the US dollar."""

    worth: float
    """In dollars, at the start."""
    volatility: float
    """Standard deviation of a year's change, as a fraction."""
    dollar_share: float
    """How much of that is the dollar's own move, 0 to 1."""
    news_share: float
    """How far it goes in a news jump, in parts of the jump's size."""


CURRENCIES = {
    "USD": Currency(1.0, 0.0, 0.0, 0.0),
    "EUR": Currency(1.085, 0.07, 0.75, 0.4),
    "GBP": Currency(1.27, 0.08, 0.7, 0.4),
    "JPY": Currency(1 / 150, 0.1, 0.6, 0.5),
    "CHF": Currency(1.13, 0.08, 0.7, 0.4),
    "AUD": Currency(0.66, 0.1, 0.6, 0.45),
    "NZD": Currency(0.61, 0.1, 0.6, 0.45),
    "CAD": Currency(0.735, 0.06, 0.6, 0.3),
    "XAU": Currency(2300.0, 0.16, 0.45, 1.0),
}
# By hour in New York from midnight: how lively the market is, 1 on average.
LIVELINESS = (
    0.6, 0.8, 1.1, 1.5, 1.4, 1.2, 1.1, 1.3, 1.9, 1.8, 1.7, 1.4,
    1.1, 1.0, 0.9, 0.8, 0.6, 0.4, 0.5, 0.6, 0.7, 0.7, 0.5, 0.4,
)  # fmt: skip
SPREADS = {"EURUSD": 7, "USDJPY": 8, "GBPUSD": 10, "XAUUSD": 24}  # in points, in quiet hours
OTHER_SPREAD = 16


@dataclass(frozen=True, slots=True)
class Jump:
    """A news release: everything moves at one instant, spreads widen, ticks crowd."""

    at_msc: int
    size_bps: float
    """What gold loses against the dollar, in hundredths of a percent; the others lose less."""

    def calm(self, time_s: Floats) -> Floats:
        """At UTC seconds: 0 before it, 1 right after, then dying away within some minutes."""
        age_s = time_s - self.at_msc / 1000.0
        fade: Floats = np.where(age_s < 0.0, 0.0, 1.0 / (1.0 + np.maximum(age_s, 0.0) / 20.0))
        return fade


def pair_of(symbol: str) -> tuple[str, str]:
    """Base and quote currency of a symbol; raises UserError if there is no such market here."""
    base, quote = symbol[:3], symbol[3:]
    if len(symbol) != 6 or base not in CURRENCIES or quote not in CURRENCIES or base == quote:
        raise UserError(
            f"no synthetic market for `{symbol}`",
            help="two different ones of " + ", ".join(CURRENCIES) + ", such as EURUSD",
        )
    return base, quote


def digits_of(symbol: str) -> int:
    """Decimals of the symbol's prices: 5, with yen 3, with gold 2."""
    if "XAU" in symbol:
        return 2
    return 3 if "JPY" in symbol else 5


def random_numbers(seed: int, *about: str | int) -> np.random.Generator:
    """A PCG64 stream of its own for what `about` names, so that streams do not shift each other."""
    words = [part if isinstance(part, int) else crc32(part.encode()) for part in about]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def liveliness(session: Session, jump: Jump | None) -> Floats:
    """For every second of the session, how lively it is."""
    seconds = np.arange(session.seconds)
    of_day = (17 * 3_600 + seconds) % 86_400 // 3_600
    lively: Floats = np.array(LIVELINESS)[of_day]
    if jump:
        lively += 8.0 * jump.calm(session.opens_s + seconds.astype(np.float64))
    return lively


class Walks:
    """What every currency has gained or lost since the start, carried from day to day."""

    def __init__(self, seed: int) -> None:
        """All at their starting worth."""
        self.seed = seed
        self.gained = dict.fromkeys(CURRENCIES, 0.0)

    def day(self, session: Session, lively: Floats, gap_bps: float) -> dict[str, Floats]:
        """Each currency's gain (a fraction) at every second of the session and its end.

        `gap_bps` is how wide, about, the jump from the close before to this opening is.
        """
        n = session.seconds
        numbers = random_numbers(self.seed, "walk", session.day.toordinal())
        dollar = numbers.standard_normal(n + 1)
        paths = {}
        for name, currency in CURRENCIES.items():
            own = numbers.standard_normal(n + 1)
            share = currency.dollar_share
            mixed = share * dollar + (1.0 - share * share) ** 0.5 * own
            scale = currency.volatility / YEAR_S**0.5
            steps = np.empty(n + 1)
            steps[0] = self.gained[name] + mixed[0] * gap_bps * 1e-4 * currency.volatility / 0.1
            steps[1:] = scale * lively * mixed[1:]
            paths[name] = np.cumsum(steps)
            self.gained[name] = float(paths[name][-1])
        return paths


def worth_at(name: str, path: Floats, at_s: Floats, fallen: Floats) -> Floats:
    """What the currency is worth in dollars, `at_s` seconds into the path's session.

    `fallen` is the news jump so far, as a fraction (0 before it).
    """
    second = at_s.astype(np.int64)
    part = at_s - second
    gained = path[second] * (1.0 - part) + path[second + 1] * part
    currency = CURRENCIES[name]
    worth: Floats = currency.worth * (1.0 + gained) * (1.0 - currency.news_share * fallen)
    return worth


def tick_times(numbers: np.random.Generator, rate: Floats) -> Int64s:
    """Milliseconds into the session, rising; `rate` is how many ticks each second has on average.

    One in thirty comes in the millisecond of the one before, as in real feeds.
    """
    counts = (rate * 2.0 * numbers.random(len(rate)) + numbers.random(len(rate))).astype(np.int64)
    second = np.repeat(np.arange(len(rate), dtype=np.int64), counts)
    times = np.sort(second * 1000 + numbers.integers(0, 1000, len(second)))
    joins = numbers.random(len(times)) < 1 / 30
    joins[:1] = False
    return np.maximum.accumulate(np.where(joins, 0, times))
