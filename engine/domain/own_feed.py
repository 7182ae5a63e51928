"""When an account needs quotes of its own: accounts of one server may see different prices.

The rules of this file:
1. Only quotes are a reason: a confirmed equity residual that stays, beat after beat, while balance,
   credit, specifications and positions agree, nothing is on its way, and the quotes are fresh.
2. What is not told between reports (swap, a missed deal, a position) is told by a full report: one
   is asked for, and it decides.
3. The report must show that prices make the difference: the broker's equity is the sum of its own
   parts (else it is blocked commission, or an absurd figure), and the profits of its positions are
   not ours, by more than the side of a conversion explains.
4. Where the residual stays on the account's own quotes too, they were not the cause: back to the
   shared ones, and not again within `CHANGED_RETRY_MS`, nor on the same positions in `RETRY_MS`.

An account that holds nothing, or whose terminal quotes for the whole server, asks for nothing. What
is decided is in the state: the engine sees to it (`own_feeds`).
"""

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import driving, records
from engine.domain.account import AccountState
from engine.domain.discrepancies import Discrepancy, Kind, State
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.feeds import FeedDoubt, FeedUse, QuotedBy
from engine.domain.link_events import FeedRefused, HeartbeatCame
from engine.domain.live import Live
from engine.domain.reports import FullReport
from engine.domain.units import minor
from engine.domain.valuation import Quotes, profit_minor, symbols_needed
from engine.domain.valuing import equity_minor, is_valued

BEATS = 5
"""Heartbeats in a row, at least."""
LAST_MS = 10_000
"""So long they must go on, at least; and twice as long as the oldest quote is old: a feed that is
dead makes a residual too, and the run it makes is never older than its quotes."""
FRESH_MS = 60_000
"""An older quote says nothing."""
GAP_MS = 10_000
"""Without a heartbeat for so long the next one is the first."""
REPORT_MS = 30_000
"""A report that did not come is asked for again after so long."""
CHANGED_RETRY_MS = 3_600_000
RETRY_MS = 86_400_000
_ABOUT_PARTS = frozenset({Kind.BALANCE_RESIDUAL, Kind.SPEC_CHANGED, Kind.STALE_TERMINAL})
"""While one of these is open, the equity differs for another reason."""


def on_beat(draft: Draft, event: HeartbeatCame) -> None:
    """Counts what a heartbeat says of the quotes; asks for the report that decides."""
    live, now_ms = live_of(draft), draft.time_msc
    doubt = live.feed_doubt
    if not _speaks(draft.state, event):
        if doubt is not UNSET:
            set_live(draft, feed_doubt=UNSET)
        return
    if doubt is UNSET or now_ms - doubt.last_msc > GAP_MS:
        set_live(draft, feed_doubt=FeedDoubt(since_msc=now_ms, last_msc=now_ms))
        return
    doubt = replace(doubt, last_msc=now_ms, beats=doubt.beats + 1)
    long_ms = max(LAST_MS, 2 * _oldest_ms(draft.state, event.quotes, now_ms))
    is_long = doubt.beats >= BEATS and now_ms - doubt.since_msc >= long_ms
    is_asked = bool(doubt.asked_msc) and now_ms - doubt.asked_msc < REPORT_MS
    if is_long and not is_asked:
        doubt = replace(doubt, asked_msc=now_ms)
        driving.ask_report(draft, "are its quotes others than the server's?")
    set_live(draft, feed_doubt=doubt)


def on_report(draft: Draft, report: FullReport, quotes: Quotes) -> None:
    """Decides, where this is the report that was asked for and the residual is still there."""
    live = live_of(draft)
    doubt = live.feed_doubt
    if doubt is UNSET or not doubt.asked_msc:
        return
    set_live(draft, feed_doubt=UNSET)
    row = _residual(live)
    state = draft.state
    if row is None or not _is_settled(state) or not is_valued(state, quotes):
        return
    if _is_own(live):
        _back(draft, "the difference stays on its own quotes")
    elif are_prices_apart(state, report, quotes):
        use = FeedUse(is_own=True, changed_msc=draft.time_msc)
        told, ours = row.finding.actual, row.finding.expected
        _choose(draft, use, f"its broker's equity is {told} where the server's quotes make {ours}")
    else:
        set_live(draft, feed=_refused(draft))


def on_refused(draft: Draft, event: FeedRefused) -> None:
    """The engine does not give it one: it stays where it is."""
    if not wants_own(draft.state):
        return
    if event.may_ask_again:
        _choose(draft, FeedUse(changed_msc=draft.time_msc), event.cause)
    else:
        _back(draft, event.cause)


