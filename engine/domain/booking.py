"""Booking what deals pay and cost, and which balance is believed.

The balance moves by deals at once; what no deal explains is believed when reports in a row say so,
and stays a discrepancy until somebody accepts it. A deal that closes takes its volume off the
position in the same step: the same profit is never counted twice, nor left out. The two deals of
a close-by are one event.
"""

from msgspec.structs import replace

from engine.domain import driving, holding, objectives, operating, records, residuals
from engine.domain.account import AccountState, OperationKind
from engine.domain.discrepancies import Kind, State
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.executions import EXPERT, REBOOKED, reason_words
from engine.domain.guards import Consistency, MinDays, ProfitTarget
from engine.domain.live import Live
from engine.domain.positions import Position, Side
from engine.domain.reports import DealReport
from engine.domain.units import minor
from engine.domain.valuation import Quotes, missing_quote, profit_minor

DEALS_KEPT = 1024
MONEY = 0
"""Among the positions that settle: money that no deal explains yet. No position has this number."""
_DUST_LOTS = 1e-9
_OUT, _INOUT, _OUT_BY = 1, 2, 3
_BUY, _SELL = 0, 1
_BALANCE, _CORRECTION, _BONUS = 2, 5, 6
"""DEAL_TYPE of money that comes or goes, so that references move with it; credit apart."""
_TOLD = frozenset({"stop_loss", "take_profit", "stop_out"})


def book(draft: Draft, deal: DealReport, deal_msc: int) -> None:
    """Books a deal of an anchored account."""
    if deal.type in (_BUY, _SELL):
        _book_trade(draft, deal, deal_msc)
        return
    live, digits = live_of(draft), draft.state.spec.digits
    amount = residuals.total_minor(deal, digits)
    credited = residuals.moves_credit(deal.type, bonus_is_credit=live.terms.bonus_is_credit)
    if deal.type in (_BALANCE, _CORRECTION, _BONUS) or credited:
        kind = OperationKind.DEPOSIT if amount >= 0 else OperationKind.WITHDRAWAL
        operating.apply(draft, OperationKind.CREDIT if credited else kind, amount)
        return
    _move_balance(draft, amount, deal_msc)
    spec = draft.state.spec
    draft.publish(
        records.BalanceChanged,
        kind="charge",
        amount=spec.major(amount),
        balance=spec.major(draft.state.balance_minor),
        credit=spec.major(draft.state.credit_minor),
    )


def _book_trade(draft: Draft, deal: DealReport, deal_msc: int) -> None:
    state, live = draft.state, live_of(draft)
    total = residuals.total_minor(deal, state.spec.digits)
    is_owed = deal.position_id in live.settling or _is_believed_already(state, live, total)
    _move_balance(draft, total, deal_msc)
    _count_for_objectives(draft, total)
    # After one reversal, told by its deal alone, another says no more of what is open now.
    is_turned_again = deal.entry == _INOUT and state.position(deal.position_id) is None
    if deal.position_id in live.settling and not is_turned_again:
        left = tuple(one for one in live.settling if one != deal.position_id)
        set_live(draft, settling=left)
    if deal.entry == _OUT_BY:
        _pair(draft, deal)
    if deal.entry not in (_OUT, _INOUT, _OUT_BY) or deal.reason in REBOOKED:
        return
    position, closes = state.position(deal.position_id), _closes(deal)
    if position is not None and (position.side is closes or deal.entry != _INOUT):
        _take_off(draft, deal, position, is_owed=is_owed)
    else:  # its record came first: it is gone, or turned already
        position = holding.missed(draft, deal.position_id, closes)
        holding.came(draft, deal.position_id, closes, deal.volume)
    if position is not None:
        draft.publish(
            records.PositionClosed,
            position_id=deal.position_id,
            symbol=position.symbol,
            side=position.side.value,
            # Of a reversal the deal has what was closed and what is open now, in one.
            volume_lots=position.volume_lots if deal.entry == _INOUT else deal.volume,
            open_price=position.open_price,
            close_price=deal.price,
            profit=state.spec.major(minor(deal.profit, state.spec.digits)),
            reason=_closed_by(live_of(draft), deal),
        )


def _closes(deal: DealReport) -> Side:
    """The side of what a closing deal closes: a buy closes what was sold."""
    return Side.SELL if deal.type == _BUY else Side.BUY


