"""The guards of a ruleset as domain types, from the keys of a book."""

from collections.abc import Callable
from typing import Any, assert_never

from engine import config
from engine.book_money import money_minor
from engine.domain import guards
from engine.domain.guards import AccountGuard, Action, Latch, Reference, Reset
from engine.toml_document import Spot

Calendar = tuple[tuple[guards.NewsEvent, ...] | None, int | None]
"""Events by time and until when they say something; None: it could not be read."""

ReadCalendar = Callable[[config.NewsWindowKeys, Spot], Calendar]


def guard_of(
    keys: config.AnyGuardKeys,
    reset: Reset | None,
    spot: Spot,
    currency: str,
    initial: float,
    read_calendar: ReadCalendar,
) -> AccountGuard:
    """One guard for accounts in `currency`; `initial` matters to `above_initial` alone.

    Raises:
        UserError: money has more decimals than the currency.
    """
    given: dict[str, Any] = {"name": keys.name, "action": keys.action, "reset": reset}
    if isinstance(keys, config.LatchedKeys):
        given |= {"latch": latch_of(keys), "notice_s": keys.notice_s}
    match keys:
        case config.EquityLimitKeys():
            return _equity_limit(keys, given, spot, currency, initial)
        case config.ProfitTargetKeys():
            target = _target(keys.target, spot / "target", currency)
            return guards.ProfitTarget(**given, target=target)
        case config.MinDaysKeys():
            return guards.MinDays(**given, days=keys.days)
        case config.ConsistencyKeys():
            share, days = keys.max_percent, keys.after_days
            return guards.Consistency(**given, max_percent=share, after_days=days)
        case config.ExposureKeys():
            return guards.Exposure(
                **given,
                max_positions=keys.max_positions,
                max_lots_per_symbol=keys.max_lots_per_symbol,
                max_net_notional=keys.max_net_notional,
                max_gross_notional=keys.max_gross_notional,
            )
        case config.MarginLevelKeys():
            lowest, warn = keys.floor_percent, keys.warn_level_percent
            return guards.MarginLevel(**given, floor_percent=lowest, warn_level_percent=warn)
        case config.WeekendFlatKeys():
            return guards.WeekendFlat(**given, minutes_before=keys.minutes_before)
        case config.NewsWindowKeys():
            events, until = read_calendar(keys, spot / "calendar")
            return guards.NewsWindow(
                **given,
                before_s=keys.before_s,
                after_s=keys.after_s,
                events=events,
                on_missing=keys.on_missing,
                covers_until_msc=until,
            )
        case config.MaxHoldingKeys():
            return guards.MaxHolding(**given, seconds=keys.seconds)
        case config.StopLossRequiredKeys():
            return guards.StopLossRequired(**given, grace_s=keys.grace_s)
        case _:
            assert_never(keys)


def latch_of(keys: config.LatchedKeys) -> Latch:
    if keys.latch is not None:
        return keys.latch
    return Latch.RESET if keys.action is Action.PAUSE else Latch.MANUAL


def _equity_limit(
    keys: config.EquityLimitKeys,
    given: dict[str, Any],
    spot: Spot,
    currency: str,
    initial: float,
) -> guards.EquityLimit:
    fixed = keys.amount.floor is not None
    warn = keys.warn_percent
    if warn is None and keys.warn_drawdown_percent is None and not fixed:
        warn = 75.0
    return guards.EquityLimit(
        **given,
        reference=keys.reference or Reference.INITIAL,
        amount=_amount(keys.amount, spot / "amount", currency),
        measured=keys.measured,
        comparator=keys.comparator,
        lock_at=_lock(keys.lock_at, spot / "lock_at", currency, initial),
        warn_percent=warn,
        warn_drawdown_percent=keys.warn_drawdown_percent,
    )


def _amount(keys: config.AmountKeys, spot: Spot, currency: str) -> guards.Amount:
    if keys.floor is not None:
        return guards.FixedFloor(floor_minor=money_minor(keys.floor, currency, spot / "floor"))
    if keys.money is not None:
        return guards.Money(amount_minor=money_minor(keys.money, currency, spot / "money"))
    assert keys.percent is not None
    return guards.Percent(percent=keys.percent, of_reference=keys.of == "reference")


def _target(keys: config.TargetKeys, spot: Spot, currency: str) -> guards.Percent | guards.Money:
    if keys.money is not None:
        return guards.Money(amount_minor=money_minor(keys.money, currency, spot / "money"))
    assert keys.percent is not None
    return guards.Percent(percent=keys.percent)


def _lock(
    keys: config.LockKeys | None, spot: Spot, currency: str, initial: float
) -> guards.Percent | guards.Money | None:
    if keys is None:
        return None
    if keys.percent is not None:
        return guards.Percent(percent=keys.percent)
    if keys.money is not None:
        return guards.Money(amount_minor=money_minor(keys.money, currency, spot / "money"))
    assert keys.above_initial is not None
    above = money_minor(keys.above_initial, currency, spot / "above_initial")
    return guards.Money(amount_minor=money_minor(initial, currency, spot) + above)
