"""The keys of a book, as they are written in TOML; docs/book.md explains each.

Only shapes and ranges that one key shows by itself are here. What keys mean to each other is
checked where the domain's types are made (`book.py`, `book_guards.py`).
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from engine.domain.account import MarginMode, Mode, OperationKind
from engine.domain.guards import Action, Comparator, Latch, Measured, OnMissingCalendar, Reference
from engine.domain.instruments import CalcMode, ConversionRule
from engine.domain.market_findings import OnSuspect
from engine.domain.positions import Side

Above0 = Annotated[float, Meta(gt=0)]
From0 = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0, le=100)]
"""A percentage of something that cannot be more than the whole."""
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(pattern=r"^\S(.*\S)?$")]
"""Not empty, no blanks at its ends."""
Currency = Annotated[str, Meta(pattern=r"^\S+$")]
Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Moment = datetime | int
"""RFC 3339, as a string or a TOML date-time (without an offset: UTC), or UTC milliseconds."""


class Keys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A table of the book."""

    noun: ClassVar[str] = "the book"
    remarks: ClassVar[dict[str, str]] = {}
    """Key to what is worth knowing when its value is refused."""


class SessionsKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """When a symbol trades."""

    noun: ClassVar[str] = "the sessions"
    zone: Name = "America/New_York"
    spans: Annotated[list[str], Meta(min_length=1)]
    """`sun 17:00 - fri 17:00`."""


class InstrumentKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """A symbol."""

    noun: ClassVar[str] = "an instrument"
    remarks: ClassVar[dict[str, str]] = {"calc_mode": "bonds, options and collateral are not built"}
    symbol: Name
    calc_mode: CalcMode
    digits: Annotated[int, Meta(ge=0, le=15)]
    contract_size: Above0
    base_currency: Currency
    profit_currency: Currency
    tick_size: Above0 | None = None
    tick_value: Above0 | None = None
    pip_size: Above0 | None = None
    margin_currency: Currency | None = None
    margin_initial: From0 = 0.0
    margin_hedged: From0 | None = None
    hedged_use_leg: bool = False
    margin_rate_buy: From0 = 1.0
    margin_rate_sell: From0 = 1.0
    conversion: ConversionRule = ConversionRule.BY_DEAL
    volume_min: Above0 = 0.01
    volume_max: Above0 = 1000.0
    volume_step: Above0 = 0.01
    sessions: SessionsKeys | None = None


class ResetKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """The end of a guard's day."""

    noun: ClassVar[str] = "a reset"
    zone: Name
    at: Clock


class AmountKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """How far a floor lies below its reference, or where it lies."""

    noun: ClassVar[str] = "an amount"
    percent: Share | None = None
    of: Literal["initial", "reference"] | None = None
    money: Above0 | None = None
    floor: From0 | None = None


class LockKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """Where a floor stops rising."""

    noun: ClassVar[str] = "a lock_at"
    percent: Above0 | None = None
    of: Literal["initial"] | None = None
    money: Above0 | None = None
    above_initial: float | None = None


class TargetKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """A profit to reach."""

    noun: ClassVar[str] = "a target"
    percent: Above0 | None = None
    of: Literal["initial"] | None = None
    money: Above0 | None = None


class GuardKeys(Keys, tag_field="kind", forbid_unknown_fields=True, kw_only=True):
    """What every guard of a ruleset has."""

    noun: ClassVar[str] = "a guard"
    name: Name
    action: Action
    reset: ResetKeys | None = None


class LatchedKeys(GuardKeys, forbid_unknown_fields=True, kw_only=True):
    """Guards that are latched as a whole and may give notice."""

    latch: Latch | None = None
    notice_s: From0 = 0.0


class EquityLimitKeys(LatchedKeys, tag="equity_limit", forbid_unknown_fields=True, kw_only=True):
    """floor = reference - amount."""

    amount: AmountKeys
    reference: Reference | None = None
    measured: Measured = Measured.EQUITY
    comparator: Comparator = Comparator.BELOW
    lock_at: LockKeys | None = None
    warn_percent: Share | None = None
    warn_drawdown_percent: Share | None = None


class ProfitTargetKeys(LatchedKeys, tag="profit_target", forbid_unknown_fields=True, kw_only=True):
    """A profit to reach, flat."""

    target: TargetKeys


class MinDaysKeys(LatchedKeys, tag="min_days", forbid_unknown_fields=True, kw_only=True):
    """Days with deals to reach."""

    days: Count


class ConsistencyKeys(LatchedKeys, tag="consistency", forbid_unknown_fields=True, kw_only=True):
    """The best day's largest share of the profit."""

    max_percent: Share
    after_days: Count = 2


class ExposureKeys(LatchedKeys, tag="exposure", forbid_unknown_fields=True, kw_only=True):
    """Limits on what is open."""

    max_positions: Annotated[int, Meta(ge=0)] | None = None
    max_lots_per_symbol: From0 | None = None
    max_net_notional: From0 | None = None
    max_gross_notional: From0 | None = None


