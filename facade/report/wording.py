"""Sentences of the report: what happened to an account, and what decided a breach."""

from collections.abc import Sequence

from engine.domain import records
from engine.domain.account import Mode
from facade.report import numbers
from facade.report.markup import Child, h
from facade.report.story import BREACHED, KNOWN, UNKNOWN, WARNED, Breach, Story
from facade.report.tables import price, when


def lead(stories: Sequence[Story], *, dated: bool) -> Child:
    """The first thing worth knowing after the headline."""
    breached = sorted(
        (story for story in stories if story.breaches),
        key=lambda story: story.breaches[0].verdict.time_msc,
    )
    if breached:
        story = breached[0]
        return [
            "The first was ", h("b", story.name), ", by ", h("b", story.breaches[0].verdict.guard),
            ". ", decided(story, story.breaches[0], dated=dated),
        ]  # fmt: skip
    if all(story.state == UNKNOWN for story in stories):
        return "No account could be valued: quotes they need are not in these tick files."
    valued = sum(story.closed.ticks for story in stories)
    return (
        "Every guard was tested wherever a line might be crossed, and none was: the accounts were "
        f"valued {numbers.counted(valued, 'time')} in all."
    )


def decided(story: Story, breach: Breach, *, dated: bool) -> Child:
    """`At 12:30:01.690Z tick 66 955 of XAUUSD (…) took equity to …, 39.80 below the floor …`."""
    verdict = breach.verdict
    parts: list[Child] = ["At ", when(verdict.time_msc, dated=dated)]
    tick = verdict.tick
    if isinstance(tick, records.Tick):
        digits = symbol_digits(story, tick.symbol)
        parts += [
            " tick ", numbers.count(tick.index), " of ", tick.symbol, " (", price(tick.bid, digits),
            " / ", price(tick.ask, digits), ")",
        ]  # fmt: skip
    else:
        parts.append(", at the reset,")
    if isinstance(verdict, records.RuleBreach):
        subject = f" of {verdict.subject}" if verdict.subject else ""
        # What kind of number it is depends on the guard; it is shown as published.
        value = numbers.UNKNOWN if verdict.value is None else f"{verdict.value:g}"
        limit = "" if verdict.limit is None else f" against a limit of {verdict.limit:g}"
        found = f" found {verdict.measured.replace('_', ' ')}{subject} at {value}{limit}."
        return [*parts, found]
    measured = verdict.balance if verdict.measured == "balance" else verdict.equity
    verb = "took" if isinstance(tick, records.Tick) else "found"
    below = verdict.floor - measured
    where = (
        f", {_money(story, below)} below the floor of {_money(story, verdict.floor)}"
        if below > 0
        else ", which is the floor itself"
    )
    shown = f"{_money(story, measured)} {story.currency}"
    to = "to" if verb == "took" else "to be"
    return [*parts, f" {verb} {verdict.measured} {to} ", h("b", shown), f"{where}."]


def sentence(story: Story, *, dated: bool, measured: bool) -> Child:
    """An account in one or two sentences.

    Args:
        measured: its least room is known without another pass over the ticks.
    """
    if story.state == BREACHED:
        return _breached(story, dated=dated)
    if story.state == UNKNOWN:
        return _unknown(story)
    parts: list[Child] = []
    if story.state == WARNED:
        warning = story.warnings[0]
        parts += ["Warned by ", h("b", warning.guard), " at ", when(warning.time_msc, dated=dated)]
        if isinstance(warning, records.GuardWarning):
            parts.append(f", {numbers.percent(warning.used_percent)} of its amount used")
        if len(story.warnings) > 1:
            again = numbers.counted(len(story.warnings) - 1, "further time")
            parts.append(f"; {again} later")
        parts.append(". Never breached. ")
    elif story.state == KNOWN:
        parts.append("Never warned. " if story.spec.guards else "It has no guard. ")
    if not story.positions:
        parts.append("It held no position. ")
    room = story.series.min_room if measured else None
    if room is not None:
        parts += [
            (f"The least room was {_money(story, room.room)} {story.currency} "
            f"({numbers.percent(room.left_percent)} of the amount left), to "),
            h("b", room.guard), " at ", when(room.time_msc, dated=dated), ".",
        ]  # fmt: skip
    return parts


def _breached(story: Story, *, dated: bool) -> Child:
    first = story.breaches[0]
    parts: list[Child] = [
        "Breached ", h("b", first.verdict.guard), " at ",
        when(first.verdict.time_msc, dated=dated), ". ", consequence(story, first),
    ]  # fmt: skip
    later = [breach.verdict.guard for breach in story.breaches[1:]]
    if later:
        named = ", ".join(dict.fromkeys(later))
        parts.append(f" {numbers.counted(len(later), 'further breach', 'further breaches')}: "
                     f"{named}.")  # fmt: skip
    return parts


def consequence(story: Story, breach: Breach) -> str:
    """What was closed for it, and at what profit."""
    if not breach.closes:
        if story.spec.mode is Mode.OBSERVE:
            return "The account is only watched: nothing was closed."
        nothing = {
            "alert": "It only tells; nothing was closed.",
            "pause": "The account was halted; positions stay.",
        }
        return nothing.get(breach.verdict.action, "Nothing was open to be closed.")
    lots = sum(close.volume_lots for close in breach.closes)
    gained = numbers.money(breach.realised, story.digits, signed=True)
    many = len(breach.closes)
    after = breach.closes[-1].time_msc - breach.verdict.time_msc
    later = f" {numbers.duration(after)} later" if after else ""
    return (
        f"{numbers.counted(many, 'position')}, {numbers.lots(lots)} lots, "
        f"{'was' if many == 1 else 'were'} closed{later}, profit {gained} {story.currency}."
    )


def _unknown(story: Story) -> Child:
    if story.missing:
        named = ", ".join(story.missing)
        return f"Never valued: no tick of {named} in these files. No guard was tested."
    return "Never valued: the quotes it needs were never there together. No guard was tested."


def _money(story: Story, amount: float) -> str:
    return numbers.money(amount, story.digits)


def symbol_digits(story: Story, symbol: str) -> int | None:
    """Decimals of a symbol's prices; None for one the account's market does not hold."""
    priced = story.spec.market.priced.get(symbol)
    return None if priced is None else priced.instrument.digits