def wants_own(state: AccountState) -> bool:
    """Whether it is decided that the account be valued on quotes of its own terminal alone."""
    return state.live is not None and _is_own(state.live)


def differs(state: AccountState) -> bool | None:
    """Whether the account disagrees with the quotes it is valued on; None: it cannot tell."""
    if not state.known or state.live is None or not _is_settled(state):
        return None
    return _residual(state.live) is not None


def are_prices_apart(state: AccountState, report: FullReport, quotes: Quotes) -> bool:
    """Whether the broker's equity differs from ours because it values positions at other prices.

    The report names no prices, but each position's profit.
    """
    market, digits = state.spec.market, state.spec.digits
    live, account = state.live, report.account
    assert live is not None, "a replay has no report"
    told = {one.identifier: minor(one.profit, digits) for one in report.positions}
    if set(told) != {one.position_id for one in state.positions}:
        return False
    parts = sum(minor(one.swap, digits) for one in report.positions) + sum(told.values())
    parts += minor(account.balance, digits) + minor(account.credit, digits)
    equity = minor(account.equity, digits)
    tolerance = live.terms.equity_tolerance_of(equity_minor(state, quotes))
    if abs(equity - parts) > tolerance:
        return False
    apart = by_conversion = 0.0
    for position in state.positions:
        ours = profit_minor(market, position, quotes)
        apart += told[position.position_id] - ours
        for leg in market.priced[position.symbol].path:
            quote = quotes[leg.symbol]
            by_conversion += abs(ours) * (quote.ask - quote.bid) / quote.bid
    return abs(apart) > max(tolerance, by_conversion)


def _speaks(state: AccountState, event: HeartbeatCame) -> bool:
    """Whether this heartbeat says that the quotes are wrong, and nothing else explains it."""
    live, now_ms = state.live, event.time_msc
    assert live is not None, "a replay has no heartbeat"
    asked = QuotedBy.OWN if _is_own(live) else QuotedBy.OTHER
    row = _residual(live)
    return (
        event.quoted_by == asked
        and row is not None
        and row.last_seen_msc == now_ms
        and state.known
        and _is_settled(state)
        and (_is_own(live) or _may_ask(live.feed, state, now_ms))
        and _oldest_ms(state, event.quotes, now_ms) <= FRESH_MS
    )


def _is_settled(state: AccountState) -> bool:
    """Whether what is held and owned is agreed on, and is something."""
    live = state.live
    assert live is not None, "a replay has no link"
    return (
        bool(state.positions)
        and live.is_current
        and not live.settling
        and not state.suspects
        and not any(row.kind in _ABOUT_PARTS for row in live.book.rows)
    )


def _residual(live: Live) -> Discrepancy | None:
    """The confirmed difference between the broker's equity and ours."""
    for row in live.book.rows:
        if row.kind is Kind.EQUITY_RESIDUAL and row.state is State.CONFIRMED:
            return row
    return None


def _is_own(live: Live) -> bool:
    return live.feed is not UNSET and live.feed.is_own


def _may_ask(use: object, state: AccountState, now_ms: int) -> bool:
    """Whether it may be tried: not so soon after it was seen to be no remedy."""
    if not isinstance(use, FeedUse) or not use.refused_msc:
        return True
    since_ms = now_ms - use.refused_msc
    changed = use.held != _held(state)
    return since_ms >= (CHANGED_RETRY_MS if changed else RETRY_MS)


def _oldest_ms(state: AccountState, quotes: Quotes, now_ms: int) -> int:
    """Age of the oldest quote in the valuation; beyond all bounds where one is missing."""
    needed = symbols_needed(state.spec.market, state.positions)
    ages = [now_ms - quotes[one].time_msc if one in quotes else 1 << 60 for one in needed]
    return max(ages, default=0)


def _held(state: AccountState) -> tuple[int, ...]:
    return tuple(sorted(one.position_id for one in state.positions))


def _refused(draft: Draft) -> FeedUse:
    now_ms = draft.time_msc
    return FeedUse(changed_msc=now_ms, refused_msc=now_ms, held=_held(draft.state))


def _back(draft: Draft, cause: str) -> None:
    _choose(draft, _refused(draft), cause)


def _choose(draft: Draft, use: FeedUse, cause: str) -> None:
    set_live(draft, feed=use, feed_doubt=UNSET)
    draft.publish(records.FeedChanged, feed="own" if use.is_own else "shared", cause=cause)
