"""An explanation in plain lines: the formula with its numbers, for a terminal or a mail."""

from collections.abc import Iterable, Iterator

from msgspec import UNSET

from engine.domain.records import (
    CloseIntended,
    CloseWaits,
    GuardBreach,
    GuardWarning,
    RuleBreach,
    RuleWarning,
)
from engine.domain.units import currency_digits
from engine.explain_inputs import Inputs, LimitInput, PositionInput, money
from engine.replay_times import moment_text


def explanation_lines(
    record: GuardWarning | GuardBreach | RuleWarning | RuleBreach, inputs: Inputs | None
) -> list[str]:
    """What was decided and what it came from; only what was decided where the inputs are not known.

    Money is grouped with spaces, in the account currency.
    """
    what = f"{_word(record)} of {record.guard} ({record.kind})"
    where = f"{record.server}/{record.login} at {moment_text(record.time_msc)}"
    lines = [f"{record.verdict_id}  {what}  {where}"]
    if record.tick is UNSET:
        lines.append("at a reset instant, on the quotes before any tick of that moment")
    else:
        tick = record.tick
        lines.append(f"tick {tick.index}  {tick.symbol} bid {tick.bid} ask {tick.ask}")
    if inputs is not None:
        lines += _equity_lines(inputs)
    if isinstance(record, GuardWarning | GuardBreach):
        limit = None if inputs is None else inputs.limit
        digits = 2 if inputs is None else currency_digits(inputs.currency)
        lines += _limit_lines(record, limit, digits)
    else:
        lines.append(_rule_line(record))
    return lines


def close_lines(closes: Iterable[CloseIntended | CloseWaits]) -> Iterator[str]:
    """What the verdict closed: the rules broken by that, and the rules it waited for."""
    for one in closes:
        what = f"position {one.position_id}"
        if isinstance(one, CloseWaits):
            until = "nobody knows when" if one.until_msc is None else moment_text(one.until_msc)
            rules = ", ".join(one.yields_to)
            yield f"{what} waits from {moment_text(one.time_msc)}: yields to {rules} until {until}"
        elif one.sacrificed is not UNSET:
            broken = ", ".join(one.sacrificed)
            yield f"{what} closed at {moment_text(one.time_msc)}, sacrificed: {broken}"


def _word(record: object) -> str:
    return "breach" if isinstance(record, GuardBreach | RuleBreach) else "warning"


def _equity_lines(inputs: Inputs) -> Iterator[str]:
    digits = currency_digits(inputs.currency)
    floating = sum(position.profit for position in inputs.positions)
    swap = sum(position.swap for position in inputs.positions)
    yield (
        f"equity = balance {money(inputs.balance, digits)} + credit {money(inputs.credit, digits)}"
        f" + profit {money(floating, digits)} + swap {money(swap, digits)}"
        f" = {money(inputs.equity, digits)} {inputs.currency}"
    )
    for position in inputs.positions:
        yield from _position_lines(position, inputs.currency)


def _position_lines(position: PositionInput, currency: str) -> Iterator[str]:
    digits = currency_digits(position.profit_currency)
    own_digits = currency_digits(currency)
    yield (
        f"  position {position.position_id}  {position.symbol} {position.side}"
        f" {position.volume_lots} lots, open {position.open_price},"
        f" close at {position.close_side} {position.close_price} ({position.age_ms} ms old)"
    )
    raw = f"{money(position.raw_profit, digits)} {position.profit_currency}"
    if position.closed_leg is not None and position.opened_leg is not None:
        closed, opened = money(position.closed_leg, digits), money(position.opened_leg, digits)
        legs = f"{closed} - {opened}" if position.side == "buy" else f"{opened} - {closed}"
        yield f"    each leg rounded: {legs} = {raw}"
    else:
        yield f"    the difference rounded: {raw}"
    if position.conversion:
        rates = " * ".join(
            f"{'1 / ' if leg.inverse else ''}{leg.symbol} {leg.side} {leg.price}"
            f" ({leg.age_ms} ms old)"
            for leg in position.conversion
        )
        yield (
            f"    converted at {rates} = {position.rate!r}:"
            f" {money(position.profit, own_digits)} {currency}"
        )
    if position.swap:
        yield f"    swap {money(position.swap, own_digits)} {currency}"


def _limit_lines(
    record: GuardWarning | GuardBreach, limit: LimitInput | None, digits: int
) -> Iterator[str]:
    reference, floor = money(record.reference, digits), money(record.floor, digits)
    amount = ""
    if limit is not None:
        yield f"reference {limit.reference_kind} = {reference} since {moment_text(limit.since_msc)}"
        amount = f" = {reference} - {limit.formula}"
        if limit.lock is not None:
            amount += f", at most {money(limit.lock, digits)}"
    if isinstance(record, GuardBreach):
        sign = "<=" if record.comparator == "at_or_below" else "<"
        measured = record.equity if record.measured == "equity" else record.balance
        yield (
            f"floor{amount} = {floor}; breach when {record.measured} {sign} floor;"
            f" {record.measured} {money(measured, digits)}"
        )
        if record.broker_equity is not UNSET:
            told = money(record.broker_equity, digits)
            yield f"the broker's own equity {told} is far from that, and past the floor as well"
        return
    yield f"floor{amount} = {floor}"
    warns = "" if limit is None else f"; warns {limit.warns}"
    yield (
        f"{record.used_percent} % of the amount between {reference} and {floor} is used"
        f" (equity {money(record.equity, digits)}, balance {money(record.balance, digits)}){warns}"
    )


def _rule_line(record: RuleWarning | RuleBreach) -> str:
    about = f" of {record.subject}" if record.subject else ""
    limit = "" if record.limit is None else f", limit {record.limit}"
    return f"{record.measured}{about} = {record.value}{limit}"
