"""Swap: what a night costs or pays, three at once on Wednesday for the weekend."""

from datetime import UTC, datetime

from adapters.broker.account import BrokerAccount
from engine.domain.conversion import rate
from engine.domain.positions import Position, Side
from engine.domain.units import minor

DAY_MSC = 86_400_000
TRIPLE_WEEKDAY = 2
WEEKDAYS = 5


def nights(server_day: int) -> int:
    """How many nights are charged when that day of the server ends (days since 1970-01-01)."""
    weekday = datetime.fromtimestamp(server_day * 86_400, UTC).weekday()
    if weekday >= WEEKDAYS:
        return 0
    return 3 if weekday == TRIPLE_WEEKDAY else 1


def charge(account: BrokerAccount, count: int, utc_msc: int) -> None:
    """Charges so many nights to every open position."""
    for held in list(account.positions.values()):
        amount = swap_minor(account, held.position) * count
        if amount:
            account.add_swap(held, amount, utc_msc)


def swap_minor(account: BrokerAccount, position: Position) -> int:
    """One night in minor units of the account currency; a charge is negative.

    Points, turned into the profit currency and then into the account's on the losing side; 0
    where a quote for that is missing.
    """
    symbol = account.market.symbols[position.symbol]
    is_long = position.side is Side.BUY
    points = symbol.swap_long_points if is_long else symbol.swap_short_points
    instrument = symbol.instrument
    amount = points * instrument.point * instrument.units_per_lot * position.volume_lots
    path = account.valued.priced[position.symbol].path
    quotes = account.market.quotes
    if any(leg.symbol not in quotes for leg in path):
        return 0
    return minor(amount * rate(path, quotes, at_ask=amount < 0), account.digits)