def _take_off(draft: Draft, deal: DealReport, position: Position, *, is_owed: bool) -> None:
    """Takes the volume of a deal off what is held, unless the position's own record has."""
    state, live = draft.state, live_of(draft)
    held = live.holding(deal.position_id)
    is_told = held is not None and 0 < deal.time_msc <= held.time_update_msc
    if held is not None and deal.time_msc == held.time_update_msc:
        # Of one millisecond: an order that filled on the tick that hit the stop, as likely as not.
        is_told = is_owed
    left_lots = position.volume_lots - deal.volume
    if is_told:
        return  # that record came first: the volume is off it already
    if deal.entry == _INOUT or left_lots <= _DUST_LOTS:
        holding.drop(draft, deal.position_id)
    else:
        holding.shrink(draft, position, left_lots, minor(deal.swap, state.spec.digits))
    if deal.entry == _INOUT:
        # The other side is open under the same identifier: its record follows.
        set_live(draft, settling=(*live_of(draft).settling, deal.position_id))
        driving.ask_report(draft, "a netting reversal")


def _pair(draft: Draft, deal: DealReport) -> None:
    """Waits, after the first deal of a close-by, for the other of the same order.

    The first has the whole profit of both, at the price of the one still held: in between, the
    account is worth what it never was. A full report ends the waiting too.
    """
    settling, half = live_of(draft).settling, -deal.order
    if half and half in settling:  # 0 names no order: among those that settle it is MONEY
        set_live(draft, settling=tuple(one for one in settling if one != half))
    elif half:
        set_live(draft, settling=(*settling, half))
        driving.ask_report(draft, "half of a close-by")


def _closed_by(live: Live, deal: DealReport) -> str:
    """`guard:NAME` or `manual:WHO` where a close of ours did it, else what the deal says."""
    by_expert = deal.reason == EXPERT
    own = driving.reason_of(live, deal.position_id, deal.order, by_expert=by_expert)
    if own is not None:
        return own
    words = reason_words(deal.reason)
    return words if words in _TOLD else "external"


def _move_balance(draft: Draft, amount_minor: int, at_msc: int) -> None:
    state, live = draft.state, live_of(draft)
    if not _is_believed_already(state, live, amount_minor):
        balance = state.balance_minor + amount_minor
        draft.state = replace(state, balance_minor=balance, untested=True)
    if amount_minor:
        set_live(draft, deals=(*live.deals, (at_msc, amount_minor))[-DEALS_KEPT:])


def _is_believed_already(state: AccountState, live: Live, amount_minor: int) -> bool:
    """Whether a late deal is in the balance that was believed without it.

    The ledger has the deal by now: where that brought it nearer to what the broker last said, and
    that is what we hold, the broker's figure has had it all along.
    """
    if live.broker is None:
        return False
    told = minor(live.broker.balance, state.spec.digits)
    after = live.book.ledger.balance_minor
    is_nearer = abs(after - told) < abs(after - amount_minor - told)
    return state.balance_minor == told and is_nearer


def _count_for_objectives(draft: Draft, gained_minor: int) -> None:
    state = draft.state
    draft.state = replace(
        state,
        guards=tuple(
            objectives.on_deal(guard, known, gained_minor)
            if isinstance(guard, ProfitTarget | MinDays | Consistency)
            else known
            for guard, known in zip(state.spec.guards, state.guards, strict=True)
        ),
    )


def believe_balance(draft: Draft, balance: float, credit: float, *, moved: bool) -> None:
    """Takes the broker's balance where deals explain it, or where reports in a row insist.

    Args:
        moved: what is held changed with it. Then what is not explained must be the price of that:
            no valuation is right until a deal or the next report says so.
    """
    state, book = draft.state, live_of(draft).book
    if not book.ledger.is_anchored:
        return
    rows = {row.finding.subject: row for row in book.rows if row.kind is Kind.BALANCE_RESIDUAL}
    digits = state.spec.digits
    new = state
    doubted = False
    for subject, told in (("balance", balance), ("credit", credit)):
        row, told_minor = rows.get(subject), minor(told, digits)
        if row is not None and row.state is not State.CONFIRMED:
            doubted = True
        elif getattr(new, f"{subject}_minor") != told_minor:
            new = replace(new, **{f"{subject}_minor": told_minor}, untested=True)
    draft.state = new
    settling = tuple(one for one in live_of(draft).settling if one != MONEY)
    if doubted and (moved or MONEY in live_of(draft).settling):
        settling = (*settling, MONEY)
    elif MONEY in live_of(draft).settling:
        draft.state = replace(draft.state, untested=True)
    set_live(draft, settling=settling)


def expected_profit(state: AccountState, deal: DealReport, quotes: Quotes) -> int | None:
    """What the deal's price makes of the position; None where it closes none we can value."""
    position = state.position(deal.position_id)
    if position is None or deal.entry not in (_OUT, _OUT_BY):
        return None
    if missing_quote(state.spec.market, (position,), quotes) is not None:
        return None
    return profit_minor(state.spec.market, position, quotes, deal.volume, deal.price)
