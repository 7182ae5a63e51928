"""Guards in words, each a sentence or two that a person can hold against the firm's own rules."""

from collections.abc import Sequence
from typing import assert_never

from engine.domain.account import AccountSpec
from engine.domain.guards import (
    AccountGuard,
    Action,
    Comparator,
    Consistency,
    EquityLimit,
    Exposure,
    FixedFloor,
    Guard,
    Latch,
    MarginLevel,
    MaxHolding,
    Measured,
    MinDays,
    Money,
    NewsWindow,
    Percent,
    ProfitTarget,
    Reference,
    Reset,
    StopLossRequired,
    WeekendFlat,
)
from engine.domain.market_findings import OnSuspect
from engine.domain.market_guards import (
    AnyMarketGuard,
    Gap,
    Spread,
    Stale,
    Suspect,
)
from facade.report import numbers

_REFERENCES = {
    Reference.INITIAL: "the initial balance",
    Reference.BALANCE_AT_RESET: "the balance at the last reset",
    Reference.EQUITY_AT_RESET: "the equity at the last reset",
    Reference.HIGHER_AT_RESET: "the larger of balance and equity at the last reset",
    Reference.DAY_HIGH_EQUITY: "the highest equity since the last reset",
    Reference.EQUITY_HIGH_WATER: "the highest equity so far",
    Reference.BALANCE_HIGH_WATER: "the highest balance so far",
    Reference.END_OF_DAY_BALANCE_HIGH_WATER: "the highest balance at any reset so far",
}

_ACTIONS = {
    Action.ALERT: "tells, and does nothing else",
    Action.CLOSE: "closes",
    Action.CLOSE_AND_HALT: "closes everything and halts the account",
    Action.PAUSE: "halts the account, positions stay",
}

_SUSPECT = {
    OnSuspect.HOLD: "are not tested",
    OnSuspect.ALERT: "go on, on the last valid quote,",
    OnSuspect.CORROBORATE: "act only where the broker's own equity agrees,",
}

_LATCHES = {
    Latch.RESET: "until the next reset",
    Latch.MANUAL: "until a named person releases it",
    Latch.NEVER: "for good",
}


def in_words(guard: AccountGuard, spec: AccountSpec) -> str:
    """What the guard forbids, when it warns and what it does, in whole sentences."""
    said = [_forbids(guard, spec)]
    if guard.reset is not None:
        said.append(f"Reset {reset_in_words(guard.reset)}.")
    if isinstance(guard, EquityLimit):
        said += _of_limit(guard, spec)
    if not isinstance(guard, ProfitTarget | MinDays):
        said.append(_consequence(guard))
    return " ".join(said)


def market_in_words(guard: AnyMarketGuard) -> str:
    """What a guard on the feed's quotes looks for, and what it does to who holds the symbol."""
    symbols = ", ".join(guard.symbols) or "every symbol"
    match guard:
        case Gap():
            found = (
                f"the middle price moves over a silence of {guard.quiet_s:g} s or more: warns at "
                f"{guard.warn_percent:g} %, acts at {guard.act_percent:g} %"
            )
        case Spread():
            found = (
                f"the spread is above {guard.warn_percent:g} % of the bid for {guard.for_s:g} s: "
                f"warns; at {guard.act_percent:g} % it acts"
            )
        case Stale():
            found = f"no valid tick comes for {guard.max_age_s:g} s inside the session"
        case Suspect():
            found = (
                f"{guard.in_a_row} invalid quotes come in a row: guards on it "
                f"{_SUSPECT[guard.policy]} until a valid one comes"
            )
        case _:
            assert_never(guard)
    return f"On {symbols}, when {found}. It {_ACTIONS[guard.action]}."


def reset_in_words(reset: Reset) -> str:
    """`at 00:00 Europe/Prague`."""
    hour, minute = divmod(reset.at_minute, 60)
    return f"at {hour:02d}:{minute:02d} {reset.zone}"