class MarginLevelKeys(LatchedKeys, tag="margin_level", forbid_unknown_fields=True, kw_only=True):
    """The lowest margin level."""

    floor_percent: Above0
    warn_level_percent: Above0 | None = None


class WeekendFlatKeys(GuardKeys, tag="weekend_flat", forbid_unknown_fields=True, kw_only=True):
    """Nothing open over a weekend."""

    minutes_before: Annotated[int, Meta(ge=0, le=10_080)] = 15


class NewsWindowKeys(GuardKeys, tag="news_window", forbid_unknown_fields=True, kw_only=True):
    """Nothing open in an affected currency around news."""

    calendar: Name
    """A CSV file, relative to the book: time, currency, title."""
    before_s: From0 = 120.0
    after_s: From0 = 120.0
    on_missing: OnMissingCalendar = OnMissingCalendar.ALERT
    covers_until: Moment | None = None


class MaxHoldingKeys(GuardKeys, tag="max_holding", forbid_unknown_fields=True, kw_only=True):
    """The longest a position may be open."""

    seconds: Above0


class StopLossRequiredKeys(
    GuardKeys, tag="stop_loss_required", forbid_unknown_fields=True, kw_only=True
):
    """Every position needs a stop loss."""

    grace_s: From0 = 60.0


AnyGuardKeys = (
    EquityLimitKeys
    | ProfitTargetKeys
    | MinDaysKeys
    | ConsistencyKeys
    | ExposureKeys
    | MarginLevelKeys
    | WeekendFlatKeys
    | NewsWindowKeys
    | MaxHoldingKeys
    | StopLossRequiredKeys
)


class RulesetKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """Guards under one name."""

    noun: ClassVar[str] = "a ruleset"
    name: Name
    preset: str | None = None
    reset: ResetKeys | None = None
    """In place of the preset's resets, and for guards below that give none."""
    minimum_hold_s: From0 = 0.0
    guard: list[AnyGuardKeys] = []


class PositionKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """An open position."""

    noun: ClassVar[str] = "a position"
    id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    symbol: Name
    side: Side
    volume_lots: Above0
    open_price: Above0
    swap: float = 0.0
    stop_loss: Above0 | None = None
    take_profit: Above0 | None = None
    magic: int = 0
    comment: str = ""
    opened_at: Moment | None = None


class OperationKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """Money that comes or goes without a trade."""

    noun: ClassVar[str] = "an operation"
    at: Moment
    kind: OperationKind
    money: float


class AccountKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """An account with what it holds."""

    noun: ClassVar[str] = "an account"
    login: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    server: Name
    currency: Currency
    balance: float
    ruleset: Name
    initial: Above0 | None = None
    credit: float = 0.0
    leverage: Count = 100
    margin_mode: MarginMode = MarginMode.HEDGING
    mode: Mode = Mode.ENFORCE
    aliases: dict[str, str] = {}
    """The broker's symbol to the book's."""
    match_pips: From0 | None = None
    position: list[PositionKeys] = []
    operation: list[OperationKeys] = []


class MarketGuardKeys(Keys, tag_field="kind", forbid_unknown_fields=True, kw_only=True):
    """What every guard of the feed has."""

    noun: ClassVar[str] = "a guard of the feed"
    name: Name | None = None
    action: Action = Action.ALERT
    symbols: list[Name] = []


class GapKeys(MarketGuardKeys, tag="gap", forbid_unknown_fields=True, kw_only=True):
    """A jump after a quiet spell."""

    warn_percent: Above0 = 5.0
    act_percent: Above0 = 10.0
    quiet_s: Above0 = 60.0
    across_sessions: bool = False


class SpreadKeys(MarketGuardKeys, tag="spread", forbid_unknown_fields=True, kw_only=True):
    """A wide spread that lasts."""

    warn_percent: Above0 = 0.5
    act_percent: Above0 = 1.0
    for_s: From0 = 2.0


class StaleKeys(MarketGuardKeys, tag="stale", forbid_unknown_fields=True, kw_only=True):
    """No tick inside the session."""

    max_age_s: Above0 = 60.0


class SuspectKeys(MarketGuardKeys, tag="suspect", forbid_unknown_fields=True, kw_only=True):
    """Invalid quotes in a row."""

    in_a_row: Count = 3
    policy: OnSuspect = OnSuspect.HOLD


class FeedKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """What is watched of quotes, whoever holds the symbol."""

    noun: ClassVar[str] = "the feed"
    guard: list[GapKeys | SpreadKeys | StaleKeys | SuspectKeys] = []


class BookKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """A whole book."""

    instrument: list[InstrumentKeys] = []
    ruleset: list[RulesetKeys] = []
    account: list[AccountKeys] = []
    feed: FeedKeys | None = None


class PresetKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """A preset's guards, written as in a ruleset without its name before `guard`."""

    guard: list[AnyGuardKeys]
