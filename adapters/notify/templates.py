"""The words of every alert, made from records and from what the engine knows beside them. Pure.

A first line begins with the state's glyph and the login, then what happened, then the figures. The
last line has the time, the server, the verdict and a link.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.notify import figures
from engine.alerts import Alert, Level
from engine.domain import records
from engine.domain.ids import AccountKey

_SIGNS = {"below": "<", "at_or_below": "<="}
_DESK = "engine"


class Place:
    """What the wording of one account's alerts needs beside the records."""

    __slots__ = ("currency", "desk_url", "key")

    def __init__(self, key: AccountKey, currency: str, desk_url: str | None = None) -> None:
        """`desk_url`: where the desk is read, without a slash at its end; None: no links."""
        self.key = key
        self.currency = currency
        self.desk_url = desk_url

    def money(self, amount: float | None, *, signed: bool = False) -> str:
        """An amount in the account's currency, without its name."""
        return figures.money(amount, self.currency, signed=signed)

    def footer(self, time_msc: int, verdict_id: str | None = None) -> str:
        """`12:30:01.690Z · Demo-1 · verdict vrd_… · link`."""
        parts = [figures.clock(time_msc), self.key.server]
        if verdict_id is not None:
            parts.append(f"verdict {verdict_id}")
        if self.desk_url is not None:
            path = f"v/{verdict_id}" if verdict_id else f"a/{self.key.server}/{self.key.login}"
            parts.append(f"{self.desk_url}/{path}")
        return " · ".join(parts)


# Guards


def warning(
    record: records.GuardWarning | records.RuleWarning,
    place: Place,
    resets_at_msc: int | None = None,
) -> Alert:
    """`▲ 1011 75 % of daily_loss used, 1 000.00 left, resets in 9 h 29`."""
    if isinstance(record, records.GuardWarning):
        used = figures.percent(record.used_percent)
        left = place.money(_measured(record) - record.floor)
        story = f"{used} of {record.guard} used, {left} left"
    else:
        story = f"WARNING {record.guard}: {_rule(record)}"
    if resets_at_msc is not None:
        story += f", resets in {figures.age(resets_at_msc - record.time_msc)}"
    return _verdict(Level.NOTIFY, "warning", place, record, f"▲ {record.login} {story}")


def breach(
    record: records.GuardBreach | records.RuleBreach,
    place: Place,
    positions: int,
    volume_lots: float,
) -> Alert:
    """`✕ 1001 BREACH daily_loss: equity 97 093.30 < floor 97 133.10 USD`, and what closes.

    Args:
        positions: how many are being closed; 0: none.
    """
    if isinstance(record, records.GuardBreach):
        value = record.balance if record.measured == "balance" else record.equity
        sign = _SIGNS.get(record.comparator, record.comparator)
        found = f"{record.measured} {place.money(value)} {sign} floor {place.money(record.floor)}"
        found += f" {place.currency}"
    else:
        found = _rule(record)
    closing = (
        f"closing {figures.counted(positions, 'position')}, {figures.lots(volume_lots)} lots"
        if positions
        else f"action: {record.action}; nothing is being closed"
    )
    first = f"✕ {record.login} BREACH {record.guard}: {found}"
    return _verdict(Level.NOTIFY, "breach", place, record, first, closing)


def closing_at(told: Alert, due_msc: int, now_msc: int) -> Alert:
    """A breach whose guard gives notice: `closing at 12:35:01.690Z, in 5 min`."""
    due = f"closing at {figures.clock(due_msc)}, in {figures.age(due_msc - now_msc)}"
    return _edited(told, "closing_at", due, now_msc)


def close_waits(told: Alert, rules: Sequence[str], until_msc: int | None, now_msc: int) -> Alert:
    """A breach whose close yields to rules: `waits for news window: closing at 12:35:01.690Z`."""
    names = " and ".join(rule.replace("_", " ") for rule in rules)
    when = "nobody knows when"
    if until_msc is not None:
        when = f"closing at {figures.clock(until_msc)}, in {figures.age(until_msc - now_msc)}"
    return _edited(told, "close_waits", f"waits for {names}: {when}", now_msc)


def flat(told: Alert, place: Place, took_ms: int, realised: float, now_msc: int) -> Alert:
    """A breach that is closed: `flat in 0.41 s, realised ...`, with its sign."""
    line = f"flat in {figures.seconds(took_ms)}, realised {place.money(realised, signed=True)}"
    return _edited(told, "flat", line, now_msc)


