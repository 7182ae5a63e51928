"""What happened to each account of a replay, gathered from its records for the page to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from engine.domain import records
from engine.domain.account import AccountSpec
from engine.domain.guards import EquityLimit
from engine.domain.positions import Position
from engine.domain.records import Record
from engine.domain.valuation import symbols_needed
from engine.replay_equity import EquitySeries
from engine.replay_result import Replay

Verdict = records.GuardBreach | records.RuleBreach
Warned = records.GuardWarning | records.RuleWarning

BREACHED, UNKNOWN, WARNED, KNOWN = "breached", "unknown", "warned", "known"
SEVERITY = (BREACHED, UNKNOWN, WARNED, KNOWN)
"""The states an account of a replay ends in, the worst first."""

CASH = frozenset({"deposit", "withdrawal"})
"""Operations that move the balance."""


@dataclass(frozen=True)
class Breach:
    """One breach with what led to it and what it did."""

    verdict: Verdict
    warning: Warned | None
    """The last of the same guard before it, since its breach before."""
    closes: Sequence[records.PositionClosed]
    """Made for it."""

    @property
    def realised(self) -> float:
        """Profit of its closes, swap apart."""
        return sum(close.profit for close in self.closes)

    @property
    def between_msc(self) -> int | None:
        """From the warning to the breach."""
        return None if self.warning is None else self.verdict.time_msc - self.warning.time_msc

    @property
    def between_ticks(self) -> int | None:
        """Ticks of the merged stream from the warning to the breach; None where one has no tick."""
        if self.warning is None:
            return None
        first, last = self.warning.tick, self.verdict.tick
        if not isinstance(first, records.Tick) or not isinstance(last, records.Tick):
            return None
        return last.index - first.index


@dataclass
class Story:
    """One account, from its opening to the end of the replay."""

    number: int
    """Of the account in the book."""
    spec: AccountSpec
    positions: Sequence[Position]
    """At the opening."""
    series: EquitySeries
    opened: records.AccountOpened
    closed: records.AccountClosed
    halts: Sequence[str]
    """Causes that still stand at the end."""
    missing: Sequence[str]
    """Symbols it needs that never had a tick."""
    told: list[Record] = field(default_factory=list)
    """All its records in order."""

    @property
    def name(self) -> str:
        """The login; the server stands beside it on the page."""
        return str(self.spec.key.login)

    @property
    def digits(self) -> int:
        """Of the account currency."""
        return self.spec.digits

    @property
    def currency(self) -> str:
        """Of the account."""
        return self.spec.market.deposit

    @cached_property
    def warnings(self) -> list[Warned]:
        """In order."""
        return [r for r in self.told if isinstance(r, Warned)]

    @cached_property
    def closes(self) -> list[records.PositionClosed]:
        """In order."""
        return [r for r in self.told if isinstance(r, records.PositionClosed)]

    @cached_property
    def breaches(self) -> list[Breach]:
        """In order."""
        found: list[Breach] = []
        warned: dict[str, Warned] = {}
        closes: dict[str, list[records.PositionClosed]] = {}
        for record in self.told:
            if isinstance(record, Warned):
                warned[record.guard] = record
            elif isinstance(record, Verdict):
                made = closes[f"guard:{record.guard}"] = []
                found.append(Breach(record, warned.pop(record.guard, None), made))
            elif isinstance(record, records.PositionClosed) and record.reason in closes:
                closes[record.reason].append(record)
        return found

    @property
    def state(self) -> str:
        """One of `SEVERITY`."""
        if self.breaches:
            return BREACHED
        if self.closed.equity is None:
            return UNKNOWN
        return WARNED if self.warnings else KNOWN

    @property
    def realised(self) -> float:
        """What the balance gained, deposits and withdrawals apart."""
        moved = sum(
            record.amount
            for record in self.told
            if isinstance(record, records.BalanceChanged) and record.kind in CASH
        )
        return self.closed.balance - self.opened.balance - moved

    @property
    def room_percent(self) -> float | None:
        """How much of the amount was left at the worst: less than 0 past the floor."""
        lefts = [
            100.0 * (_measured(v) - v.floor) / (v.reference - v.floor)
            for v in (breach.verdict for breach in self.breaches)
            if isinstance(v, records.GuardBreach) and v.reference != v.floor
        ]
        if lefts:
            return min(lefts)
        room = None if self.state == UNKNOWN else self.series.min_room
        return None if room is None else room.left_percent

    @property
    def limits(self) -> list[EquityLimit]:
        """Its guards that have a floor, in order."""
        return [guard for guard in self.spec.guards if isinstance(guard, EquityLimit)]


def _measured(verdict: records.GuardBreach) -> float:
    return verdict.balance if verdict.measured == "balance" else verdict.equity


def stories_of(replay: Replay, series: Mapping[int, EquitySeries]) -> list[Story]:
    """Every account's story, in the order of the book."""
    told: dict[tuple[str, int], list[Record]] = {}
    for record in replay.records:
        told.setdefault((record.server, record.login), []).append(record)
    files = replay.stream.quality()
    ticked = {quality.symbol for quality in files if quality.first_msc is not None}
    if not files:
        ticked = set(replay.stream.symbols)
    stories = []
    states = replay.states
    for number, account in enumerate(replay.book.accounts):
        key = account.spec.key
        mine = told[key.server, key.login]
        opened, closed = mine[0], mine[-1]
        assert isinstance(opened, records.AccountOpened), "an account's first record opens it"
        assert isinstance(closed, records.AccountClosed), "an account's last record closes it"
        needed = symbols_needed(account.spec.market, account.positions)
        stories.append(
            Story(
                number=number,
                spec=account.spec,
                positions=account.positions,
                series=series[number],
                opened=opened,
                closed=closed,
                halts=states[number].halts,
                missing=[symbol for symbol in needed if symbol not in ticked],
                told=mine,
            )
        )
    return stories


def by_severity(stories: Sequence[Story], measured: frozenset[int]) -> list[Story]:
    """The worst first; inside one state by room, as percent of the amount.

    Args:
        measured: accounts whose equity was gathered; the room of others is not asked for.
    """

    def rank(story: Story) -> tuple[int, float, int]:
        known = story.state == BREACHED or story.number in measured
        left = story.room_percent if known else None
        return SEVERITY.index(story.state), float("inf") if left is None else left, story.number

    return sorted(stories, key=rank)
