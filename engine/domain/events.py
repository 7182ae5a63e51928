"""What happens to an account: the inputs of `step`. Past tense; commands are in `commands.py`.

Those of a live link are in `link_events.py`. All of them are kept in a journal, so they are
structs with a tag each.
"""

from collections.abc import Mapping

import msgspec

from engine.domain.market_findings import Finding
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.watch import Marks


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The account is watched from here."""

    time_msc: int


class QuoteMarked(msgspec.Struct, frozen=True, tag="quote_marked"):
    """A tick on which something may have to be decided."""

    time_msc: int
    tick: Tick
    quotes: Mapping[str, Quote]
    """Latest quote of every symbol the account needs, this tick included. Read during the step
    only; the caller owns it."""
    marks: Marks | None = None
    """The kernel's marks of the ticks before this one; None when it was stepped on each."""


class TimeReached(msgspec.Struct, frozen=True, tag="time_reached"):
    """A reset instant, or (live) the clock: quotes are those before any tick at this time."""

    time_msc: int
    quotes: Mapping[str, Quote]
    marks: Marks | None = None
    told_msc: int = 0
    """When a live account was told, by the clock: deals of after `time_msc` may be booked already.
    0: at that very time, as in a replay; or kept by a version that did not ask."""


class DealReported(msgspec.Struct, frozen=True, tag="deal_reported"):
    """A deal of a replay's broker closed a position, wholly or in part."""

    time_msc: int
    position_id: int
    volume_lots: float
    price: float
    profit_minor: int
    """In the account currency, without swap."""
    reason: str
    tick: Tick | None = None


class MarketFound(msgspec.Struct, frozen=True, tag="market_found"):
    """A guard on the feed found something in a symbol; quotes include the tick that showed it."""

    time_msc: int
    finding: Finding
    tick: Tick | None
    quotes: Mapping[str, Quote]
    marks: Marks | None = None


class ReplayEnded(msgspec.Struct, frozen=True, tag="replay_ended"):
    """No tick comes any more; the account says what became of it."""

    time_msc: int
    quotes: Mapping[str, Quote]
    marks: Marks | None = None


MarketEvent = Opened | QuoteMarked | TimeReached | DealReported | MarketFound | ReplayEnded
"""All that a replay has."""
