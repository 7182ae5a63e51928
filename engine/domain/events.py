"""What happens to an account: the inputs of `step`. Past tense; commands are in `commands.py`."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.domain.market_findings import Finding
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.watch import Marks


@dataclass(frozen=True, slots=True)
class Opened:
    """The account is watched from here."""

    time_msc: int


@dataclass(frozen=True, slots=True)
class QuoteMarked:
    """A tick on which something may have to be decided."""

    time_msc: int
    tick: Tick
    quotes: Mapping[str, Quote]
    """Latest quote of every symbol the account needs, this tick included. Read during the step
    only; the caller owns it."""
    marks: Marks | None = None
    """The kernel's marks of the ticks before this one; None when it was stepped on each."""


@dataclass(frozen=True, slots=True)
class TimeReached:
    """A reset instant, or (live) the clock: quotes are those before any tick at this time."""

    time_msc: int
    quotes: Mapping[str, Quote]
    marks: Marks | None = None


@dataclass(frozen=True, slots=True)
class DealReported:
    """A deal closed a position, wholly or in part."""

    time_msc: int
    position_id: int
    volume_lots: float
    price: float
    profit_minor: int
    """In the account currency, without swap."""
    reason: str
    tick: Tick | None = None


@dataclass(frozen=True, slots=True)
class MarketFound:
    """A guard on the feed found something in a symbol; quotes include the tick that showed it."""

    time_msc: int
    finding: Finding
    tick: Tick | None
    quotes: Mapping[str, Quote]
    marks: Marks | None = None


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    """No tick comes any more; the account says what became of it."""

    time_msc: int
    quotes: Mapping[str, Quote]
    marks: Marks | None = None


Event = Opened | QuoteMarked | TimeReached | DealReported | MarketFound | ReplayEnded
