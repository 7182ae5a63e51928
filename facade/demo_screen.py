"""The live screen of `tidegate demo` and `tidegate status --watch`: accounts by urgency, events."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.desk import Desk
from engine.domain import records
from engine.domain.severity import Severity, severity_of, sort_key
from engine.domain.snapshot import Snapshot

EVENTS = 8
GLYPHS = {
    Severity.CLOSING: ("✕", "bold red"),
    Severity.BREACHED: ("✕", "bold red"),
    Severity.UNKNOWN: ("?", "magenta"),
    Severity.WARNING: ("▲", "yellow"),
    Severity.STALE: ("◌", "magenta"),
    Severity.DISCREPANCY: ("▲", "cyan"),
    Severity.HALTED: ("■", "bright_black"),
    Severity.KNOWN: ("●", "blue"),
}
_WORDS = {
    Severity.CLOSING: "Closing",
    Severity.BREACHED: "Breached",
    Severity.UNKNOWN: "Unknown",
    Severity.WARNING: "Warning",
    Severity.STALE: "Stale",
    Severity.DISCREPANCY: "Discrepancy",
    Severity.HALTED: "Halted",
    Severity.KNOWN: "Known",
}
_METER = 12


class Screen:
    """What is shown, from a desk; `take` it the records, `draw` it some times a second."""

    def __init__(self, desk: Desk, head: Sequence[str] = ()) -> None:
        """`head`: lines above everything."""
        self._desk = desk
        self.head = tuple(head)
        self.on_line: Callable[[Text], None] | None = None
        """Hears each line as it comes."""
        self._events: deque[Text] = deque(maxlen=EVENTS)
        self.seen: Counter[str] = Counter()
        """Records so far, by type."""

    def take(self, record: records.Record) -> None:
        """One durable record."""
        kind = str(type(record).__struct_config__.tag)
        self.seen[kind] += 1
        told = told_of(record)
        if told is not None:
            self._events.append(told)
            if self.on_line is not None:
                self.on_line(told)

    def draw(self, rows: int) -> RenderableType:
        """The screen as it is now, with at most so many accounts."""
        keys = self._desk.keys()
        snapshots = sorted((self._desk.snapshot(key) for key in keys), key=sort_key)
        health = self._desk.health()
        parts: list[RenderableType] = [Text(line, style="dim") for line in self.head]
        feeds = ", ".join(f"{feed.name} {feed.ticks} ticks" for feed in health.feeds)
        parts.append(
            Text(
                f"{health.linked} of {health.accounts} terminals linked · {feeds}"
                f" · loop lag {health.loop_lag_ms:.0f} ms",
                style="dim",
            )
        )
        parts.append(counts_line(snapshots))
        parts.append(table_of(snapshots[:rows]))
        hidden = len(snapshots) - rows
        if hidden > 0:
            parts.append(Text(f"and {hidden} more", style="dim"))
        parts.append(Text())
        parts.extend(self._events)
        return Group(*parts)


def counts_line(snapshots: Sequence[Snapshot]) -> Text:
    """How many accounts are in each state."""
    counted = Counter(severity_of(snapshot) for snapshot in snapshots)
    line = Text()
    for severity in Severity:
        if counted[severity]:
            glyph, style = GLYPHS[severity]
            line.append(f"{glyph} {_WORDS[severity]} {counted[severity]}   ", style=style)
    return line


def table_of(snapshots: Sequence[Snapshot]) -> Table:
    """Accounts as rows, in the order given."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, justify in (
        ("State", "left"),
        ("Login", "right"),
        ("Nearest guard", "left"),
        ("Used", "left"),
        ("%", "right"),
        ("Room", "right"),
        ("Equity", "right"),
        ("Pos", "right"),
        ("Disc", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for snapshot in snapshots:
        table.add_row(*_row(snapshot))
    return table


def _row(snapshot: Snapshot) -> tuple[Text | str, ...]:
    severity = severity_of(snapshot)
    glyph, style = GLYPHS[severity]
    words = _WORDS[severity]
    live = snapshot.live
    if severity is Severity.CLOSING and live is not None:
        words = f"Closing {len(live.closes)}"
    if snapshot.mode == "observe":
        words += " (observe)"
    used = None if snapshot.room_percent is None else 100.0 - snapshot.room_percent
    known = snapshot.quality.value != "unknown"
    return (
        Text(f"{glyph} {words}", style=style),
        str(snapshot.login),
        snapshot.nearest_guard or "—",
        _meter(used if known else None),
        "—" if used is None or not known else f"{max(used, 0):.0f}",
        money(snapshot.room, signed=True),
        f"{money(snapshot.equity)} {snapshot.currency}",
        str(len(snapshot.positions)),
        str(len(live.discrepancies)) if live is not None and live.discrepancies else "",
    )


def _meter(used: float | None) -> Text:
    if used is None:
        return Text("░" * _METER, style="dim")
    filled = min(_METER, max(0, round(used / 100.0 * _METER)))
    style = "red" if used >= 100 else "yellow" if used >= 75 else "blue"
    return Text("█" * filled, style=style) + Text("░" * (_METER - filled), style="dim")


def money(amount: float | None, *, signed: bool = False) -> str:
    """An amount as a person reads it; unknown is a dash, never 0."""
    if amount is None:
        return "—"
    text = f"{amount:+,.2f}" if signed else f"{amount:,.2f}"
    return text.replace(",", "\u202f").replace("-", "\u2212")


def told_of(record: records.Record) -> Text | None:
    """A record as a line, where it is worth one."""
    at = datetime.fromtimestamp(record.time_msc / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    line = f"{at} {record.login} "
    match record:
        case records.GuardBreach():
            return Text(
                f"{line}✕ breach of {record.guard}: {money(record.equity)}"
                f" against {money(record.floor)}",
                style="bold red",
            )
        case records.GuardWarning():
            said = f"{line}▲ {record.used_percent:.0f} % of {record.guard} used"
            return Text(said, style="yellow")
        case records.PositionClosed():
            return Text(
                f"{line}closed {record.volume_lots:g} {record.symbol}"
                f" {money(record.profit, signed=True)} ({record.reason})"
            )
        case records.CloseAlert():
            return Text(f"{line}✕ close {record.kind}", style="bold red")
        case records.CloseSettled():
            return Text(f"{line}close settled after {record.took_ms} ms")
        case records.Discrepancy(state="confirmed" | "resolved", kind=kind) if (
            kind != "stale_terminal"  # the link's own line says it
        ):
            return Text(
                f"{line}discrepancy {record.kind} {record.state}:"
                f" {record.expected or '—'} against {record.actual or '—'}",
                style="cyan",
            )
        case records.LinkChanged():
            return Text(f"{line}terminal {record.state} {record.cause}", style="magenta")
        case records.BalanceChanged():
            return Text(f"{line}{record.kind} {money(record.amount, signed=True)}")
        case records.AccountHalted():
            return Text(f"{line}■ halted by {record.cause}", style="bright_black")
        case _:
            return None