def not_flat(told: Alert, open_positions: int, of: int, after_ms: int, now_msc: int) -> Alert:
    """A breach that is not closed in time: a page, with what was told before."""
    assert told.account is not None, "a breach has an account"
    first = (
        f"✕ {told.account.login} NOT FLAT after {figures.age(after_ms)}: "
        f"{open_positions} of {figures.counted(of, 'position')} open"
    )
    return replace(
        told,
        level=Level.PAGE,
        kind="not_flat",
        lines=(first, *told.lines),
        time_msc=now_msc,
        dedupe_key=f"not_flat|{told.dedupe_key}",
    )


def cannot_act(place: Place, guard: str, cause: str, now_msc: int) -> Alert:
    """A guard that cannot close: autotrading off, market closed, no link."""
    first = f"✕ {place.key.login} GUARD CANNOT ACT {guard}: {cause}"
    lines = (first, "Positions stay open until somebody acts.")
    return _of_account(Level.PAGE, "cannot_act", place, f"{guard}|{cause}", lines, now_msc)


# Halts


def halted(record: records.AccountHalted, place: Place) -> Alert:
    """`■ 1001 HALTED by daily_loss`."""
    first = f"■ {record.login} HALTED by {record.cause}"
    lines = (first, "No new positions until it is released.")
    told = _of_account(Level.NOTIFY, "halted", place, str(record.seq), lines, record.time_msc)
    return replace(told, thread=f"halt|{place.key}|{record.seq}")


def released(record: records.AccountReleased, place: Place) -> Alert:
    """`● 1001 RELEASED by reset: daily_loss`."""
    first = f"● {record.login} RELEASED by {record.by}: {record.cause}"
    lines = (first, record.reason) if record.reason else (first,)
    told = _of_account(Level.NOTIFY, "released", place, str(record.seq), lines, record.time_msc)
    return replace(told, thread=f"release|{place.key}|{record.seq}")


def kill_switch(by: str, action: str, accounts: int, reason: str, now_msc: int) -> Alert:
    """Everything halted or flattened at once; `action`: `halt` or `flatten`."""
    verb = {"halt": "HALTED", "flatten": "FLATTENED"}[action]
    first = f"■ KILL SWITCH: {figures.counted(accounts, 'account')} {verb} by {by}"
    lines = (first, *([reason] if reason else []), "Stays until released.")
    return _of_engine("kill_switch", f"{action}|{by}|{now_msc}", lines, now_msc)


# Links and the engine


def discrepancy(
    place: Place, kind: str, expected: str, actual: str, subject: str, now_msc: int
) -> Alert:
    """Broker and belief differ, confirmed. `subject`: the position or intent it is about."""
    about = f" {subject}" if subject else ""
    words = kind.replace("_", " ")
    first = f"▲ {place.key.login} DISCREPANCY {words}{about}: expected {expected}, actual {actual}"
    return _of_account(Level.NOTIFY, "discrepancy", place, f"{kind}|{subject}", (first,), now_msc)


def feed_changed(place: Place, feed: str, cause: str, now_msc: int) -> Alert:
    """Whose quotes the account is valued on from here on, and why."""
    whose = "ITS OWN QUOTES" if feed == "own" else "ITS SERVER'S QUOTES"
    first = f"▲ {place.key.login} {whose} from here on: {cause}"
    return _of_account(Level.NOTIFY, "feed_changed", place, str(now_msc), (first,), now_msc)


def terminal_lost(place: Place, silence_ms: int, positions: int, now_msc: int) -> Alert:
    """`◌ 1001 STALE 12 s: terminal lost, 3 positions open`."""
    held = figures.counted(positions, "position") if positions else "no position"
    first = f"◌ {place.key.login} STALE {figures.age(silence_ms)}: terminal lost, {held} open"
    return _of_account(Level.NOTIFY, "terminal_lost", place, "", (first,), now_msc)


def terminal_back(place: Place, away_ms: int, now_msc: int) -> Alert:
    """`● 1001 LINKED again after 12 s`: its report follows."""
    first = f"● {place.key.login} LINKED again after {figures.age(away_ms)}"
    return _of_account(Level.NOTIFY, "terminal_back", place, str(now_msc), (first,), now_msc)


def unknown_exposed(
    place: Place, reason: str, unknown_ms: int, positions: int, now_msc: int
) -> Alert:
    """Not valued for too long while positions are open: a page."""
    first = (
        f"? {place.key.login} UNKNOWN {figures.age(unknown_ms)}, "
        f"{figures.counted(positions, 'position')} open: {reason}"
    )
    lines = (first, "Its guards are not tested.")
    return _of_account(Level.PAGE, "unknown", place, "", lines, now_msc)


