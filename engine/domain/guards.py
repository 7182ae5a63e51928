"""The guards an account can have, as data. What each kind means is in the file named beside it.

| kind | decides in |
|---|---|
| `equity_limit` | `equity_limits.py` |
| `profit_target`, `min_days`, `consistency` | `objectives.py` |
| `exposure`, `margin_level` | `exposures.py` |
| `weekend_flat`, `news_window`, `max_holding`, `stop_loss_required` | `schedules.py` |
| `gap`, `spread`, `stale` (of a feed) | `market_guards.py` |
"""

from enum import Enum

import msgspec


class Action(Enum):
    """What a breach does."""

    ALERT = "alert"
    CLOSE = "close"
    CLOSE_AND_HALT = "close_and_halt"
    PAUSE = "pause"
    """Halt until the next reset, keep positions."""

    @property
    def halts(self) -> bool:
        """Whether the account takes no new risk from the breach on."""
        return self in (Action.CLOSE_AND_HALT, Action.PAUSE)

    @property
    def closes(self) -> bool:
        """Whether positions are closed once the notice has run out."""
        return self in (Action.CLOSE, Action.CLOSE_AND_HALT)


class Latch(Enum):
    """When a breach ends."""

    RESET = "reset"
    MANUAL = "manual"
    """By a named person with a reason."""
    NEVER = "never"


class Reference(Enum):
    """What an equity limit measures from."""

    INITIAL = "initial"
    BALANCE_AT_RESET = "balance_at_reset"
    EQUITY_AT_RESET = "equity_at_reset"
    HIGHER_AT_RESET = "higher_at_reset"
    """The larger of balance and equity at the reset."""
    DAY_HIGH_EQUITY = "day_high_equity"
    EQUITY_HIGH_WATER = "equity_high_water"
    BALANCE_HIGH_WATER = "balance_high_water"
    END_OF_DAY_BALANCE_HIGH_WATER = "end_of_day_balance_high_water"


AT_RESET = frozenset(
    {
        Reference.BALANCE_AT_RESET,
        Reference.EQUITY_AT_RESET,
        Reference.HIGHER_AT_RESET,
        Reference.DAY_HIGH_EQUITY,
        Reference.END_OF_DAY_BALANCE_HIGH_WATER,
    }
)
"""References that a reset moves, and that therefore need one."""


class Percent(msgspec.Struct, frozen=True, kw_only=True, tag="percent"):
    """A share of the initial balance or of the reference."""

    percent: float
    of_reference: bool = False


class Money(msgspec.Struct, frozen=True, kw_only=True, tag="money"):
    """A fixed sum in the account currency."""

    amount_minor: int


class FixedFloor(msgspec.Struct, frozen=True, kw_only=True, tag="floor"):
    """A fixed equity, whatever the reference does."""

    floor_minor: int


Amount = Percent | Money | FixedFloor


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """A local time of day at which a guard's day ends; never an hour offset."""

    zone: str
    at_minute: int
    """Minutes after local midnight, 0 to 1439."""


class Measured(Enum):
    """What an equity limit holds against its floor."""

    EQUITY = "equity"
    BALANCE = "balance"


class Comparator(Enum):
    """When a measured value breaches a floor."""

    BELOW = "below"
    AT_OR_BELOW = "at_or_below"


class Guard(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every guard of an account has."""

    name: str
    action: Action
    latch: Latch = Latch.MANUAL
    notice_s: float = 0.0
    """Seconds between breach and close. Recovery inside it does not cancel the close."""
    reset: Reset | None = None


class EquityLimit(Guard, frozen=True, kw_only=True, tag="equity_limit"):
    """floor = reference - amount; breach when measured < floor, or <= floor."""

    reference: Reference
    amount: Amount
    measured: Measured = Measured.EQUITY
    comparator: Comparator = Comparator.BELOW
    lock_at: Money | Percent | None = None
    """The floor never rises above this; a percent is of the initial balance."""
    warn_percent: float | None = 75.0
    """Of the amount used. Exactly one of the two warns, or neither."""
    warn_drawdown_percent: float | None = None


class ProfitTarget(Guard, frozen=True, kw_only=True, tag="profit_target"):
    """Reached when flat and balance, less net deposits, >= initial + target."""

    target: Percent | Money


class MinDays(Guard, frozen=True, kw_only=True, tag="min_days"):
    """Reached when deals were made on at least `days` days of the reset's zone."""

    days: int


class Consistency(Guard, frozen=True, kw_only=True, tag="consistency"):
    """Breached at a reset when the best day is more than `max_percent` of the total profit."""

    max_percent: float
    after_days: int = 2
    """Not tested before so many days with deals: of a single day the share is always 100 %."""


class Exposure(Guard, frozen=True, kw_only=True, tag="exposure"):
    """Limits on what is open, each optional; breached when one is exceeded."""

    max_positions: int | None = None
    max_lots_per_symbol: float | None = None
    """Long plus short lots of one symbol."""
    max_net_notional: float | None = None
    """Sum over symbols of |long - short| at mid, account currency."""
    max_gross_notional: float | None = None


class MarginLevel(Guard, frozen=True, kw_only=True, tag="margin_level"):
    """Breached when 100 * equity / margin < floor_percent; never while margin is 0."""

    floor_percent: float
    warn_level_percent: float | None = None


class WeekendFlat(Guard, frozen=True, kw_only=True, tag="weekend_flat"):
    """Breached by a position still open `minutes_before` the last tradable minute of the week."""

    minutes_before: int = 15


class NewsEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a news calendar."""

    time_msc: int
    currency: str
    title: str = ""


class OnMissingCalendar(Enum):
    """What a news window does when its calendar cannot be read or has run out."""

    ALLOW = "allow"
    ALERT = "alert"
    BLOCK = "block"


class NewsWindow(Guard, frozen=True, kw_only=True, tag="news_window"):
    """Breached by a position in an affected currency inside a window around a news event."""

    before_s: float = 120.0
    after_s: float = 120.0
    events: tuple[NewsEvent, ...] | None = None
    """By time; None when the calendar could not be read."""
    on_missing: OnMissingCalendar = OnMissingCalendar.ALERT
    covers_until_msc: int | None = None
    """The calendar says nothing after this."""


class MaxHolding(Guard, frozen=True, kw_only=True, tag="max_holding"):
    """Breached by a position open for `seconds` or longer; closes that position alone."""

    seconds: float


class StopLossRequired(Guard, frozen=True, kw_only=True, tag="stop_loss_required"):
    """Breached by a position without a stop loss after `grace_s`; closes that position alone."""

    grace_s: float = 60.0


AccountGuard = (
    EquityLimit
    | ProfitTarget
    | MinDays
    | Consistency
    | Exposure
    | MarginLevel
    | WeekendFlat
    | NewsWindow
    | MaxHolding
    | StopLossRequired
)
