"""What the bot answers, in lines no wider than a phone shows. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from textwrap import wrap

from adapters.notify import figures
from engine.domain.guard_views import GuardView
from engine.domain.ids import AccountKey
from engine.domain.snapshot import Quality, Snapshot

COLUMNS = 30
NEAREST = 5
STATES = (
    ("✕", "Breached"),
    ("?", "Unknown"),
    ("▲", "Warning"),
    ("◌", "Stale"),
    ("■", "Halted"),
    ("●", "Known"),
)
HELP = (
    "/status",
    "/account 1001",
    "/why 1001",
    "/guards 1001",
    "/mute 1001 30m",
    "/ack",
    "/halt 1001 or all",
    "/flatten 1001 or all",
    "Releases are not done here.",
)


def fitted(lines: Iterable[str]) -> str:
    """The lines as one text, folded where they are too wide; what is folded is indented."""
    folded: list[str] = []
    for line in lines:
        folded += wrap(line, COLUMNS, subsequent_indent=" ", break_on_hyphens=False) or [""]
    return "\n".join(folded)


def state_of(snapshot: Snapshot) -> int:
    """The account's state as a place in `STATES`: the worst that is true."""
    if any(guard.breached for guard in snapshot.guards):
        return 0
    if snapshot.quality is Quality.UNKNOWN:
        return 1
    if any(guard.warned for guard in snapshot.guards):
        return 2
    if snapshot.quality is Quality.STALE:
        return 3
    return 4 if snapshot.halts else 5


def status(snapshots: Sequence[Snapshot]) -> str:
    """Six counts, and the accounts with the least of an amount left."""
    counts = Counter(state_of(snapshot) for snapshot in snapshots)
    lines = [f"{glyph} {word} {counts[place]}" for place, (glyph, word) in enumerate(STATES)]
    running = [snapshot for snapshot in snapshots if snapshot.room_percent is not None]
    running.sort(key=lambda snapshot: snapshot.room_percent or 0.0)
    if running:
        lines.append("Nearest:")
    for snapshot in running[:NEAREST]:
        room = figures.money(snapshot.room, snapshot.currency)
        lines.append(f"{snapshot.login} {snapshot.nearest_guard}")
        left = figures.percent(snapshot.room_percent)
        lines.append(f" {room} {snapshot.currency}, {left}")
    return fitted(lines)


def account(snapshot: Snapshot) -> str:
    """One account."""
    glyph, word = STATES[state_of(snapshot)]
    money = figures.money
    currency = snapshot.currency
    lines = [f"{glyph} {word} {snapshot.server}/{snapshot.login}"]
    if snapshot.reason:
        lines.append(snapshot.reason)
    lines += [
        f"equity {money(snapshot.equity, currency)} {currency}",
        f"balance {money(snapshot.balance, currency)}",
        f"floating {money(snapshot.profit, currency, signed=True)}",
        holding(snapshot),
    ]
    if snapshot.nearest_guard is not None:
        room, left = money(snapshot.room, currency), figures.percent(snapshot.room_percent)
        lines += [f"nearest {snapshot.nearest_guard}", f" {room} left, {left}"]
    lines += [f"halted by {cause}" for cause in snapshot.halts]
    if snapshot.age_ms is not None:
        lines.append(f"quotes {figures.age(snapshot.age_ms)} old")
    return fitted(lines)


def guards(snapshot: Snapshot) -> str:
    """Every guard of one account."""
    lines = [f"{snapshot.server}/{snapshot.login}"]
    if not snapshot.guards:
        lines.append("no guards")
    for guard in snapshot.guards:
        lines += _guard(guard, snapshot.currency)
    return fitted(lines)


def _guard(guard: GuardView, currency: str) -> list[str]:
    glyph = "✕" if guard.breached else "▲" if guard.warned else "●"
    lines = [f"{glyph} {guard.name}"]
    if guard.floor is not None:
        lines.append(f" floor {figures.money(guard.floor, currency)}")
        used = figures.percent(guard.used_percent)
        lines.append(f" {figures.money(guard.distance, currency)} left, {used} used")
    return lines


def holding(snapshot: Snapshot) -> str:
    """`3 positions, 4.20 lots`."""
    volume_lots = sum(position.volume_lots for position in snapshot.positions)
    count = figures.counted(len(snapshot.positions), "position")
    return f"{count}, {figures.lots(volume_lots)} lots" if snapshot.positions else "no position"


def to_confirm(verb: str, name: str, snapshots: Sequence[Snapshot], code: str) -> str:
    """What would be done, in numbers, and the code that does it."""
    positions = [position for snapshot in snapshots for position in snapshot.positions]
    volume_lots = sum(position.volume_lots for position in positions)
    lines = [f"{verb.upper()} {name}"]
    if len(snapshots) != 1:
        lines.append(figures.counted(len(snapshots), "account"))
    lines.append(f"{figures.counted(len(positions), 'position')}, {figures.lots(volume_lots)} lots")
    for currency in sorted({snapshot.currency for snapshot in snapshots}):
        floating = [s.profit for s in snapshots if s.currency == currency]
        known = [profit for profit in floating if profit is not None]
        text = figures.money(sum(known), currency, signed=True) if known else figures.UNKNOWN
        unknown = len(floating) - len(known)
        more = f", {unknown} unknown" if unknown and known else ""
        lines.append(f"floating {text} {currency}{more}")
    if verb == "halt":
        lines.append("Positions stay open.")
    lines.append(f"Send {code} within 60 s")
    return fitted(lines)


def which(text: str | None, keys: Sequence[AccountKey]) -> str:
    """Why a name led to no single account."""
    if text is None:
        return "Which account?"
    if not keys:
        return fitted([f"no account {text}"])
    return fitted(["Which one?", *(str(key) for key in keys[:10])])
