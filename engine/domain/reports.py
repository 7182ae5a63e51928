"""What a terminal says of an account: MT5's own records, parsed, with MT5's own field names.

Money in a report is the broker's, a double in the account currency. Times are kept twice: `*_msc`
of a record is the server's wall clock written as if UTC; the link adds the UTC it stands for.
Source: field orders of the MetaTrader 5 Python library's `account_info`, `positions_get`,
`orders_get`, `history_deals_get`, `symbol_info`.
"""

import msgspec


class AccountReport(msgspec.Struct, frozen=True, kw_only=True):
    """ACCOUNT_*: the broker's own arithmetic."""

    balance: float
    credit: float
    equity: float
    margin: float
    profit: float = 0.0
    margin_level: float | None = None
    trade_allowed: bool = True
    """Whether the terminal may trade at all (autotrading on, account not read-only)."""


class PositionReport(msgspec.Struct, frozen=True, kw_only=True):
    """POSITION_*."""

    identifier: int
    ticket: int
    symbol: str
    type: int
    """0 buy, 1 sell."""
    volume: float
    price_open: float
    sl: float = 0.0
    """0: none, as in MT5."""
    tp: float = 0.0
    swap: float = 0.0
    profit: float = 0.0
    magic: int = 0
    comment: str = ""
    reason: int = 0
    time_msc: int = 0
    time_update_msc: int = 0


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """ORDER_*: a request that rests."""

    ticket: int
    symbol: str
    type: int
    """ORDER_TYPE: 2 buy limit, 3 sell limit, 4 buy stop, 5 sell stop, 6, 7 stop limits."""
    volume_current: float
    price_open: float
    volume_initial: float = 0.0
    sl: float = 0.0
    tp: float = 0.0
    state: int = 1
    magic: int = 0
    comment: str = ""
    position_id: int = 0
    time_setup_msc: int = 0


class DealReport(msgspec.Struct, frozen=True, kw_only=True):
    """DEAL_*: an execution, or a balance operation; immutable."""

    ticket: int
    order: int
    position_id: int
    symbol: str
    type: int
    """DEAL_TYPE: 0 buy, 1 sell, 2 balance, 3 credit, 4 charge, 5 correction, 6 bonus, ..."""
    entry: int
    """DEAL_ENTRY: 0 in, 1 out, 2 in/out (reversal), 3 out by."""
    volume: float
    price: float
    profit: float = 0.0
    swap: float = 0.0
    commission: float = 0.0
    fee: float = 0.0
    magic: int = 0
    comment: str = ""
    reason: int = 0
    """DEAL_REASON: 0 client, 1 mobile, 2 web, 3 expert, 4 stop loss, 5 target, 6 stop out."""
    time_msc: int = 0


class SpecReport(msgspec.Struct, frozen=True, kw_only=True):
    """SYMBOL_* as far as profit, margin and closing need them."""

    name: str
    digits: int
    trade_contract_size: float
    trade_calc_mode: int
    currency_base: str
    currency_profit: str
    currency_margin: str = ""
    trade_tick_size: float = 0.0
    trade_tick_value: float = 0.0
    volume_min: float = 0.01
    volume_max: float = 0.0
    volume_step: float = 0.01
    filling_mode: int = 0
    """SYMBOL_FILLING flags: 1 fill or kill, 2 immediate or cancel, 4 book or cancel."""
    trade_mode: int = 4
    """SYMBOL_TRADE_MODE: 0 disabled, 3 close only, 4 full."""
    trade_stops_level: int = 0


class IntentReport(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the terminal's own intent table: what it made of a command."""

    intent_id: str
    epoch: int
    retcode: int
    """0: taken, not yet answered by the broker."""
    deal: int = 0
    order: int = 0
    volume: float = 0.0
    price: float = 0.0


class FullReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a terminal holds of an account, as one answer."""

    account: AccountReport
    positions: tuple[PositionReport, ...]
    orders: tuple[OrderReport, ...] = ()
    specs: tuple[SpecReport, ...] = ()
    recent_intents: tuple[IntentReport, ...] = ()
    floor: float | None = None
    """The terminal's own fail-safe floor, as it has it."""
    complete: bool
    """False: a query failed. Such a report is UNKNOWN and changes no belief; it is never flat."""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Each second: the broker's arithmetic and a digest of the position set."""

    balance: float
    credit: float
    equity: float
    margin: float
    digest: str
    """Of the sorted (identifier, type, volume in hundred-millionths) of every position."""


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command, as the terminal saw it. PLACED is not flat; deals settle."""

    intent_id: str
    retcode: int
    deal: int = 0
    order: int = 0
    volume: float = 0.0
    price: float = 0.0
    comment: str = ""
