"""Differences between what is held and what should be: kinds, their life, and what is done.

One row a difference, from the first report that shows it to the first that does not: suspected,
confirmed by newer reports (at once where a deal proves it), resolved. It is never given up: only
a report that shows it gone ends it.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from engine.domain.ids import AccountKey
from engine.domain.records import Discrepancy as Record


class Kind(StrEnum):
    """What differs."""

    MISSING = "missing"
    """Meant, and nothing holds it."""
    UNEXPECTED = "unexpected"
    """Held, and no intent means it: by hand, or foreign."""
    VOLUME = "volume"
    """More than 10 % off."""
    PARTIAL_FILL = "partial_fill"
    SIDE = "side"
    ENTRY_SLIPPAGE = "entry_slippage"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    CLOSED_EXTERNALLY = "closed_externally"
    """By a deal that neither the engine nor the strategy made; `actual` is its reason."""
    DUPLICATE_FILL = "duplicate_fill"
    PROFIT = "profit"
    """A deal's profit is not what its price makes of it."""
    BALANCE_RESIDUAL = "balance_residual"
    """The balance or the credit moved by more, or less, than its deals."""
    EQUITY_RESIDUAL = "equity_residual"
    """Our mark against theirs."""
    STALE_TERMINAL = "stale_terminal"
    SPEC_CHANGED = "spec_changed"


class State(StrEnum):
    """Where a discrepancy is in its life."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    RESOLVED = "resolved"


class Policy(StrEnum):
    """What a confirmed discrepancy has done."""

    REPORT = "report"
    ADOPT = "adopt"
    """The broker is right: the belief follows it."""
    CLOSE = "close"
    """The position goes."""
    HALT = "halt"
    """No new risk until a person releases the account."""


PROVED = frozenset({Kind.CLOSED_EXTERNALLY, Kind.PROFIT, Kind.STALE_TERMINAL})
"""Confirmed when first seen: a deal says so, or silence has lasted."""
ABOUT_POSITIONS = frozenset({Kind.UNEXPECTED, Kind.DUPLICATE_FILL, Kind.SIDE})
"""Kinds that name a position nobody means to hold as it is: the ones that `close` can act on."""
ABOUT_MONEY = frozenset({Kind.BALANCE_RESIDUAL, Kind.EQUITY_RESIDUAL})
"""Judged at every heartbeat; all others by full reports and deals."""
_ABOUT_INTENTS = frozenset({Kind.MISSING, Kind.VOLUME, Kind.PARTIAL_FILL, Kind.ENTRY_SLIPPAGE})
NOT_ADOPTABLE = frozenset({Kind.EQUITY_RESIDUAL, Kind.STALE_TERMINAL})
"""There is nothing to believe instead."""


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about each kind, and how sure one must be."""

    by_kind: Mapping[Kind, Policy] = {}
    """Kinds left out are reported."""
    confirmations: int = 2
    """Reports, each newer than the last, that must show it."""
    equity_confirmations: int = 3
    """The same for the equity residual, counted in heartbeats and reports."""

    def __post_init__(self) -> None:
        """Refuses what cannot be done.

        Raises:
            ValueError: names the kind and the policies it may have.
        """
        for kind, policy in self.by_kind.items():
            if policy not in allowed_policies(kind):
                raise ValueError(
                    f"{kind}: cannot {policy}; allowed: {', '.join(allowed_policies(kind))}"
                )
        if self.confirmations < 1 or self.equity_confirmations < 1:
            raise ValueError("confirmations: at least 1")

    def of(self, kind: Kind) -> Policy:
        """The policy of a kind."""
        return self.by_kind.get(kind, Policy.REPORT)

    def needed(self, kind: Kind) -> int:
        """Sightings that confirm a discrepancy of this kind."""
        if kind in PROVED:
            return 1
        return self.equity_confirmations if kind is Kind.EQUITY_RESIDUAL else self.confirmations


def allowed_policies(kind: Kind) -> tuple[Policy, ...]:
    """What can be done about a kind."""
    return tuple(
        policy
        for policy in Policy
        if not (policy is Policy.CLOSE and kind not in ABOUT_POSITIONS)
        and not (policy is Policy.ADOPT and kind in NOT_ADOPTABLE)
    )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference as one report or deal shows it."""

    kind: Kind
    position_id: int | None = None
    intent_id: str | None = None
    subject: str = ""
    expected: str | None = None
    actual: str | None = None

    @property
    def key(self) -> tuple[Kind, int | None, str | None, str]:
        """What makes it the same discrepancy as another sighting: all but the values.

        What is about an intent as a whole stays the same whichever positions are left of it.
        """
        position = None if self.kind in _ABOUT_INTENTS else self.position_id
        return (self.kind, position, self.intent_id, self.subject)


class Discrepancy(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a difference that was seen, and what became of it."""

    finding: Finding
    """As last seen."""
    state: State
    first_seen_msc: int
    last_seen_msc: int
    """For a resolved one still the last sighting, not the resolution."""
    count: int = 1
    """Sightings."""

    @property
    def kind(self) -> Kind:
        """What differs."""
        return self.finding.kind

    def published(self, key: AccountKey, seq: int, time_msc: int) -> Record:
        """The record of this row as it is now, event `seq` of the account."""
        found = self.finding
        return Record(
            seq=seq,
            time_msc=time_msc,
            login=key.login,
            server=key.server,
            kind=found.kind.value,
            state=self.state.value,
            position_id=found.position_id,
            intent_id=found.intent_id,
            subject=found.subject,
            expected=found.expected,
            actual=found.actual,
        )


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What a sighting makes of the rows."""

    rows: tuple[Discrepancy, ...]
    """The open ones, oldest first."""
    changed: tuple[Discrepancy, ...] = ()
    """What is new, confirmed, resolved, or (money apart, which moves all the time) has another
    value. A sighting that only counts up is not in it."""


def turn(
    rows: Iterable[Discrepancy],
    findings: Iterable[Finding],
    at_msc: int,
    judged: Callable[[Finding], bool],
    policies: Policies,
) -> Turn:
    """The rows after a report: those that it judged and does not show are resolved.

    What was not judged stays as it is: a heartbeat says nothing of positions.
    """
    seen = {found.key: found for found in findings}
    kept: list[Discrepancy] = []
    changed: list[Discrepancy] = []
    for row in rows:
        found = seen.pop(row.finding.key, None)
        if found is None:
            if judged(row.finding):
                changed.append(replace(row, state=State.RESOLVED))
            else:
                kept.append(row)
            continue
        count = row.count + 1
        state = State.CONFIRMED if count >= policies.needed(row.kind) else row.state
        now = replace(row, finding=found, state=state, count=count, last_seen_msc=at_msc)
        kept.append(now)
        if now.state is not row.state or (found != row.finding and row.kind not in ABOUT_MONEY):
            changed.append(now)
    for found in seen.values():
        first = State.CONFIRMED if policies.needed(found.kind) == 1 else State.SUSPECTED
        new = Discrepancy(finding=found, state=first, first_seen_msc=at_msc, last_seen_msc=at_msc)
        kept.append(new)
        changed.append(new)
    return Turn(rows=tuple(kept), changed=tuple(changed))
