"""Valuing an account on the quotes of a moment, and letting its guards decide on that equity."""

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import closing, guarding, resetting
from engine.domain.account import AccountState
from engine.domain.discrepancies import Finding, Kind, State
from engine.domain.drafts import Draft
from engine.domain.equity_limits import with_balance_highs
from engine.domain.marks import advance, mark_of
from engine.domain.units import minor
from engine.domain.valuation import Quotes, floating_minor, missing_quote

ABSURD_PERCENT = 10.0
"""Of our own equity: the broker's may not be further off unless that is confirmed. Far more than
what a second between the two can make."""


def equity_minor(state: AccountState, quotes: Quotes) -> int:
    """MT5-exact equity: balance + credit + each position's rounded profit + swap."""
    floating = floating_minor(state.spec.market, state.positions, quotes)
    return state.balance_minor + state.credit_minor + floating


def take_valuation(draft: Draft, quotes: Quotes) -> None:
    """Marks the account on these quotes, then tests its guards; unknown where a quote is missing.

    The order is that of the contract: marks, then every guard in the order listed on one equity,
    then the notices that have run out.
    """
    state = draft.state
    if not is_valued(state, quotes):
        if state.known:
            draft.state = replace(state, known=False)
        return
    draft.state = replace(
        state,
        known=True,
        marks=advance(state.marks, mark_of(state, quotes), draft.time_msc),
    )
    equity = equity_minor(draft.state, quotes)
    if state.live is not None and state.live.missed_since_msc:
        resetting.catch_up(draft, equity, quotes)
    draft.state = with_balance_highs(draft.state)
    guarding.take_first_references(draft, equity)
    decide(draft, quotes, equity)


def decide(draft: Draft, quotes: Quotes, equity: int) -> None:
    """Tests the guards, unless the evidence is in doubt, and closes what is due.

    What was not tested for the broker's equity is tested once that agrees, with a tick or without.
    However far apart the two are, a limit that both are past is broken: that waits for nothing.
    """
    if is_absurd(draft.state, equity):
        draft.state = replace(draft.state, untested=True)
        _where_both_agree(draft, quotes, equity)
    elif not draft.state.is_held_back:
        guarding.test_all(draft, quotes, equity)
    closing.close_what_is_due(draft)


def _where_both_agree(draft: Draft, quotes: Quotes, equity: int) -> None:
    """Acts on limits that our equity and the broker's break both; old journals as in `_was_far`."""
    state = draft.state
    told = None if state.live is None else state.live.broker
    assert told is not None, "a doubt without the broker's equity"
    if state.spec.minimum_hold_s is not UNSET and not state.is_held_back:
        guarding.test_doubted(draft, quotes, equity, minor(told.equity, state.spec.digits))


def is_valued(state: AccountState, quotes: Quotes) -> bool:
    """Whether these quotes give the account an equity.

    A live one has none before its first report, and while a position is gone whose deal has not
    come: its profit would be missing from both sides.
    """
    live = state.live
    if live is not None and (live.settling or not live.book.total_syncs):
        return False
    return missing_quote(state.spec.market, state.positions, quotes) is None


def is_absurd(state: AccountState, equity: int) -> bool:
    """Whether our equity and the broker's are so far apart that neither is believed yet.

    One absurd report must not close an account: the guards wait until the difference is gone, or
    is confirmed by reports in a row. Where the two agree nothing ever waits. Nor where they were
    not far apart when last compared: what the market did since is no doubt, and a link that ended
    meanwhile would leave the account unguarded.
    """
    live = state.live
    if live is None or live.broker is None:
        return False
    doubted = any(
        row.kind is Kind.EQUITY_RESIDUAL
        and row.state is State.SUSPECTED
        and (state.spec.minimum_hold_s is UNSET or _was_far(row.finding))
        for row in live.book.rows
    )
    return doubted and _is_far(minor(live.broker.equity, state.spec.digits), equity)


def _was_far(found: Finding) -> bool:
    """Whether the two were, on the quotes they were compared on.

    Not asked of a journal from before closes yielded (`yielding`): that is stepped as it was.
    """
    return _is_far(float(found.actual or 0.0), float(found.expected or 0.0))


def _is_far(told: float, equity: float) -> bool:
    return abs(told - equity) * 100.0 > abs(equity) * ABSURD_PERCENT