def _forbids(guard: AccountGuard, spec: AccountSpec) -> str:
    match guard:
        case EquityLimit():
            verb = "reach or fall below" if _at(guard) else "fall below"
            measured = "Equity" if guard.measured is Measured.EQUITY else "Balance"
            return f"{measured} may not {verb} {_floor(guard, spec)}."
        case ProfitTarget():
            return (
                f"Reached when the account is flat and its balance has gained "
                f"{_amount(guard.target, spec, 'the initial balance')}."
            )
        case MinDays():
            days = numbers.counted(guard.days, "day")
            return f"Reached when deals were made on at least {days}."
        case Consistency():
            return (
                f"The best day may not make more than {guard.max_percent:g} % of the total profit "
                f"(tested from {numbers.counted(guard.after_days, 'trading day')} on)."
            )
        case Exposure():
            return _exposure(guard, spec)
        case MarginLevel():
            return f"The margin level may not fall below {guard.floor_percent:g} %."
        case WeekendFlat():
            return (
                f"No position may be open {guard.minutes_before} minutes before the last tradable "
                "minute of the week."
            )
        case NewsWindow():
            return (
                f"No position in an affected currency from {guard.before_s:g} s before to "
                f"{guard.after_s:g} s after a news event of the calendar."
            )
        case MaxHolding():
            return (
                f"No position may be open for {numbers.duration(guard.seconds * 1000)} or longer."
            )
        case StopLossRequired():
            return f"Every position needs a stop loss within {guard.grace_s:g} s."
        case _:
            assert_never(guard)


def _at(guard: EquityLimit) -> bool:
    return guard.comparator is Comparator.AT_OR_BELOW


def _floor(guard: EquityLimit, spec: AccountSpec) -> str:
    if isinstance(guard.amount, FixedFloor):
        return _money(guard.amount.floor_minor, spec)
    reference = _REFERENCES[guard.reference]
    return f"{reference} less {_amount(guard.amount, spec, 'that')}"


def _amount(amount: Percent | Money, spec: AccountSpec, itself: str) -> str:
    if isinstance(amount, Money):
        return _money(amount.amount_minor, spec)
    return f"{amount.percent:g} % of {itself if amount.of_reference else 'the initial balance'}"


def _money(amount_minor: int, spec: AccountSpec) -> str:
    amount = numbers.money(spec.major(amount_minor), spec.digits)
    return f"{amount} {spec.market.deposit}"


def _exposure(guard: Exposure, spec: AccountSpec) -> str:
    parts = []
    if guard.max_positions is not None:
        parts.append(numbers.counted(guard.max_positions, "position"))
    if guard.max_lots_per_symbol is not None:
        parts.append(f"{guard.max_lots_per_symbol:g} lots of one symbol")
    for name, limit in (("net", guard.max_net_notional), ("gross", guard.max_gross_notional)):
        if limit is not None:
            amount = numbers.money(limit, spec.digits)
            parts.append(f"{amount} {spec.market.deposit} {name} notional")
    return f"No more may be open than {', '.join(parts) or 'anything'}."


def _of_limit(guard: EquityLimit, spec: AccountSpec) -> list[str]:
    said = []
    lock = guard.lock_at
    if isinstance(lock, Money):
        said.append(f"The floor stops rising at {_money(lock.amount_minor, spec)}.")
    elif lock is not None:
        said.append(f"The floor stops rising at {lock.percent:g} % of the initial balance.")
    if guard.warn_drawdown_percent is not None:
        said.append(f"Warns at a drawdown of {guard.warn_drawdown_percent:g} %.")
    elif guard.warn_percent is not None:
        said.append(f"Warns at {guard.warn_percent:g} % of the amount used.")
    return said


def _consequence(guard: Guard) -> str:
    does = _ACTIONS[guard.action]
    if isinstance(guard, MaxHolding | StopLossRequired) and guard.action.closes:
        does = "closes that position alone"
        if guard.action.halts:
            does += " and halts the account"
    if guard.notice_s and guard.action.closes:
        does += f" after a notice of {guard.notice_s:g} s"
    return f"A breach {does}; it stays {_LATCHES[guard.latch]}."


def grouped(specs: Sequence[AccountSpec]) -> list[tuple[list[AccountSpec], list[tuple[str, str]]]]:
    """Accounts that have the same rules in words, with those rules: (guard's name, words)."""
    # Accounts of one ruleset and currency share their guards: each is put into words once.
    worded: dict[tuple[int, str], tuple[tuple[str, str], ...]] = {}
    groups: dict[tuple[tuple[str, str], ...], list[AccountSpec]] = {}
    for spec in specs:
        shared = id(spec.guards), spec.market.deposit
        if shared not in worded:
            worded[shared] = tuple((guard.name, in_words(guard, spec)) for guard in spec.guards)
        groups.setdefault(worded[shared], []).append(spec)
    return [(members, list(words)) for words, members in groups.items()]
