"""Stop-out: what the server closes by itself when the equity no longer carries the margin.

Orders that rest go first, those with the most margin ahead; then positions, the largest loss
first, until the level is above the line. Source: MetaTrader 5 platform help, "Stop Out".
"""

from collections.abc import Callable

from adapters.broker.account import BrokerAccount
from adapters.broker.holdings import Held
from adapters.mt5.constants import DealType
from engine.domain.quotes import defect


def is_below(account: BrokerAccount, margin_minor: int) -> bool:
    """Whether the account must be closed: its level is at the line or below.

    Without margin (fully hedged) it is only where nothing is left.
    """
    equity = account.equity_minor()
    if margin_minor == 0:
        return bool(account.positions) and equity < 0
    return 100.0 * equity <= account.terms.stop_out_percent * margin_minor


def stop_out(account: BrokerAccount, close: Callable[[Held], None], utc_msc: int) -> list[int]:
    """Closes what must be; tickets of the orders and identifiers of the positions, in order.

    A position whose market is closed or has no price stays.
    """
    gone: list[int] = []
    while is_below(account, account.shown_margin_minor()):
        if account.orders:
            ticket = min(account.orders, key=lambda t: (_without(account, t), t))
            account.drop(ticket)
            gone.append(ticket)
            continue
        closable = [h for h in account.positions.values() if _can_close(account, h, utc_msc)]
        if not closable:
            break
        worst = min(closable, key=lambda h: (_result(account, h), h.position.position_id))
        gone.append(worst.position.position_id)
        close(worst)
    owed = -account.balance_minor if gone and not account.positions else 0
    if owed > 0 and account.terms.is_compensated:
        filled_up = account.major(owed)
        account.move_money(DealType.SO_COMPENSATION, filled_up, utc_msc, "so compensation")
    return gone


def _without(account: BrokerAccount, ticket: int) -> int:
    """The margin without this order; 0 where a quote it needs is missing."""
    try:
        return account.margin_minor(without=ticket)
    except KeyError:
        return 0


def _result(account: BrokerAccount, held: Held) -> int:
    return account.profit_minor(held.position) + held.position.swap_minor


def _can_close(account: BrokerAccount, held: Held, utc_msc: int) -> bool:
    symbol = held.position.symbol
    market = account.market
    quotes = [market.quotes.get(needed) for needed in account.valued.needs(symbol)]
    priced = all(q is not None and defect(q.bid, q.ask) is None for q in quotes)
    return priced and market.is_open(symbol, utc_msc)
