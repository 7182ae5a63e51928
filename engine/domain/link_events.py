"""What a live link and the clock say of an account: inputs of `step` that a replay has not.

Each carries the time of the engine's steady clock, in UTC milliseconds: it never goes back, so it
serves for stamps and for ages alike. `quotes` are those of that moment; `jitter` is a number in
[0, 1) drawn outside, for pauses.
"""

from collections.abc import Mapping

import msgspec

from engine.domain.account import AccountSpec
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.feeds import QuotedBy
from engine.domain.quotes import Quote
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)

EDITION = 1
"""Of the rules of deals. 1: a deal of before a reset that came after it moves the reference taken
there."""


class Founded(msgspec.Struct, frozen=True, kw_only=True, tag="founded"):
    """The account is guarded, from here, by this specification and these terms.

    The first input of every live account, and again at a start whose book says something else.
    """

    time_msc: int
    spec: AccountSpec
    terms: Terms
    close_terms: CloseTerms
    expects: bool
    """What nobody means to hold is a discrepancy from the first report on."""


class Linked(msgspec.Struct, frozen=True, kw_only=True, tag="linked"):
    """The account's terminal proved its key; a full report follows."""

    time_msc: int
    epoch: int
    """Of this link: commands carry it."""
    session: str
    currency: str
    is_hedging: bool
    leverage: int
    jitter: float = 0.0


class LinkLost(msgspec.Struct, frozen=True, kw_only=True, tag="link_lost"):
    """The link ended: commands not answered are unknown."""

    time_msc: int
    cause: str


class WentSilent(msgspec.Struct, frozen=True, kw_only=True, tag="went_silent"):
    """The terminal has said nothing for too long, and the link still stands."""

    time_msc: int


class ReportCame(msgspec.Struct, frozen=True, kw_only=True, tag="report_came"):
    """Everything the terminal holds, or a report that failed."""

    time_msc: int
    report: FullReport
    asked_msc: int
    """By our clock, not after the terminal took it: when it was asked for."""
    gmt_offset_s: int
    """Server's wall clock minus UTC, as the terminal has it."""
    quotes: Mapping[str, Quote]
    jitter: float = 0.0
    told_msc: int = 0
    """See `PositionCame.told_msc`."""


class HeartbeatCame(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat_came"):
    """The broker's own arithmetic."""

    time_msc: int
    heartbeat: Heartbeat
    quotes: Mapping[str, Quote]
    quoted_by: QuotedBy = QuotedBy.NOBODY
    """Whose terminal those are of."""


class PositionCame(msgspec.Struct, frozen=True, kw_only=True, tag="position_came"):
    """A position was opened or changed, or is gone: then its last record."""

    time_msc: int
    position: PositionReport
    is_closed: bool
    gmt_offset_s: int
    quotes: Mapping[str, Quote]
    jitter: float = 0.0
    told_msc: int = 0
    """When the link said so, where that waited for the quote of a fill; 0: it did not."""


class DealCame(msgspec.Struct, frozen=True, kw_only=True, tag="deal_came"):
    """An execution or a balance operation; the same ticket may come again."""

    time_msc: int
    deal: DealReport
    deal_msc: int
    """UTC of the deal itself, by the terminal's offset; 0 where it says none."""
    quotes: Mapping[str, Quote]
    jitter: float = 0.0
    edition: int = 0
    """`EDITION` of the rules it is booked by. Inputs kept by a version before them have none, and
    are stepped again as they were."""


class ResultCame(msgspec.Struct, frozen=True, kw_only=True, tag="result_came"):
    """What became of a command, as the terminal saw it. It settles nothing by itself."""

    time_msc: int
    result: CommandResult
    opens_msc: int | None = None
    """When the symbol's session opens next, where that is known and it is closed."""
    jitter: float = 0.0


class ClosesDurable(msgspec.Struct, frozen=True, kw_only=True, tag="closes_durable"):
    """What was decided of these closes is on the disk: they may go."""

    time_msc: int
    intent_ids: tuple[str, ...]


class TimePassed(msgspec.Struct, frozen=True, kw_only=True, tag="time_passed"):
    """Some part of a second went by, and closes are under way."""

    time_msc: int
    jitter: float = 0.0


class MarksNoted(msgspec.Struct, frozen=True, kw_only=True, tag="marks_noted"):
    """The marks of the state have risen since they were last kept: a restart goes on from these."""

    time_msc: int


class Recovered(msgspec.Struct, frozen=True, kw_only=True, tag="recovered"):
    """The account was read from the journal again: what was out may have been done meanwhile."""

    time_msc: int


class FeedRefused(msgspec.Struct, frozen=True, kw_only=True, tag="feed_refused"):
    """The engine gives the account no feed of its own; `cause` is for people."""

    time_msc: int
    cause: str
    may_ask_again: bool = False
    """As soon as there is a reason: what it was refused for says nothing of its quotes."""


LinkEvent = (
    Founded
    | Linked
    | LinkLost
    | WentSilent
    | ReportCame
    | HeartbeatCame
    | PositionCame
    | DealCame
    | ResultCame
    | ClosesDurable
    | TimePassed
    | MarksNoted
    | Recovered
    | FeedRefused
)
