"""Closes refused because the market is closed: recorded beside those that yield to rules.

A closed market outdoes even a money floor. Nothing waits here: the close itself tries again
(`close_answers`); what was sacrificed to the market is said, once a close.
"""

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import driving, records
from engine.domain.close_actions import AlertKind
from engine.domain.close_orders import CloseOrder, Kind
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.retcodes import MARKET_CLOSED
from engine.domain.sessions import opens_at

WORD = "market_closed"
"""As published among what a close yields to."""


def say_waiting(draft: Draft) -> None:
    """Says which closes wait for their market, of those that have not said so.

    Nothing for a journal from before closes yielded (`yielding`): that is stepped as it was.
    """
    if draft.state.spec.minimum_hold_s is UNSET:
        return
    for order in live_of(draft).closes:
        is_told = AlertKind.MARKET_CLOSED in order.alerted
        if order.retcode == MARKET_CLOSED and order.kind is not Kind.CANCEL and not is_told:
            _say(draft, order)


def _say(draft: Draft, order: CloseOrder) -> None:
    told = replace(order, alerted=(*order.alerted, AlertKind.MARKET_CLOSED))
    closes = tuple(told if one is order else one for one in live_of(draft).closes)
    set_live(draft, closes=closes)
    for number in (order.position_id, order.position_by):
        if number is not None:
            draft.publish(
                records.CloseWaits,
                position_id=number,
                reason=order.reason,
                yields_to=(WORD,),
                until_msc=_opens_msc(draft, order),
            )


def _opens_msc(draft: Draft, order: CloseOrder) -> int | None:
    """When the book has the symbol open next; None where it has it open now, or has it not."""
    state = draft.state
    priced = state.spec.market.priced.get(driving.book_symbol(state, order.symbol))
    return None if priced is None else opens_at(priced.instrument.sessions, state.time_msc)
