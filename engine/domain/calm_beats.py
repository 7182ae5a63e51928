"""Heartbeats that say nothing new, which nearly all do, without the whole of a step.

A firm's accounts send a thousand a second, and a quote waits while one is taken. What is asked here
is whether `step` would change anything but the broker's figures and their time; where it is not
plain, `step` is to be asked.
"""

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.failsafe import failsafe_floor, is_worth_sending
from engine.domain.reports import AccountReport, Heartbeat
from engine.domain.residuals import equity_residual_minor, money_residual
from engine.domain.step import Step
from engine.domain.valuation import Quotes
from engine.domain.valuing import equity_minor, is_valued


def calm_beat(state: AccountState, beat: Heartbeat, time_msc: int, quotes: Quotes) -> Step | None:
    """What `step` makes of a heartbeat that agrees with the account: nothing that is kept.

    None: it may be more than that, or the account is not one of which nothing is in question.
    """
    live = state.live
    assert live is not None, "a replay has no heartbeat"
    link, book, told = live.link, live.book, live.broker
    number = live.sightings + 1
    session = str(link.epoch)
    is_plain = (
        told is not None
        and state.known
        and not (state.untested or state.waiting or state.is_held_back)
        and not (link.is_silent or link.refusal)
        and not (live.closes or live.settling or live.beats_below)
        and not book.rows
        and live.feed_doubt is UNSET
        and book.ledger.is_anchored
        and (book.session != session or book.n < number)
        and is_valued(state, quotes)
    )
    if not is_plain or any(
        one.expires_at_msc is not None and one.expires_at_msc <= time_msc for one in book.intents
    ):
        return None
    assert told is not None, "plain without the broker's figures"
    digits, ledger, mark = state.spec.digits, book.ledger, equity_minor(state, quotes)
    if (
        not money_residual(ledger, beat, live.terms.digits).is_zero
        or (ledger.balance_minor, ledger.credit_minor) != (state.balance_minor, state.credit_minor)
        or abs(equity_residual_minor(beat, mark, digits)) > live.terms.equity_tolerance_of(mark)
    ):
        return None
    if live.is_current:
        floor = failsafe_floor(state)
        if floor is not None and is_worth_sending(floor, live.floor_sent):
            return None
    now = AccountReport(
        balance=beat.balance,
        credit=beat.credit,
        equity=beat.equity,
        margin=beat.margin,
        trade_allowed=told.trade_allowed,
    )
    heard = replace(
        live,
        broker=now,
        broker_msc=time_msc,
        sightings=number,
        book=replace(book, session=session, n=number),
    )
    return Step(replace(state, time_msc=time_msc, live=heard), ())