def journal_error(cause: str, now_msc: int) -> Alert:
    """The engine may no longer promise anything: a page."""
    first = f"✕ JOURNAL ERROR: {cause}"
    lines = (first, "Nothing is acknowledged any more; the engine stops and does not restart.")
    return _of_engine("journal_error", cause, lines, now_msc)


def alerts_lost(number: int, now_msc: int) -> Alert:
    """More was to be told than could be: a page, for nobody knows what was in it."""
    first = f"✕ {figures.counted(number, 'alert')} LOST: too many at once, or not taken"
    lines = (first, "Read the desk: the journal has what they were about.")
    return _of_engine("alerts_lost", str(now_msc), lines, now_msc)


def head_not_noted(place: str, cause: str, now_msc: int) -> Alert:
    """Nothing is lost, and whoever rewrites the journal from here on may go unseen."""
    lines = (
        f"▲ JOURNAL HEAD NOT NOTED in {place}: {cause}",
        "The engine goes on and tries again; told again only after it has worked.",
    )
    return replace(_of_engine("head_not_noted", place, lines, now_msc), level=Level.NOTIFY)


def equity_not_kept(cause: str, now_msc: int) -> Alert:
    """No guard needs it; what a restart meanwhile would lose is a gap in the curve."""
    lines = (
        f"▲ EQUITY OVER TIME NOT KEPT: {cause}",
        "Guards go on. It is tried again each 30 s; a restart before then leaves a gap.",
    )
    told = _of_engine("equity_not_kept", "", lines, now_msc)
    return replace(told, level=Level.NOTIFY, thread=f"{told.thread}|{now_msc}")


def equity_kept_again(told: Alert, now_msc: int) -> Alert:
    """What was in memory meanwhile is on the disk too; `told`: what was said when it began."""
    away = figures.age(now_msc - told.time_msc)
    return replace(
        told,
        kind="equity_kept_again",
        lines=(f"● EQUITY OVER TIME KEPT again after {away}", figures.clock(now_msc)),
        time_msc=now_msc,
        dedupe_key=f"equity_kept_again|{told.thread}",
    )


# Making them


def _rule(record: records.RuleWarning | records.RuleBreach) -> str:
    about = f" of {record.subject}" if record.subject else ""
    limit = "" if record.limit is None else f", limit {figures.number(record.limit)}"
    return f"{record.measured.replace('_', ' ')}{about} {figures.number(record.value)}{limit}"


def _measured(record: records.GuardWarning) -> float:
    """Equity or balance: the one that the record's percentage was computed from."""
    amount = record.reference - record.floor

    def miss(value: float) -> float:
        return abs(amount * record.used_percent - 100.0 * (record.reference - value))

    return min((record.equity, record.balance), key=miss)


def _verdict(
    level: Level,
    kind: str,
    place: Place,
    record: records.GuardWarning | records.RuleWarning | records.GuardBreach | records.RuleBreach,
    *lines: str,
) -> Alert:
    return Alert(
        level=level,
        kind=kind,
        account=place.key,
        lines=(*lines, place.footer(record.time_msc, record.verdict_id)),
        time_msc=record.time_msc,
        dedupe_key=f"{kind}|{record.verdict_id}",
        thread=record.verdict_id,
        verdict_id=record.verdict_id,
    )


def _edited(told: Alert, kind: str, line: str, now_msc: int) -> Alert:
    """The same alert with its line about closing replaced."""
    return replace(
        told,
        level=Level.NOTIFY,
        kind=kind,
        lines=(told.lines[0], line, told.lines[-1]),
        time_msc=now_msc,
        dedupe_key=f"{kind}|{told.thread}",
    )


def _of_account(
    level: Level, kind: str, place: Place, subject: str, lines: tuple[str, ...], now_msc: int
) -> Alert:
    name = f"{kind}|{place.key}|{subject}"
    return Alert(
        level=level,
        kind=kind,
        account=place.key,
        lines=(*lines, place.footer(now_msc)),
        time_msc=now_msc,
        dedupe_key=name,
        thread=f"{name}|{now_msc}",
    )


def _of_engine(kind: str, subject: str, lines: tuple[str, ...], now_msc: int) -> Alert:
    name = f"{kind}|{_DESK}|{subject}"
    return Alert(
        level=Level.PAGE,
        kind=kind,
        account=None,
        lines=(*lines, figures.clock(now_msc)),
        time_msc=now_msc,
        dedupe_key=name,
        thread=name,
    )
